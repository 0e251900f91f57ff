/** Generated changes of valid bytes, for properties of decoders. */
import { Schema } from "effect"

const Kind = Schema.Literals(["flip", "cut", "splice", "repeat", "insert"])

/** A few changes, applied by `mutate`. */
export const Mutations = Schema.Array(
  Schema.Struct({
    kind: Kind,
    at: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65535 })),
    value: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))
  })
)

/** Chooses one of the samples, modulo their number. */
export const SampleIndex = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 999 }))
