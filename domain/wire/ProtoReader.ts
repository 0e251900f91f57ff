/**
 * Reads protobuf by hand with the verdicts of the chain's decoders, which generic codecs do not give: `gogo` is
 * gogoproto (messages of the chain), `google` is google.golang.org/protobuf (payloads of HTTP relays).
 * One pass, no recursion, no allocation for what is skipped. A failure is kept, not thrown: all later reads are empty.
 */
import { Result } from "effect"
import { bytesToText, isUtf8 } from "./ByteText.ts"
import { WireError, type WireReason } from "./WireError.ts"

/** Whose rules decide about unknown fields, wrong wire types, field numbers, the tenth varint byte and UTF-8. */
export type WireDialect = "gogo" | "google"

/** Wire types of protobuf. */
export const VARINT = 0
/** 8 bytes, little-endian: fixed64, sfixed64, double. */
export const FIXED64 = 1
/** A varint length and so many bytes: string, bytes, sub-message, packed list. */
export const LENGTH_DELIMITED = 2
/** Opens a group, which no message here has: skipped to its end. */
export const START_GROUP = 3
/** Closes a group; an error outside of one. */
export const END_GROUP = 4
/** 4 bytes, little-endian: fixed32, sfixed32, float. */
export const FIXED32 = 5

const TWO_32 = 4294967296
const TWO_64 = 18446744073709551616n
/** Largest field number, protobuf-go `protowire.MaxValidNumber`. */
const GOOGLE_MAX_FIELD = 536870911
/** Groups inside a group that protobuf-go still skips, `protowire.DefaultRecursionLimit`; one deeper is refused. */
const GOOGLE_MAX_GROUPS = 10001

/**
 * A cursor over one message.
 *
 * ```ts
 * while (reader.next()) {
 *   if (reader.field === 1) draft.name = reader.text("name")
 *   else if (reader.field === 2) reader.message("part", readPart, (draft.part ??= emptyPart()))
 *   else reader.skip()
 * }
 * ```
 * Every field met must be consumed by exactly one read or `skip`. Repeated scalars: assign (the last wins). Repeated
 * sub-messages: read into the same draft (they merge). `field` names in errors are protobuf names.
 */
export class ProtoReader {
  /** Number of the field just met, 1 and above. */
  field = 0
  /** Wire type of the field just met. */
  wireType = 0
  /** First failure, with the path relative to the message being read; `finish` completes it. */
  private reason: WireReason | undefined = undefined
  private failedAt = 0
  private path = ""

  private readonly input: Uint8Array
  private readonly google: boolean
  private position = 0
  private end: number
  private tagStart = 0
  // Halves of the varint read last, unsigned 32-bit each: no bigint in the loop.
  private low = 0
  private high = 0

  constructor(input: Uint8Array, dialect: WireDialect = "gogo") {
    this.input = input
    this.end = input.length
    this.google = dialect === "google"
  }

  /** Moves to the next field of the current message. False at its end and after a failure. */
  next(): boolean {
    const at = this.position
    if (at >= this.end) return false
    this.tagStart = at
    const first = this.input[at] ?? 0
    if (first < 0x80) {
      this.position = at + 1
      this.wireType = first & 7
      this.field = first >>> 3
    } else {
      if (!this.varint("")) return false
      this.wireType = this.low & 7
      // gogoproto: int32(tag >> 3). protobuf-go: the whole number must be in range.
      this.field = this.google && this.high >= 8 ? 0 : (this.low >>> 3) | (this.high << 29) | 0
      if (this.google && this.field > GOOGLE_MAX_FIELD) this.field = 0
    }
    if (this.field <= 0) return this.fail("", "invalid field number", at)
    if (this.wireType > FIXED32) return this.fail(this.numbered(), "unknown wire type", at)
    if (this.wireType === END_GROUP) return this.fail(this.numbered(), "unexpected end of group", at)
    return true
  }

  /**
   * Whether the field just met has this wire type. If not, `gogo` fails and `google` skips the field.
   * The typed reads below call it themselves; where meeting the field already has an effect, ask first.
   */
  expect(name: string, wireType: number): boolean {
    if (this.wireType === wireType) return true
    if (this.google) this.skip()
    else this.fail(name, "wrong wire type", this.tagStart)
    return false
  }

  /** uint64 as bigint, bits 64 and above dropped; `otherwise` (default 0) after a failure or a skipped wrong type. */
  uint64(name: string, otherwise = 0n): bigint {
    if (!this.expect(name, VARINT) || !this.varint(name)) return otherwise
    return this.high === 0 ? BigInt(this.low) : (BigInt(this.high) << 32n) | BigInt(this.low)
  }

