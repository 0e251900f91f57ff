/** The one error of decoding: which field of which message could not be read, where and why. */
import { Schema } from "effect"

/** Why bytes were refused; each is a rule of the protobuf wire format as the chain's decoder applies it. */
export const WireReason = Schema.Literals([
  "truncated",
  "length beyond the input",
  "negative length",
  "varint too long",
  "wrong wire type",
  "invalid field number",
  "unknown wire type",
  "unexpected end of group",
  "group not closed",
  "groups nested too deeply",
  "not UTF-8"
])
export type WireReason = typeof WireReason.Type

/**
 * Bytes that are not the message they should be. Repeating the call cannot help.
 *
 * `subject` is the message (`RelayRequest`), `field` the dotted protobuf path from it (`meta.session_header.session_id`;
 * empty when a tag of the message itself is unreadable, a number for unknown fields), `offset` the byte in the input.
 */
export class WireError extends Schema.TaggedError<WireError>()("WireError", {
  subject: Schema.String,
  field: Schema.String,
  reason: WireReason,
  offset: Schema.Int
}) {
  override get message(): string {
    const place = this.field === "" ? this.subject : `${this.subject}.${this.field}`
    return `${place} cannot be decoded: ${this.reason} at byte ${this.offset}`
  }
}
