/** The collector's configuration that is handed out: its pipeline uses what it defines, and relaymill's defaults fit. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { parse } from "yaml"

const Components = Schema.Record(Schema.String, Schema.Unknown)
const Configuration = Schema.Struct({
  receivers: Schema.Struct({
    otlp: Schema.Struct({
      protocols: Schema.Struct({
        grpc: Schema.Struct({ endpoint: Schema.String }),
        http: Schema.Struct({ endpoint: Schema.String })
      })
    })
  }),
  processors: Components,
  exporters: Components,
  service: Schema.Struct({
    pipelines: Schema.Struct({
      traces: Schema.Struct({
        receivers: Schema.Array(Schema.String),
        processors: Schema.Array(Schema.String),
        exporters: Schema.Array(Schema.String)
      })
    })
  })
})

const text = readFileSync(new URL("../otel-collector.yaml", import.meta.url), "utf8")
const configuration = Schema.decodeUnknownSync(Configuration)(parse(text))

describe("otel-collector.yaml", () => {
  it("takes OTLP on the ports that SDKs use", () => {
    const { grpc, http } = configuration.receivers.otlp.protocols
    assert.deepStrictEqual([grpc.endpoint, http.endpoint], ["0.0.0.0:4317", "0.0.0.0:4318"])
  })

  it("limits memory before it batches, and exports to Jaeger", () => {
    const { receivers, processors, exporters } = configuration.service.pipelines.traces
    assert.deepStrictEqual(receivers, Object.keys(configuration.receivers))
    assert.deepStrictEqual(processors, ["memory_limiter", "batch"])
    assert.sameMembers([...processors], Object.keys(configuration.processors))
    assert.deepStrictEqual(exporters, Object.keys(configuration.exporters))
    assert.include(text, "endpoint: jaeger:4317")
  })
})
