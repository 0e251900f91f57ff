/**
 * Scalars as the Go fleet's YAML library reads them into typed fields: `yes` and `off` are booleans, `0x10`, `0o17`,
 * `017` and `1_000` are whole numbers. Each schema states its range in its failure.
 */
import { Duration, Result, Schema } from "effect"
import { alternatives, closest } from "./Misspelling.ts"
import { quoteFound, textCodec, type TextCodec } from "./TextCodec.ts"

const truths = new Set(["true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"])
const falsehoods = new Set(["false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"])

/** `true` or `false` and the YAML 1.1 spellings. */
export const GoBoolean: TextCodec<boolean> = textCodec(
  Schema.Boolean,
  (text) =>
    truths.has(text)
      ? Result.succeed(true)
      : falsehoods.has(text)
        ? Result.succeed(false)
        : Result.fail(`expected true or false, found ${quoteFound(text)}`),
  String
)

/** Range of a whole number, both ends included. `unit` is named in the failure: `seconds`, `bytes`. */
export interface WholeRange {
  readonly least: number
  readonly most?: number
  readonly unit?: string
}

/** A whole number in a range; without `most` up to 2^53 − 1. */
export const wholeNumber = (range: WholeRange): TextCodec<number> =>
  textCodec(Schema.Finite, (text) => Result.map(readWhole(text, range), Number), String)

/** A whole number up to 2^64 − 1, for amounts and gas. */
export const wholeBigInt = (least: bigint): TextCodec<bigint> =>
  textCodec(
    Schema.BigInt,
    (text) => {
      const value = parseWhole(text)
      return value === undefined || value < least || value >= 2n ** 64n
        ? Result.fail(`expected a whole number of at least ${least}, found ${quoteFound(text)}`)
        : Result.succeed(value)
    },
    String
  )

/** A whole number of seconds, `least` to `most`, as a `Duration`. */
export const wholeSeconds = (least: number, most = MAX_SECONDS): TextCodec<Duration.Duration> =>
  textCodec(
    Schema.Duration,
    (text) => Result.map(readWhole(text, { least, most, unit: "seconds" }), (n) => Duration.seconds(Number(n))),
    (duration) => String(Duration.toSeconds(duration))
  )

/** A whole number of milliseconds, `least` to `most`, as a `Duration`. */
export const wholeMillis = (least: number, most = MAX_SECONDS * 1000): TextCodec<Duration.Duration> =>
  textCodec(
    Schema.Duration,
    (text) => Result.map(readWhole(text, { least, most, unit: "milliseconds" }), (n) => Duration.millis(Number(n))),
    (duration) => String(Duration.toMillis(duration))
  )

/** A number with an optional fraction and exponent, at least `least`. */
export const decimalNumber = (least: number): TextCodec<number> =>
  textCodec(
    Schema.Finite,
    (text) => {
      const value = /^[-+]?(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?$/.test(text)
        ? Number(text.replaceAll("_", ""))
        : Number.NaN
      return Number.isFinite(value) && value >= least
        ? Result.succeed(value)
        : Result.fail(
            `expected a number${least === Number.NEGATIVE_INFINITY ? "" : ` of at least ${least}`}, found ${quoteFound(text)}`
          )
    },
    String
  )

/**
 * One word of a closed set. `hints` maps what operators write by mistake to the word they mean; other near misses are
 * found by spelling.
 */
export const oneOf = <const Words extends readonly [string, ...Array<string>]>(
  words: Words,
  hints: Readonly<Record<string, Words[number]>> = {}
): TextCodec<Words[number]> => {
  const isWord = Schema.is(Schema.Literals(words))
  return textCodec(
    Schema.Literals(words),
    (text) => {
      if (isWord(text)) return Result.succeed(text)
      const meant = Object.hasOwn(hints, text.toLowerCase()) ? hints[text.toLowerCase()] : closest(text, words)
      const remedy = meant === undefined ? "" : `; write ${meant}`
      return Result.fail(`expected ${alternatives(words)}, found ${quoteFound(text)}${remedy}`)
    },
    (word) => word
  )
}

/** A text that is not empty. */
export const NonEmptyText: TextCodec<string> = textCodec(
  Schema.String,
  (text) => (text === "" ? Result.fail("expected a text, found nothing between the quotes") : Result.succeed(text)),
  (text) => text
)

/** About 292 years: more than any timer takes, and safe in milliseconds. */
const MAX_SECONDS = 9_223_372_036

const readWhole = (text: string, range: WholeRange): Result.Result<bigint, string> => {
  const most = range.most ?? Number.MAX_SAFE_INTEGER
  const value = parseWhole(text)
  if (value !== undefined && value >= BigInt(range.least) && value <= BigInt(most)) return Result.succeed(value)
  const unit = range.unit === undefined ? "" : ` of ${range.unit}`
  const bounds =
    range.most === undefined || range.most >= MAX_SECONDS
      ? `of at least ${range.least}`
      : `from ${range.least} to ${most}`
  return Result.fail(`expected a whole number${unit} ${bounds}, found ${quoteFound(text)}`)
}

/** Integers of YAML 1.1 and 1.2 as Go accepts them, `5.0` and `1e3` included; undefined for anything else. */
const parseWhole = (text: string): bigint | undefined => {
  const [, sign = "", body = ""] = /^([-+]?)(.*)$/s.exec(text) ?? []
  const digits = body.replaceAll("_", "")
  let value: bigint | undefined
  if (/^0[0-7]+$/.test(digits)) value = BigInt(`0o${digits.slice(1)}`)
  else if (/^(?:\d+|0x[0-9a-fA-F]+|0o[0-7]+|0b[01]+)$/.test(digits)) value = BigInt(digits)
  else if (/^\d+(?:\.\d*)?(?:[eE]\+?\d{1,2})?$/.test(digits) && Number.isSafeInteger(Number(digits)))
    value = BigInt(Number(digits))
  return value === undefined ? undefined : sign === "-" ? -value : value
}
