/** The recurring kinds of keys with their texts for the reference. Zero means the default wherever `zeroIsDefault` says so. */
import { type Duration, Equal, Option } from "effect"
import { belowOne, type Reader, withDefault, zero } from "./ConfigReader.ts"
import { GoDuration } from "./GoDuration.ts"
import {
  decimalNumber,
  GoBoolean,
  NonEmptyText,
  oneOf,
  wholeBigInt,
  wholeMillis,
  wholeNumber,
  wholeSeconds
} from "./GoScalar.ts"

/** Bounds of a numeric key. */
export interface Bounds {
  /** Text of the default. */
  readonly fallback: string
  /** Smallest value; 1 by default. */
  readonly least?: number
  /** Largest value; none by default. */
  readonly most?: number
  /** `zero`: 0 means the default. `below one`: so do negative numbers. */
  readonly unset?: "zero" | "below one"
}

const unsetOf = (bounds: Bounds) => {
  if (bounds.unset === "zero") return { unset: zero }
  return bounds.unset === "below one" ? { unset: belowOne } : {}
}

const range = (bounds: Bounds): string => {
  const least = bounds.least ?? 1
  const limits = bounds.most === undefined ? `≥ ${least}` : `${least}–${bounds.most}`
  if (bounds.unset === undefined) return limits
  return bounds.unset === "zero" ? `${limits}; 0 = default` : `${limits}; ≤ 0 = default`
}

/** A switch. */
export const flag = (fallback: boolean, meaning: string): Reader<boolean> =>
  withDefault(String(fallback), { codec: GoBoolean, type: "true, false", meaning })

/** A switch of a part that does not exist here: on refuses the start. */
export const flagNotBuilt = (fallback: false, meaning: string, sentence: string): Reader<boolean> =>
  withDefault(String(fallback), {
    codec: GoBoolean,
    type: "true, false",
    meaning,
    notBuilt: { when: (on) => on, sentence }
  })

/** A key without effect here: another value than its default is warned about, and the process starts. */
export const withoutEffect = <A>(reader: Reader<A>, sentence: string): Reader<A> => ({
  rows: (place) =>
    reader.rows(place).map((row) => ({
      ...row,
      meaning: `${row.meaning} No effect here, with a warning: ${sentence}.`,
      status: "warned"
    })),
  read: (node, place, findings) => {
    const value = reader.read(node, place, findings)
    const standIn = reader.read(undefined, place, findings)
    const isOther = Option.isSome(value) && Option.isSome(standIn) && !Equal.equals(value.value, standIn.value)
    if (node !== undefined && isOther) findings.warning(place, node, `has no effect here, ${sentence}`)
    return value
  }
})

/** A whole number without unit. */
export const count = (bounds: Bounds, meaning: string): Reader<number> =>
  withDefault(bounds.fallback, {
    codec: wholeNumber({ least: bounds.least ?? 1, ...(bounds.most === undefined ? {} : { most: bounds.most }) }),
    type: `whole number ${range(bounds)}`,
    meaning,
    ...unsetOf(bounds)
  })

/** A whole number of bytes. */
export const byteCount = (bounds: Bounds, meaning: string): Reader<number> =>
  withDefault(bounds.fallback, {
    codec: wholeNumber({
      least: bounds.least ?? 1,
      unit: "bytes",
      ...(bounds.most === undefined ? {} : { most: bounds.most })
    }),
    type: `bytes ${range(bounds)}`,
    meaning,
    ...unsetOf(bounds)
  })

/** A whole number of seconds. */
export const seconds = (bounds: Bounds, meaning: string): Reader<Duration.Duration> =>
  withDefault(bounds.fallback, {
    codec: wholeSeconds(bounds.least ?? 1, bounds.most),
    type: `seconds ${range(bounds)}`,
    meaning,
    ...unsetOf(bounds)
  })

/** A whole number of milliseconds. */
export const millis = (bounds: Bounds, meaning: string): Reader<Duration.Duration> =>
  withDefault(bounds.fallback, {
    codec: wholeMillis(bounds.least ?? 1, bounds.most),
    type: `milliseconds ${range(bounds)}`,
    meaning,
    ...unsetOf(bounds)
  })

/** `unset` for durations where zero means the default. */
export const zeroDuration = (text: string): boolean => /^[+-]?0(?:ns|us|ms|s|m|h)?$/.test(text)

/** A Go duration; zero means the default. */
export const duration = (fallback: string, meaning: string): Reader<Duration.Duration> =>
  withDefault(fallback, {
    codec: GoDuration,
    type: "duration (`2h`, `1h30m`, `500ms`); 0 = default",
    meaning,
    unset: zeroDuration
  })

/** An amount of uPOKT or gas. */
export const amount = (fallback: string, meaning: string): Reader<bigint> =>
  withDefault(fallback, { codec: wholeBigInt(0n), type: "whole number ≥ 0", meaning })

/** A number with a fraction. */
export const decimal = (bounds: Bounds, meaning: string): Reader<number> =>
  withDefault(bounds.fallback, {
    codec: decimalNumber(bounds.least ?? 0),
    type: `number ${range({ least: 0, ...bounds })}`,
    meaning,
    ...unsetOf(bounds)
  })

/** One word of a closed set. */
export const word = <const Words extends readonly [string, ...Array<string>]>(
  words: Words,
  fallback: Words[number],
  meaning: string,
  hints: Readonly<Record<string, Words[number]>> = {}
): Reader<Words[number]> => withDefault(fallback, { codec: oneOf(words, hints), type: words.join(", "), meaning })

/** A text with a default that replaces an empty one. */
export const text = (fallback: string, meaning: string): Reader<string> =>
  withDefault(fallback, { codec: NonEmptyText, type: "text", meaning, unset: (value) => value === "" })
