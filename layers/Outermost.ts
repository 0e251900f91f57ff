/** What a relayer and a miner have as a process: their log, traces, metrics of the process, a heap that stays small. */
import { Layer } from "effect"
import type { LoggingConfig } from "../adapters/config/LoggingConfig.ts"
import * as CalmHeap from "../adapters/process/CalmHeap.ts"
import * as ProcessMetrics from "../adapters/process/ProcessMetrics.ts"
import * as Logging from "./Logging.ts"
import * as Tracing from "./Tracing.ts"

/** Everything else goes inside. */
export const layer = (logging: LoggingConfig) =>
  Layer.mergeAll(Tracing.layer(), CalmHeap.layer, ProcessMetrics.layer).pipe(Layer.provideMerge(Logging.layer(logging)))