  /** int64 as bigint, two's complement. */
  int64(name: string, otherwise = 0n): bigint {
    if (!this.expect(name, VARINT) || !this.varint(name)) return otherwise
    if (this.high === 0) return BigInt(this.low)
    const unsigned = (BigInt(this.high) << 32n) | BigInt(this.low)
    return this.high >= 0x80000000 ? unsigned - TWO_64 : unsigned
  }

  /** uint32: the low 32 bits of the varint. */
  uint32(name: string, otherwise = 0): number {
    return this.expect(name, VARINT) && this.varint(name) ? this.low : otherwise
  }

  /** int32 or an enum: the low 32 bits of the varint, signed. */
  int32(name: string, otherwise = 0): number {
    return this.expect(name, VARINT) && this.varint(name) ? this.low | 0 : otherwise
  }

  /** bool: any bit set. */
  bool(name: string, otherwise = false): boolean {
    return this.expect(name, VARINT) && this.varint(name) ? this.low !== 0 || this.high !== 0 : otherwise
  }

  /** double, 8 bytes little-endian. */
  double(name: string, otherwise = 0): number {
    if (!this.expect(name, FIXED64)) return otherwise
    const start = this.position
    if (!this.advance(name, 8)) return otherwise
    const scratch = new DataView(new ArrayBuffer(8))
    for (let i = 0; i < 8; i++) scratch.setUint8(i, this.input[start + i] ?? 0)
    return scratch.getFloat64(0, true)
  }

  /** Bytes as a view of the input, not a copy: it changes with the input and keeps it alive. */
  bytes(name: string, otherwise: Uint8Array = EMPTY): Uint8Array {
    if (!this.expect(name, LENGTH_DELIMITED)) return otherwise
    const length = this.length(name)
    if (length < 0) return otherwise
    const start = this.position
    this.position = start + length
    return length === 0 ? EMPTY : this.view(start, length)
  }

  /** string as byte text. `gogo` takes any bytes, `google` refuses what is not UTF-8. */
  text(name: string, otherwise = ""): string {
    if (!this.expect(name, LENGTH_DELIMITED)) return otherwise
    const length = this.length(name)
    if (length < 0) return otherwise
    const start = this.position
    this.position = start + length
    if (length === 0) return ""
    const text = bytesToText(this.input, start, this.position)
    if (this.google && !isUtf8(text)) {
      this.fail(name, "not UTF-8", start)
      return otherwise
    }
    return text
  }

  /**
   * Sub-message: `read` consumes its fields into `draft`. Read into the draft of an earlier occurrence to merge.
   * `read` is a plain function of the module, so that the hot path makes no closure.
   */
  message<Draft>(name: string, read: (reader: ProtoReader, draft: Draft) => void, draft: Draft): void {
    if (!this.expect(name, LENGTH_DELIMITED)) return
    const length = this.length(name)
    if (length < 0) return
    const outer = this.end
    this.end = this.position + length
    read(this, draft)
    this.end = outer
    if (this.reason !== undefined) this.path = this.path === "" ? name : `${name}.${this.path}`
  }

  /** Skips the field just met, whatever its type, groups included. */
  skip(): void {
    switch (this.wireType) {
      case VARINT:
        this.varint(this.numbered())
        return
      case FIXED64:
        this.advance(this.numbered(), 8)
        return
      case LENGTH_DELIMITED: {
        const length = this.length(this.numbered())
        if (length > 0) this.position += length
        return
      }
      case START_GROUP:
        if (this.google) this.skipNumberedGroups()
        else this.skipGroups()
        return
      default:
        this.advance(this.numbered(), 4)
    }
  }

  /** True after the first failure; reads go on returning their defaults. */
  get failed(): boolean {
    return this.reason !== undefined
  }

  /** Refuses the current field by a rule of the caller's own. */
  refuse(name: string, reason: WireReason): void {
    this.fail(name, reason, this.tagStart)
  }

  /** `value` if everything was read, else the first failure as the error of message `subject`. */
  finish<A>(subject: string, value: A): Result.Result<A, WireError> {
    return this.reason === undefined
      ? Result.succeed(value)
      : Result.fail(new WireError({ subject, field: this.path, reason: this.reason, offset: this.failedAt }))
  }

  /** Keeps the first failure and moves behind all input, so that every loop ends. */
  private fail(name: string, reason: WireReason, at: number): false {
    if (this.reason === undefined) {
      this.reason = reason
      this.failedAt = at
      this.path = name
    }
    this.position = this.input.length
    return false
  }

  private numbered(): string {
    return `#${this.field}`
  }

