/**
 * Log lines of a process on one output, as its `logging` section says: JSON objects with the Go fleet's names (`level`,
 * `time`, `message`, `error`), or text. Lines may wait in a bounded buffer, and many equal ones may be sampled.
 */
import { type Duration, Effect, Formatter, Layer, Logger, References } from "effect"
import { fillGauge } from "../../domain/observability/FillGauge.ts"
import { type LineSampling, sampler } from "./LineSampling.ts"

/** Values of the `logging` section that matter to lines. */
export interface LogSettings {
  readonly level: "debug" | "info" | "warn" | "error"
  readonly format: "json" | "text"
  /** Absent: each line is written before its fiber goes on. */
  readonly buffer?: { readonly lines: number; readonly flushEvery: Duration.Duration }
  /** Absent: every line is written. */
  readonly sampling?: LineSampling
}

/** The part of a writable stream that is used. */
export interface LineOutput {
  readonly write: (text: string) => unknown
}

const LEVELS = { debug: "Debug", info: "Info", warn: "Warn", error: "Error" } as const

/**
 * Replaces all loggers. What is buffered is written when the layer ends; lines that found the buffer full are counted in one
 * line of their own at the next flush.
 */
export const layer = (settings: LogSettings, output: LineOutput): Layer.Layer<never> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { buffer, format, level, sampling } = settings
      const write = buffer === undefined ? writeNow(output) : yield* buffered(buffer, format, output)
      const passes = sampling === undefined ? undefined : sampler(sampling)
      const line = format === "json" ? jsonLine : Logger.formatLogFmt
      const logger = Logger.make<unknown, void>((options) => {
        const { date, logLevel, message } = options
        if (passes?.(`${logLevel} ${textOf(message)}`, date.getTime()) ?? true) write(line.log(options))
      })
      return Layer.mergeAll(Logger.layer([logger]), Layer.succeed(References.MinimumLogLevel, LEVELS[level]))
    })
  )

const writeNow = (output: LineOutput) => (line: string) => void output.write(`${line}\n`)

const buffered = Effect.fnUntraced(function* (
  { flushEvery, lines: capacity }: NonNullable<LogSettings["buffer"]>,
  format: LogSettings["format"],
  output: LineOutput
) {
  let waiting: Array<string> = []
  let dropped = 0
  const flush = Effect.sync(() => {
    if (dropped > 0) waiting.push(droppedLine(format, dropped))
    if (waiting.length > 0) output.write(`${waiting.join("\n")}\n`)
    waiting = []
    dropped = 0
  })
  yield* fillGauge("relaymill_log_buffer_lines", "Log lines that wait to be written", () => waiting.length)
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(flushEvery), flush)))
  yield* Effect.addFinalizer(() => flush)
  return (line: string): void => {
    if (waiting.length < capacity) waiting.push(line)
    else dropped += 1
  }
})

const droppedLine = (format: LogSettings["format"], dropped: number): string => {
  const message = "log lines were dropped: the buffer was full"
  return format === "json"
    ? JSON.stringify({ level: "warn", message, dropped })
    : `level=WARN message="${message}" dropped=${dropped}`
}

/** Annotations become fields; none of them replaces a field of the line itself. */
const jsonLine = Logger.map(
  Logger.formatStructured,
  ({ annotations, cause, level, message, spans, timestamp }): string =>
    Formatter.formatJson({
      ...Object.fromEntries(Object.entries(annotations).map(([name, value]) => [name, asJson(value)])),
      ...spans,
      level: level.toLowerCase(),
      time: timestamp,
      message: textOf(message),
      ...(cause !== undefined && { error: cause })
    })
)

/** Heights and amounts as numbers; those that JSON readers would round as text. */
const asJson = (value: unknown): unknown => {
  if (typeof value !== "bigint") return value
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value.toString()
}

const textOf = (message: unknown): string =>
  typeof message === "string"
    ? message
    : Array.isArray(message)
      ? message.map(textOf).join(" ")
      : Formatter.formatJson(message)
