/**
 * Writes protobuf as gogoproto does: minimal varints, zero values and empty texts omitted; the caller writes fields by
 * ascending number. One pass into a buffer that grows; sub-messages get their length prefix afterwards.
 */
import type { Sha256 } from "../crypto/Sha256.ts"
import { FIXED64, LENGTH_DELIMITED, VARINT } from "./ProtoReader.ts"

const MASK_64 = 18446744073709551615n
const MASK_32 = 0xffffffffn
/** First size of a buffer: most relay messages without their payload fit. */
const INITIAL_BYTES = 1024
/** A buffer above this is not kept for the next message: one huge payload must not stay in memory. */
const KEPT_BYTES = 1 << 20

/** Collects the bytes of one message. Methods omit zero values unless their name says otherwise. */
export class ProtoWriter {
  private buffer: Uint8Array
  private position = 0

  constructor(initialBytes: number = INITIAL_BYTES) {
    this.buffer = new Uint8Array(initialBytes)
  }

  /** uint64 or uint32, 0 omitted. A bigint must fit 64 bits; a number must be an integer from 0 to 2^53 - 1. */
  uint(field: number, value: bigint | number): void {
    if (typeof value === "number") {
      if (value === 0) return
      this.tag(field, VARINT)
      this.varint(value)
    } else if (value !== 0n) {
      this.tag(field, VARINT)
      this.varint64(value)
    }
  }

  /** int64, int32 or enum, 0 omitted. Negative values are two's complement, 10 bytes. A number must be an integer. */
  int(field: number, value: bigint | number): void {
    if (typeof value === "number" && value < 0) {
      this.tag(field, VARINT)
      this.varint64(BigInt(value))
    } else this.uint(field, value)
  }

  /** bool, false omitted. */
  bool(field: number, value: boolean): void {
    if (value) this.uint(field, 1)
  }

  /** double, 0 and -0 omitted. */
  double(field: number, value: number): void {
    if (value === 0) return
    this.tag(field, FIXED64)
    this.reserve(8)
    new DataView(this.buffer.buffer, this.position, 8).setFloat64(0, value, true)
    this.position += 8
  }

  /** bytes, empty omitted. */
  bytes(field: number, value: Uint8Array): void {
    if (value.length > 0) this.presentBytes(field, value)
  }

  /** bytes, written even if empty: optional fields that are present, elements of a repeated field. */
  presentBytes(field: number, value: Uint8Array): void {
    this.tag(field, LENGTH_DELIMITED)
    this.varint(value.length)
    this.encoded(value)
  }

  /** Bytes as they are: fields that are encoded already. */
  encoded(bytes: Uint8Array): void {
    this.reserve(bytes.length)
    this.buffer.set(bytes, this.position)
    this.position += bytes.length
  }

  /** Byte text, empty omitted. */
  text(field: number, value: string): void {
    if (value.length > 0) this.presentText(field, value)
  }

  /** Byte text, written even if empty. */
  presentText(field: number, value: string): void {
    const length = value.length
    this.tag(field, LENGTH_DELIMITED)
    this.varint(length)
    this.reserve(length)
    const { buffer } = this
    let at = this.position
    for (let i = 0; i < length; i++) buffer[at++] = value.charCodeAt(i)
    this.position = at
  }

  /**
   * Sub-message, written even if empty: `write` writes the fields of `value`. Leave the call out for an absent one.
   * `expectedBytes` is a guess of its size; a right one (to the width of the length prefix) saves moving the content.
   */
  message<Value>(
    field: number,
    write: (writer: ProtoWriter, value: Value) => void,
    value: Value,
    expectedBytes = 0
  ): void {
    this.tag(field, LENGTH_DELIMITED)
    const prefix = this.position
    const guessed = varintBytes(expectedBytes)
    this.reserve(guessed)
    this.position = prefix + guessed
    write(this, value)
    const length = this.position - prefix - guessed
    const needed = varintBytes(length)
    if (needed !== guessed) {
      this.reserve(needed)
      this.buffer.copyWithin(prefix + needed, prefix + guessed, this.position)
    }
    this.position = prefix
    this.varint(length)
    this.position = prefix + needed + length
  }

  /** The bytes written so far, copied. */
  finish(): Uint8Array {
    return this.buffer.slice(0, this.position)
  }

  /** The bytes written so far as a view that later writes overwrite. */
  view(): Uint8Array {
    return this.buffer.subarray(0, this.position)
  }

  /** Bytes written so far. */
  get length(): number {
    return this.position
  }

  /** Forgets what was written, keeps the buffer. */
  reset(): void {
    this.position = 0
  }

  /** Bytes the buffer holds without growing. */
  get capacity(): number {
    return this.buffer.length
  }

  private tag(field: number, wireType: number): void {
    if (field < 16) {
      this.reserve(1)
      this.buffer[this.position++] = (field << 3) | wireType
    } else this.varint(field * 8 + wireType)
  }

  private varint(value: number): void {
    this.reserve(10)
    const { buffer } = this
    let at = this.position
    let rest = value
    while (rest > 0x7fffffff) {
      buffer[at++] = (rest % 128) | 0x80
      rest = Math.floor(rest / 128)
    }
    while (rest > 0x7f) {
      buffer[at++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    buffer[at++] = rest
    this.position = at
  }

  private varint64(value: bigint): void {
    if (value >= 0n && value <= 9007199254740991n) return this.varint(Number(value))
    this.reserve(10)
    // In two halves: a loop over bigints is slow, and `BigInt.asUintN` in one aborts older Node versions.
    const unsigned = value & MASK_64
    let low = Number(unsigned & MASK_32)
    let high = Number(unsigned >> 32n)
    while (high > 0 || low > 0x7f) {
      this.buffer[this.position++] = (low & 0x7f) | 0x80
      low = ((low >>> 7) | (high << 25)) >>> 0
      high >>>= 7
    }
    this.buffer[this.position++] = low
  }

  private reserve(count: number): void {
    const needed = this.position + count
    if (needed <= this.buffer.length) return
    const grown = new Uint8Array(Math.max(needed, this.buffer.length * 2))
    grown.set(this.buffer.subarray(0, this.position))
    this.buffer = grown
  }
}

/** Encodes one message: `write` writes the fields of `value`. The result is a copy of its own. */
export const encodeMessage = <Value>(write: (writer: ProtoWriter, value: Value) => void, value: Value): Uint8Array => {
  const writer = borrow()
  write(writer, value)
  const bytes = writer.finish()
  giveBack(writer)
  return bytes
}

/** Digest of the encoding without making a copy of it; `sha256` must not keep its argument. */
export const hashMessage = <Value>(
  write: (writer: ProtoWriter, value: Value) => void,
  value: Value,
  sha256: Sha256
): Uint8Array => {
  const writer = borrow()
  write(writer, value)
  const digest = sha256(writer.view())
  giveBack(writer)
  return digest
}

// One idle writer is reused between messages; encoding inside an encoding finds none and makes its own.
let idle: ProtoWriter | undefined = undefined

const borrow = (): ProtoWriter => {
  const writer = idle ?? new ProtoWriter()
  idle = undefined
  writer.reset()
  return writer
}

const giveBack = (writer: ProtoWriter): void => {
  if (writer.capacity <= KEPT_BYTES) idle = writer
}

const varintBytes = (value: number): number => {
  let count = 1
  for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) count++
  return count
}
