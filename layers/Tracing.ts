/** Tracing, chosen once by the standard `OTEL_*` environment. Off costs nothing: the SDK is not even loaded. */
import { Effect, Layer } from "effect"
import { type Environment, TRACE_EXPORTERS, tracingChoice } from "../adapters/tracing/TracingEnvironment.ts"

/** To be provided outermost: what it installs has to be there when the programs' layers are built, and go last. */
export const layer = (environment: Environment = process.env): Layer.Layer<never> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const choice = tracingChoice(environment)
      if (choice._tag === "On") {
        const OpenTelemetry = yield* Effect.promise(() => import("../adapters/tracing/OpenTelemetry.ts"))
        return OpenTelemetry.layer(environment)
      }
      if (choice.reason === "exporter_unknown") {
        yield* Effect.logWarning("tracing is off: OTEL_TRACES_EXPORTER names no known exporter").pipe(
          Effect.annotateLogs({ named: choice.unknown.join(), known: TRACE_EXPORTERS.join() })
        )
      }
      return Layer.empty
    })
  )
