/** Durations as Go writes them (`1h30m`, `500ms`, `2h`), the syntax of operators' files; decoded to Effect's `Duration`. */
import { Duration, Result, Schema } from "effect"
import { quoteFound, textCodec, type TextCodec } from "./TextCodec.ts"

const nanosOf: ReadonlyMap<string, bigint> = new Map([
  ["ns", 1n],
  ["us", 1_000n],
  ["\u00B5s", 1_000n],
  ["\u03BCs", 1_000n],
  ["ms", 1_000_000n],
  ["s", 1_000_000_000n],
  ["m", 60_000_000_000n],
  ["h", 3_600_000_000_000n]
])

/** Go keeps a duration in an int64 of nanoseconds, about 292 years. */
const MAX_NANOS = 2n ** 63n - 1n

const term = /(\d*)(?:\.(\d*))?(ns|us|\u00B5s|\u03BCs|ms|s|m|h)/y

/**
 * Parses a duration without sign as Go's `time.ParseDuration` does: one or more decimal numbers each with its unit, or `0`.
 *
 * A negative one is refused: no key of a configuration has a use for it. Fractions below a nanosecond are cut.
 */
export const parseGoDuration = (text: string): Result.Result<Duration.Duration, string> => {
  const trimmed = text.trim()
  if (trimmed.startsWith("-")) return Result.fail(`expected a duration of at least 0s, found ${quoteFound(trimmed)}`)
  const body = trimmed.replace(/^\+/, "")
  if (body === "0") return Result.succeed(Duration.zero)
  let nanos = 0n
  term.lastIndex = 0
  do {
    const found = term.exec(body)
    const [, whole = "", fraction = "", unit = ""] = found ?? []
    const scale = nanosOf.get(unit)
    if (scale === undefined || whole + fraction === "") return Result.fail(unreadable(trimmed))
    nanos += BigInt(whole === "" ? "0" : whole) * scale
    if (fraction !== "") nanos += (BigInt(fraction) * scale) / 10n ** BigInt(fraction.length)
    if (nanos > MAX_NANOS) return Result.fail(`expected a duration below 292 years, found ${quoteFound(trimmed)}`)
  } while (term.lastIndex < body.length)
  // Whole milliseconds stay exact as a number, which nanoseconds of some months do not.
  const millis = nanos / 1_000_000n
  return Result.succeed(nanos === millis * 1_000_000n ? Duration.millis(Number(millis)) : Duration.nanos(nanos))
}

/** Writes a duration the shortest way Go reads: `2h`, `1h30m`, `500ms`, `0s`. */
export const formatGoDuration = (duration: Duration.Duration): string => {
  let rest = BigInt(Math.round(Duration.toMillis(duration)))
  if (rest === 0n) return "0s"
  let text = ""
  for (const [unit, millis] of [
    ["h", 3_600_000n],
    ["m", 60_000n],
    ["s", 1_000n],
    ["ms", 1n]
  ] as const) {
    if (rest >= millis) text += `${rest / millis}${unit}`
    rest %= millis
  }
  return text
}

/** Go duration text to `Duration`. The message of a failure is a whole sentence with the remedy. */
export const GoDuration: TextCodec<Duration.Duration> = textCodec(Schema.Duration, parseGoDuration, formatGoDuration)

const unreadable = (text: string): string =>
  /^\d+$/.test(text)
    ? `expected a duration with its unit, found ${quoteFound(text)}; write ${text.slice(0, 12)}s for seconds, or another unit such as 30m or 2h`
    : `expected a duration, found ${quoteFound(text)}; write numbers with the units h, m, s or ms, such as 1h30m or 500ms`
