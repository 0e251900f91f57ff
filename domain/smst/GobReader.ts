/**
 * Reads the primitives of Go's `encoding/gob` from bytes it does not trust. Every length is checked against the bytes
 * left before anything is allocated. Throws `GobError`; the decoder that owns the reader turns it into a result.
 * Source: Go `encoding/gob/decode.go`, `doc.go`.
 */
import { Schema } from "effect"

/** The bytes are not a gob value of the wanted type, or exceed a limit. */
export class GobError extends Schema.TaggedError<GobError>()("GobError", {
  /** Offset in bytes at which decoding stopped. */
  offset: Schema.Finite,
  reason: Schema.String
}) {
  override get message(): string {
    return `gob: ${this.reason} at byte ${this.offset}`
  }
}

/** A cursor over gob bytes. `limit` is the end of the present message. */
export class GobReader {
  readonly #bytes: Uint8Array
  #offset = 0
  #limit: number
  #reads = 0
  #copied = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#limit = bytes.length
  }

  /** Integers read so far: the work done. */
  get reads(): number {
    return this.#reads
  }

  /** Bytes copied out so far: the memory taken. */
  get copied(): number {
    return this.#copied
  }

  /** Bytes left in the present message. */
  get left(): number {
    return this.#limit - this.#offset
  }

  /** Stops decoding. */
  fail(reason: string): never {
    throw new GobError({ offset: this.#offset, reason })
  }

  /** Enters the next message: its length, then that many bytes, which must be there. */
  enterMessage(): void {
    this.#limit = this.#bytes.length
    const length = this.length()
    if (length === 0) this.fail("empty message")
    this.#limit = this.#offset + length
  }

  /** Unsigned integer of at most 64 bits: one byte up to 127, else the negated byte count and big-endian bytes. */
  uint(): bigint {
    this.#reads++
    const first = this.#byte()
    if (first <= 0x7f) return BigInt(first)
    const size = 256 - first
    if (size > 8) this.fail("integer of more than 8 bytes")
    let value = 0n
    for (let i = 0; i < size; i++) value = (value << 8n) | BigInt(this.#byte())
    return value
  }

  /** Signed 64-bit integer: the lowest bit tells whether the rest is complemented. */
  int(): bigint {
    const value = this.uint()
    return (value & 1n) === 0n ? value >> 1n : -(value >> 1n) - 1n
  }

  /** Signed integer that Go keeps in 32 bits, such as a type id. */
  int32(): number {
    const value = this.int()
    if (BigInt.asIntN(32, value) !== value) this.fail("integer out of range")
    return Number(value)
  }

  /** A length or element count: at most the bytes left, as no element is smaller than a byte. */
  length(): number {
    const value = this.uint()
    if (value > BigInt(this.left)) this.fail("length exceeds the input")
    return Number(value)
  }

  /** Length and raw bytes, copied. */
  bytes(): Uint8Array {
    const length = this.length()
    const from = this.#offset
    this.#offset += length
    this.#copied += length
    return this.#bytes.slice(from, this.#offset)
  }

  /** Length and raw bytes, passed over. */
  skipBytes(): void {
    const length = this.length()
    this.#offset += length
  }

  /** A string with one character for each byte. */
  text(): string {
    let text = ""
    for (const byte of this.bytes()) text += String.fromCharCode(byte)
    return text
  }

  /**
   * Field numbers of a struct in order: the caller reads each value before it asks for the next. Ends at a zero or at
   * the end of the message.
   */
  *fields(count: number): Generator<number> {
    let index = -1
    while (this.left > 0) {
      const delta = this.uint()
      if (delta === 0n) return
      if (delta >= BigInt(count - index)) this.fail("field number out of range")
      index += Number(delta)
      yield index
    }
  }

  #byte(): number {
    if (this.#offset >= this.#limit) this.fail("input ends")
    return this.#bytes[this.#offset++] ?? 0
  }
}
