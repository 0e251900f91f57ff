/** Off means off: no span, no SDK, and steps that are the very effects they name. */
import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, Option, Tracer } from "effect"
import { startMiner } from "../../../domain/mining/Miner.ts"
import { SupplierStore } from "../../../domain/ports/SupplierStore.ts"
import { SupplierAddress } from "../../../domain/protocol/Identifiers.ts"
import { StepTracer } from "../../../domain/tracing/StepTracer.ts"
import * as Tracing from "../../../layers/Tracing.ts"
import * as World from "../../support/RelayingWorld.ts"
import { layerProcess, sendRelay, withOtelEnvironment } from "./TracedProcess.ts"

/** Dies with the name of the first span that anybody makes. */
const layerForbidden = Layer.succeed(
  Tracer.Tracer,
  Tracer.make({
    span: ({ name }) => {
      throw new Error(`span ${name} was made`)
    }
  })
)

describe("tracing that is off", () => {
  it.live("makes no span while a relay is served and mined", () =>
    Effect.gen(function* () {
      yield* withOtelEnvironment({})
      yield* startMiner
      assert.strictEqual(yield* sendRelay("1", { traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01` }), 200)
      const store = yield* SupplierStore
      const mined = Effect.map(store.sessions(SupplierAddress.make(World.supplier.address)), ({ length }) => length)
      yield* mined.pipe(Effect.repeat({ until: (sessions) => sessions === 1 }))
    }).pipe(
      Effect.provide(layerProcess.pipe(Layer.provideMerge(layerForbidden))),
      Effect.scoped,
      Effect.timeout(Duration.seconds(20))
    )
  )

  it.effect.each([
    {},
    { OTEL_TRACES_EXPORTER: "none", OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4318" },
    { OTEL_SDK_DISABLED: "TRUE", OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4318" },
    { OTEL_SERVICE_NAME: "relayer", OTEL_TRACES_SAMPLER: "always_on" }
  ])("leaves steps as they are under %j", (environment) =>
    Effect.gen(function* () {
      const { enabled, step, note, context } = yield* StepTracer
      const effect = Effect.succeed(1)
      assert.strictEqual(step("ServeRelay", { kind: "server", root: true })(effect), effect)
      assert.isFalse(enabled)
      yield* note(() => assert.fail("facts were asked for"))
      assert.isTrue(Option.isNone(yield* context))
    }).pipe(Effect.provide(Tracing.layer(environment)))
  )

  it("does not load the SDK", () => {
    const program = `
      import { createRequire } from "node:module"
      import { Effect, Layer } from "effect"
      const { layer } = await import("./layers/Tracing.ts")
      await Effect.runPromise(Effect.scoped(Layer.build(layer({ OTEL_SERVICE_NAME: "relayer" }))))
      const loaded = Object.keys(createRequire(process.cwd() + "/").cache).filter((file) => /opentelemetry/.test(file))
      console.log(loaded.length)`
    const output = execFileSync(process.execPath, ["--input-type=module", "--eval", program], {
      cwd: fileURLToPath(new URL("../../..", import.meta.url)),
      encoding: "utf8"
    })
    assert.strictEqual(output.trim(), "0")
  })
})
