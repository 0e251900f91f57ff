/** Log lines of a configured process: on stderr, as in the Go fleet. */
import type { Layer } from "effect"
import { effectiveLevel, type LoggingConfig } from "../adapters/config/LoggingConfig.ts"
import * as LogLines from "../adapters/console/LogLines.ts"

/** What the `logging` section says. */
export const layer = (config: LoggingConfig): Layer.Layer<never> =>
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
