/**
 * Non-negative decimal fractions, exact. The chain keeps rates as doubles and computes with the exact value of their
 * shortest decimal text (0.1 is one tenth, not 0.1000000000000000055…); so does this module.
 */
import { Result, Schema } from "effect"

/** numerator / denominator; the denominator is a power of ten. Build it with `decimal` or `decimalOfDouble`. */
export interface Decimal {
  readonly numerator: bigint
  readonly denominator: bigint
}

/** A text that is no finite, non-negative decimal number. */
export class InvalidDecimal extends Schema.TaggedError<InvalidDecimal>()("InvalidDecimal", { text: Schema.String }) {
  override get message(): string {
    return `"${this.text}" is not a non-negative decimal number`
  }
}

/** Most digits after the point, or zeros before it, that an exponent may ask for; a double needs 324. */
const MAX_EXPONENT = 400

/** 0 / 1. */
export const zero: Decimal = { numerator: 0n, denominator: 1n }
/** 1 / 1. */
export const one: Decimal = { numerator: 1n, denominator: 1n }

/** Reads digits with an optional point and exponent: `0.1`, `1.`, `.5`, `1e-7`. No sign, no blanks. */
export const decimal = (text: string): Result.Result<Decimal, InvalidDecimal> => {
  const [, whole = "", fraction = "", exponentText = "0"] =
    /^(?=\.?\d)(\d{0,400})(?:\.(\d{0,400}))?(?:[eE]([+-]?\d{1,3}))?$/.exec(text) ?? []
  const exponent = Number(exponentText) - fraction.length
  if (whole + fraction === "" || Math.abs(exponent) > 2 * MAX_EXPONENT) return Result.fail(new InvalidDecimal({ text }))
  const digits = BigInt(whole + fraction)
  return Result.succeed(
    exponent >= 0
      ? { numerator: digits * 10n ** BigInt(exponent), denominator: 1n }
      : { numerator: digits, denominator: 10n ** BigInt(-exponent) }
  )
}

/** Exact value of the double's shortest decimal text. Fails for negative, infinite and NaN. */
export const decimalOfDouble = (value: number): Result.Result<Decimal, InvalidDecimal> =>
  Object.is(value, -0) ? Result.succeed(zero) : decimal(String(value))

/** The double nearest to the fraction, as a wire message carries it. */
export const toDouble = (value: Decimal): number => Number(toText(value))

/** Shortest decimal text without exponent: `0.975`, `1`, `0`. */
export const toText = (value: Decimal): string => {
  const places = value.denominator.toString().length - 1
  const whole = (value.numerator / value.denominator).toString()
  const fraction = (value.numerator % value.denominator).toString().padStart(places, "0").replace(/0+$/, "")
  return fraction === "" ? whole : `${whole}.${fraction}`
}

/** ⌊amount × value⌋ for an amount ≥ 0. */
export const floorTimes = (amount: bigint, value: Decimal): bigint => (amount * value.numerator) / value.denominator

/** ⌈amount × value⌉ for an amount ≥ 0. */
export const ceilTimes = (amount: bigint, value: Decimal): bigint =>
  (amount * value.numerator + value.denominator - 1n) / value.denominator

/** ⌊amount / (1 + value)⌋ for an amount ≥ 0. */
export const floorWithout = (amount: bigint, value: Decimal): bigint =>
  (amount * value.denominator) / (value.denominator + value.numerator)
