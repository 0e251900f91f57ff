/** Whole numbers in JSON: decimal text, as Go quotes 64-bit integers, or bare. */
import { Schema, SchemaTransformation } from "effect"

/** Of at most `digits` digits, to and from a bigint; written as text. `what` says what is expected instead. */
export const wholeNumber = (digits: number, what: string) =>
  Schema.Union([
    Schema.String.check(Schema.isPattern(new RegExp(`^-?[0-9]{1,${digits}}$`), { message: `Expected ${what}` })),
    Schema.Int
  ]).pipe(
    Schema.decodeTo(
      Schema.BigInt,
      SchemaTransformation.transform<bigint, string | number>({
        decode: (value) => BigInt(value),
        encode: (value) => value.toString()
      })
    )
  )
