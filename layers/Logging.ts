/** Log lines of a configured process: on stderr, as in the Go fleet. */
import { Effect, Layer } from "effect"
import { effectiveLevel, type LoggingConfig } from "../adapters/config/LoggingConfig.ts"
import * as LogLines from "../adapters/console/LogLines.ts"

/** What the `logging` section says. `enable_caller` has no counterpart: lines name the program and its span instead. */
export const layer = (config: LoggingConfig): Layer.Layer<never> =>
  (config.enableCaller ? layerNoCaller : Layer.empty).pipe(
    Layer.provideMerge(
      LogLines.layer(
        {
          level: effectiveLevel(config.level),
          format: config.format,
          ...(config.async && { buffer: { lines: config.asyncBufferSize, flushEvery: config.asyncPollInterval } }),
          ...(config.sampling && {
            sampling: { initial: config.samplingInitial, thereafter: config.samplingThereafter }
          })
        },
        process.stderr
      )
    )
  )

const layerNoCaller = Layer.effectDiscard(
  Effect.logWarning("logging.enable_caller has no effect here: lines name their span instead; remove the key")
)