  private view(start: number, length: number): Uint8Array {
    // Not `subarray`: of a Node Buffer it would give a Buffer, whose `slice` does not copy.
    return new Uint8Array(this.input.buffer, this.input.byteOffset + start, length)
  }

  private advance(name: string, count: number): boolean {
    if (count > this.end - this.position) return this.fail(name, "truncated", this.position)
    this.position += count
    return true
  }

  /** Reads a varint of at most 10 bytes into `low` and `high`. */
  private varint(name: string): boolean {
    const { input, end } = this
    const start = this.position
    let at = start
    let low = 0
    let high = 0
    for (let shift = 0; shift < 70; shift += 7) {
      if (at >= end) return this.fail(name, "truncated", at)
      const byte = input[at++] ?? 0
      const bits = byte & 0x7f
      if (shift < 28) low |= bits << shift
      else if (shift === 28) {
        low |= bits << 28
        high = bits >>> 4
      } else high |= bits << (shift - 32) // at shift 63 only the lowest bit stays below 64
      if (byte < 0x80) {
        if (this.google && shift === 63 && byte > 1) return this.fail(name, "varint too long", at - 1)
        this.low = low >>> 0
        this.high = high >>> 0
        this.position = at
        return true
      }
    }
    return this.fail(name, "varint too long", start)
  }

  /** Reads a length that fits into the current message; -1 after a failure. */
  private length(name: string): number {
    const at = this.position
    const first = this.input[at] ?? 0
    let length = first
    if (first < 0x80 && at < this.end) this.position = at + 1
    else {
      if (!this.varint(name)) return -1
      if (this.high >= 0x80000000) return this.refuseLength(name, "negative length", at)
      length = this.high * TWO_32 + this.low
    }
    return length > this.end - this.position ? this.refuseLength(name, "length beyond the input", at) : length
  }

  private refuseLength(name: string, reason: WireReason, at: number): number {
    this.fail(name, reason, at)
    return -1
  }

  /**
   * gogoproto's skip: counts starts and ends down to zero; numbers inside are unchecked and need not match.
   * Source: `skipRelay` and its like in generated `*.pb.go`.
   */
  private skipGroups(): void {
    const name = this.numbered()
    const opened = this.tagStart
    let depth = 1
    while (depth > 0) {
      if (this.position >= this.end) {
        this.fail(name, "group not closed", opened)
        return
      }
      const at = this.position
      if (!this.varint(name)) return
      const wireType = this.low & 7
      if (wireType === START_GROUP) depth++
      else if (wireType === END_GROUP) depth--
      else if (!this.skipValue(name, wireType, at)) return
    }
  }

  /** protobuf-go's skip: end numbers must match, numbers are 1 to 2^31 - 1. Source: `protowire.ConsumeFieldValue`. */
  private skipNumberedGroups(): void {
    const name = this.numbered()
    const opened = this.tagStart
    const open: Array<number> = [this.field]
    while (open.length > 0) {
      if (this.position >= this.end) {
        this.fail(name, "group not closed", opened)
        return
      }
      const at = this.position
      if (!this.varint(name)) return
      const wireType = this.low & 7
      const number = this.high * (TWO_32 / 8) + (this.low >>> 3)
      if (number < 1 || number > 0x7fffffff) {
        this.fail(name, "invalid field number", at)
        return
      }
      if (wireType === START_GROUP) {
        if (open.push(number) > GOOGLE_MAX_GROUPS) {
          this.fail(name, "groups nested too deeply", at)
          return
        }
      } else if (wireType === END_GROUP) {
        if (open.pop() !== number) {
          this.fail(name, "unexpected end of group", at)
          return
        }
      } else if (!this.skipValue(name, wireType, at)) return
    }
  }

  private skipValue(name: string, wireType: number, at: number): boolean {
    if (wireType === VARINT) return this.varint(name)
    if (wireType === FIXED64) return this.advance(name, 8)
    if (wireType === FIXED32) return this.advance(name, 4)
    if (wireType !== LENGTH_DELIMITED) return this.fail(name, "unknown wire type", at)
    const length = this.length(name)
    if (length < 0) return false
    this.position += length
    return true
  }
}

const EMPTY = new Uint8Array(0)

/**
 * Decodes one message: `read` consumes the fields of `input` into `draft`, which is the result unless a read failed.
 */
export const decodeMessage = <Draft>(
  subject: string,
  input: Uint8Array,
  read: (reader: ProtoReader, draft: Draft) => void,
  draft: Draft,
  dialect: WireDialect = "gogo"
): Result.Result<Draft, WireError> => {
  const reader = new ProtoReader(input, dialect)
  read(reader, draft)
  return reader.finish(subject, draft)
}
