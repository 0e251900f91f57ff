/**
 * The OpenTelemetry SDK for the life of a process: global provider, context manager and propagator, released with a
 * bounded flush, and Effect's tracer on top. Loading this module costs 170 ms and 35 MB: it is imported only when
 * tracing is on. Spans that cannot be exported are dropped beyond the SDK's queue (2048), which never holds up a relay.
 */
import * as OtelTracer from "@effect/opentelemetry/OtelTracer"
import { context, diag, DiagLogLevel, propagation, trace } from "@opentelemetry/api"
import { core, NodeSDK } from "@opentelemetry/sdk-node"
import { Clock, Duration, Effect, Layer, Tracer } from "effect"
import { linkedSampler } from "./LinkedSampler.ts"
import * as StepTracerOtel from "./StepTracerOtel.ts"
import { type Environment, linkedRatio, serviceName } from "./TracingEnvironment.ts"

/** Longest flush at the end; what is not exported by then is lost. */
export const FLUSH_TIMEOUT = Duration.seconds(3)

/** A problem of the exporter is logged at most once in this time. */
const REPORT_EVERY = Duration.minutes(1)

const layerSdk = (environment: Environment): Layer.Layer<never> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      yield* reportProblems
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          const ratio = linkedRatio(environment)
          const name = serviceName(environment)
          const sdk = new NodeSDK({
            // Metrics and logs have their own ways out of the process.
            metricReaders: [],
            logRecordProcessors: [],
            ...(name === undefined ? {} : { serviceName: name }),
            ...(ratio === undefined ? {} : { sampler: linkedSampler(ratio) })
          })
          sdk.start()
          return sdk
        }),
        (sdk) =>
          Effect.tryPromise(() => sdk.shutdown()).pipe(
            Effect.interruptible,
            Effect.timeout(FLUSH_TIMEOUT),
            Effect.catch((cause) => Effect.logWarning("last spans were not exported", cause)),
            Effect.ensuring(
              Effect.sync(() => {
                trace.disable()
                propagation.disable()
                context.disable()
              })
            )
          )
      )
    })
  )

/**
 * Problems of the SDK go to our log. `OTEL_LOG_LEVEL` hands them to the SDK's console logger instead, unless they are
 * failed exports.
 */
const reportProblems = Effect.gen(function* () {
  const run = Effect.runForkWith(yield* Effect.context<never>())
  let quietUntil = 0
  let unreported = 0
  const report = (problem: string) =>
    void run(
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        if (now < quietUntil) {
          unreported++
          return Effect.void
        }
        const annotations = { problem: problem.slice(0, MAX_PROBLEM), unreported }
        quietUntil = now + Duration.toMillis(REPORT_EVERY)
        unreported = 0
        return Effect.logWarning("tracing has a problem").pipe(Effect.annotateLogs(annotations))
      })
    )
  const quiet = () => {}
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      diag.setLogger(
        { error: report, warn: report, info: quiet, debug: quiet, verbose: quiet },
        { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true }
      )
      core.setGlobalErrorHandler((cause) =>
        report(typeof cause === "string" ? cause : (cause.message ?? cause.name ?? ""))
      )
    }),
    () =>
      Effect.sync(() => {
        core.setGlobalErrorHandler(core.loggingErrorHandler())
        diag.disable()
      })
  )
})

/** Characters of a problem's text that are logged. */
const MAX_PROBLEM = 300

/**
 * Effect's tracer over the global provider, without keeping OpenTelemetry's own context up to date while effects run:
 * that is a call of AsyncLocalStorage for every primitive, and nothing here reads it. A relay with all spans recorded
 * costs 1.22 of an untraced one instead of 1.47, with one in a hundred recorded 1.02 instead of 1.18
 * (`test/bench/TracingBench.ts`, 2 shared cores, Node 24.21).
 */
const layerTracer: Layer.Layer<never> = Layer.effect(
  Tracer.Tracer,
  Effect.map(Tracer.Tracer, (tracer) => Tracer.make({ span: (options) => tracer.span(options) }))
).pipe(Layer.provide(OtelTracer.layerGlobal))

/** Tracing as the environment says, on. To be provided outermost, so that everything that ends a span is gone before. */
export const layer = (environment: Environment): Layer.Layer<never> =>
  Layer.merge(layerTracer, StepTracerOtel.layer).pipe(Layer.provide(layerSdk(environment)))
