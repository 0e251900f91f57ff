/** What the `OTEL_*` environment means before the SDK reads it. */
import { assert, describe, it } from "@effect/vitest"
import { context, type Link, SpanKind, TraceFlags } from "@opentelemetry/api"
import { tracing } from "@opentelemetry/sdk-node"
import { linkedSampler } from "../../../adapters/tracing/LinkedSampler.ts"
import { linkedRatio, serviceName, tracingChoice } from "../../../adapters/tracing/TracingEnvironment.ts"

const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://localhost:4318" }

describe("the environment", () => {
  it.each([
    [{}, { _tag: "Off", reason: "not_configured" }],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: " " }, { _tag: "Off", reason: "not_configured" }],
    [
      { OTEL_SERVICE_NAME: "x", OTEL_TRACES_SAMPLER: "always_on" },
      { _tag: "Off", reason: "not_configured" }
    ],
    [{ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: "http://localhost:4318" }, { _tag: "Off", reason: "not_configured" }],
    [endpoint, { _tag: "On" }],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://localhost:4318/v1/traces" }, { _tag: "On" }],
    [{ OTEL_TRACES_EXPORTER: "otlp" }, { _tag: "On" }],
    [{ OTEL_TRACES_EXPORTER: "console, otlp" }, { _tag: "On" }],
    [{ ...endpoint, OTEL_SDK_DISABLED: "false" }, { _tag: "On" }],
    [
      { ...endpoint, OTEL_SDK_DISABLED: "True" },
      { _tag: "Off", reason: "disabled" }
    ],
    [
      { ...endpoint, OTEL_TRACES_EXPORTER: "none" },
      { _tag: "Off", reason: "exporter_none" }
    ],
    [
      { ...endpoint, OTEL_TRACES_EXPORTER: "otlp,none" },
      { _tag: "Off", reason: "exporter_none" }
    ],
    [
      { ...endpoint, OTEL_TRACES_EXPORTER: "jaeger" },
      { _tag: "Off", reason: "exporter_unknown", unknown: ["jaeger"] }
    ]
  ])("%j means %j", (environment, choice) => {
    assert.deepStrictEqual(tracingChoice(environment), choice as ReturnType<typeof tracingChoice>)
  })

  it("names the service unless it is named", () => {
    assert.strictEqual(serviceName({}), "relaymill")
    assert.strictEqual(serviceName({ OTEL_RESOURCE_ATTRIBUTES: "team.service.name=x" }), "relaymill")
    assert.isUndefined(serviceName({ OTEL_SERVICE_NAME: "relayer" }))
    assert.isUndefined(serviceName({ OTEL_RESOURCE_ATTRIBUTES: "region=eu, service.name=relayer" }))
  })

  it.each([
    [undefined, undefined, undefined],
    ["always_on", undefined, undefined],
    ["always_off", undefined, undefined],
    ["traceidratio", "0.1", undefined],
    ["parentbased_always_on", undefined, undefined],
    ["parentbased_always_off", undefined, 0],
    ["parentbased_traceidratio", "0.01", 0.01],
    ["parentbased_traceidratio", undefined, 1],
    ["parentbased_traceidratio", "2", 1],
    ["parentbased_traceidratio", "nonsense", 1]
  ])("sampler %s with argument %s follows links from ratio %s", (sampler, argument, ratio) => {
    assert.strictEqual(linkedRatio({ OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: argument }), ratio)
  })
})

describe("the sampler of batches", () => {
  const link = (traceFlags: TraceFlags): Link => ({
    context: { traceId: "a".repeat(32), spanId: "b".repeat(16), traceFlags }
  })
  const decide = (links: Array<Link>) =>
    linkedSampler(0).shouldSample(context.active(), "c".repeat(32), "batch", SpanKind.INTERNAL, {}, links).decision

  it("records what links to something recorded", () => {
    assert.strictEqual(
      decide([link(TraceFlags.NONE), link(TraceFlags.SAMPLED)]),
      tracing.SamplingDecision.RECORD_AND_SAMPLED
    )
  })

  it("leaves the rest to the ratio", () => {
    assert.strictEqual(decide([]), tracing.SamplingDecision.NOT_RECORD)
    assert.strictEqual(decide([link(TraceFlags.NONE)]), tracing.SamplingDecision.NOT_RECORD)
  })
})
