/**
 * Payloads that invalidate cached values, as a Go fleet sends and reads them: `{"address":"pokt1…"}` for one, `{}` for
 * all. They come from anybody who can write to Redis: what does not read as one is ignored.
 */
import { Option, Result, Schema } from "effect"

/** Names the value that a message is about. */
export type InvalidationField = "address" | "service_id" | "operator_address"

/** Longer texts are not looked at: no id is a tenth of it. */
const MAX_PAYLOAD = 1_024

/** A message that is none of ours nor of the Go fleet's. */
export class UnreadableInvalidation extends Schema.TaggedError<UnreadableInvalidation>()("UnreadableInvalidation", {
  field: Schema.String,
  length: Schema.Int
}) {
  override get message(): string {
    return `an invalidation of ${this.length} characters is neither {} nor {"${this.field}":"…"}`
  }
}

/** The payload for one id, and for all without one. */
export const encodeInvalidation = (field: InvalidationField, id: Option.Option<string>): string =>
  JSON.stringify(Option.match(id, { onNone: () => ({}), onSome: (text) => ({ [field]: text }) }))

/** The id; none for all, which an empty or absent field says. Unknown fields are passed over. */
export const decodeInvalidation = (
  field: InvalidationField,
  payload: string
): Result.Result<Option.Option<string>, UnreadableInvalidation> => {
  const unreadable = () => Result.fail(new UnreadableInvalidation({ field, length: payload.length }))
  if (payload.length > MAX_PAYLOAD) return unreadable()
  const fields = Option.getOrUndefined(decodeObject(payload))
  if (fields === undefined || Array.isArray(fields)) return unreadable()
  const named = fields[field]
  if (named === undefined || named === "") return Result.succeed(Option.none())
  return typeof named === "string" ? Result.succeed(Option.some(named)) : unreadable()
}

/** The height of a message about params at a height: decimal, at most 19 digits. */
export const decodeHeight = (payload: string): Option.Option<bigint> =>
  /^[0-9]{1,19}$/.test(payload) ? Option.some(BigInt(payload)) : Option.none()

const decodeObject = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown)))
