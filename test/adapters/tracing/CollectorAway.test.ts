/** Traces are best effort: a collector that is away or silent costs no relay, no memory and no time at the end. */
import { createServer } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Duration, Effect, Layer, Logger } from "effect"
import { FLUSH_TIMEOUT } from "../../../adapters/tracing/OpenTelemetry.ts"
import { StepTracer } from "../../../domain/tracing/StepTracer.ts"
import * as Tracing from "../../../layers/Tracing.ts"
import { startReceiver } from "./OtlpReceiver.ts"
import { layerProcess, sendRelay, withOtelEnvironment } from "./TracedProcess.ts"

/** Spans that wait for the exporter (OTEL_BSP_MAX_QUEUE_SIZE) and spans in one export, the SDK's defaults. */
const QUEUE = 2048
const EXPORT = 512

/** A loopback port on which nobody listens. */
const closedPort = Effect.callback<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

/** Milliseconds from the end of `effect` to the end of its layers. */
const timeToRelease = <A, E, R, E2>(effect: Effect.Effect<A, E, R>, layer: Layer.Layer<R, E2>) =>
  Effect.gen(function* () {
    const ended = yield* Effect.provide(Effect.andThen(effect, Clock.currentTimeMillis), layer)
    return (yield* Clock.currentTimeMillis) - ended
  })

const SLACK_MILLIS = 2_000

/** A logger, and an effect that waits until it has logged this text. */
const listening = (text: string) =>
  Effect.map(Deferred.make<void>(), (heard) => ({
    logged: Deferred.await(heard),
    layer: Logger.layer([
      Logger.make(({ message }) => {
        if ([message].flat().includes(text)) Deferred.doneUnsafe(heard, Effect.void)
      })
    ])
  }))

describe("a collector", () => {
  it.live("that is away costs no relay, and the end of the process is not held up", () =>
    Effect.gen(function* () {
      yield* withOtelEnvironment({
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${yield* closedPort}`,
        OTEL_BSP_SCHEDULE_DELAY: "10"
      })
      const { logged, layer } = yield* listening("last spans were not exported")
      const millis = yield* timeToRelease(
        Effect.gen(function* () {
          for (let i = 0; i < 5; i++) assert.strictEqual(yield* sendRelay(String(i)), 200)
        }),
        layerProcess.pipe(Layer.provideMerge(layer))
      )
      assert.isBelow(millis, Duration.toMillis(FLUSH_TIMEOUT) + SLACK_MILLIS)
      yield* logged
    }).pipe(Effect.scoped)
  )

  it.live("that is away is reported once the exporter has given up", () =>
    Effect.gen(function* () {
      yield* withOtelEnvironment({
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${yield* closedPort}`,
        OTEL_EXPORTER_OTLP_TIMEOUT: "50",
        OTEL_BSP_SCHEDULE_DELAY: "10"
      })
      const { logged, layer } = yield* listening("tracing has a problem")
      yield* StepTracer.pipe(
        Effect.flatMap(({ step }) => step("span")(Effect.void)),
        Effect.andThen(logged),
        Effect.provide(Layer.suspend(() => Tracing.layer()).pipe(Layer.provideMerge(layer)))
      )
    }).pipe(Effect.scoped, Effect.timeout(Duration.seconds(20)))
  )

  it.live("that never answers costs a bounded queue", () =>
    Effect.gen(function* () {
      const receiver = yield* startReceiver
      receiver.setSilent(true)
      yield* withOtelEnvironment({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint })
      const millis = yield* timeToRelease(
        Effect.gen(function* () {
          const { step } = yield* StepTracer
          const span = step("span")(Effect.void)
          for (let i = 0; i < 20_000; i++) {
            yield* span
            if (i % 100 === 0) yield* Effect.yieldNow
          }
          receiver.setSilent(false)
        }),
        Tracing.layer()
      )
      assert.isBelow(millis, Duration.toMillis(FLUSH_TIMEOUT) + SLACK_MILLIS)
      assert.isAbove(receiver.spans.length, 0)
      assert.isAtMost(receiver.spans.length, QUEUE + EXPORT)
    }).pipe(Effect.scoped)
  )
})
