/**
 * The share of an application's stake up to which one supplier serves it in a session, as the leader tells the
 * relayers: JSON `{"factor":0.5,"updated_at":1700000000}`, one for each service and one for all others.
 */
import { Option, Result, Schema } from "effect"
import { type Decimal, decimalOfDouble, toDouble } from "../protocol/Decimal.ts"

/** The JSON text; `updatedAt` in seconds since the Unix epoch. */
export const encodeServiceFactor = (factor: Decimal, updatedAt: number): string =>
  JSON.stringify({ factor: toDouble(factor), updated_at: updatedAt })

/** The factor; none for a text that is none, or one that is not above 0. Unknown fields are passed over. */
export const decodeServiceFactor = (text: string): Option.Option<Decimal> =>
  Option.flatMap(decodeJson(text), ({ factor }) =>
    factor > 0 ? Result.getSuccess(decimalOfDouble(factor)) : Option.none()
  )

const decodeJson = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Struct({ factor: Schema.Finite })))
