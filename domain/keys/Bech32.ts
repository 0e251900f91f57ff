/**
 * Bech32 (BIP-173, checksum constant 1; not bech32m) as the Cosmos SDK reads and writes addresses.
 * Works on byte text: one character for each byte, so a text that is not UTF-8 is refused like any other garbage.
 */
import { Result, Schema } from "effect"

/** Longest text the chain decodes, in bytes. Source: cosmos-sdk `types/bech32`, DecodeAndConvert. */
const MAX_TEXT_BYTES = 1023
/** Shortest text the decoder takes: a one-byte prefix, the separator and the checksum. Source: btcutil `bech32.Decode`. */
const MIN_TEXT_BYTES = 8
const CHECKSUM_CHARACTERS = 6
const ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3]

/** A text that is not bech32. `reason` is the first rule it breaks; the text itself may be hostile and is left out. */
export class InvalidBech32 extends Schema.TaggedError<InvalidBech32>()("InvalidBech32", {
  reason: Schema.Literals(["length", "character", "mixed case", "separator", "checksum", "padding"])
}) {
  override get message(): string {
    return `not a bech32 text: ${this.reason}`
  }
}

/** A decoded text: the lower-case prefix and the bytes after regrouping from 5 to 8 bits (possibly none). */
export interface Bech32 {
  readonly prefix: string
  readonly bytes: Uint8Array
}

/**
 * Decodes bech32 text of 8 to 1023 bytes, each 33 to 126, in one case. The last `1` separates prefix and data.
 * Regrouping must leave at most 4 bits, all zero. An all upper-case text is lowered first.
 */
export const decodeBech32 = (text: string): Result.Result<Bech32, InvalidBech32> => {
  if (text.length < MIN_TEXT_BYTES || text.length > MAX_TEXT_BYTES) return refuse("length")
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 33 || code > 126) return refuse("character")
  }
  const lower = text.toLowerCase()
  if (text !== lower && text !== text.toUpperCase()) return refuse("mixed case")
  const separator = lower.lastIndexOf("1")
  if (separator < 1 || separator + 1 + CHECKSUM_CHARACTERS > lower.length) return refuse("separator")
  const prefix = lower.slice(0, separator)
  const words: Array<number> = []
  for (let i = separator + 1; i < lower.length; i++) {
    const word = ALPHABET.indexOf(lower.charAt(i))
    if (word < 0) return refuse("character")
    words.push(word)
  }
  if (polymod([...expandPrefix(prefix), ...words]) !== 1) return refuse("checksum")
  const bytes = fromWords(words.slice(0, -CHECKSUM_CHARACTERS))
  return bytes === undefined ? refuse("padding") : Result.succeed({ prefix, bytes })
}

/** Encodes bytes under a lower-case prefix; unused low bits of the last character are zero. */
export const encodeBech32 = (prefix: string, bytes: Uint8Array): string => {
  const words = toWords(bytes)
  const checksum = polymod([...expandPrefix(prefix), ...words, 0, 0, 0, 0, 0, 0]) ^ 1
  for (let i = 0; i < CHECKSUM_CHARACTERS; i++) words.push((checksum >>> (5 * (5 - i))) & 31)
  return `${prefix}1${words.map((word) => ALPHABET.charAt(word)).join("")}`
}

const refuse = (reason: InvalidBech32["reason"]): Result.Result<never, InvalidBech32> =>
  Result.fail(new InvalidBech32({ reason }))

const expandPrefix = (prefix: string): Array<number> => {
  const high: Array<number> = []
  const low: Array<number> = []
  for (let i = 0; i < prefix.length; i++) {
    high.push(prefix.charCodeAt(i) >>> 5)
    low.push(prefix.charCodeAt(i) & 31)
  }
  return [...high, 0, ...low]
}

const polymod = (words: ReadonlyArray<number>): number => {
  let checksum = 1
  for (const word of words) {
    const top = checksum >>> 25
    checksum = ((checksum & 0x1ffffff) << 5) ^ word
    GENERATOR.forEach((generator, bit) => {
      if ((top >>> bit) & 1) checksum ^= generator
    })
  }
  return checksum
}

const toWords = (bytes: Uint8Array): Array<number> => {
  const words: Array<number> = []
  let held = 0
  let heldBits = 0
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xfff
    heldBits += 8
    while (heldBits >= 5) {
      heldBits -= 5
      words.push((held >>> heldBits) & 31)
    }
  }
  if (heldBits > 0) words.push((held << (5 - heldBits)) & 31)
  return words
}

const fromWords = (words: ReadonlyArray<number>): Uint8Array | undefined => {
  const bytes = new Uint8Array(Math.floor((words.length * 5) / 8))
  let held = 0
  let heldBits = 0
  let length = 0
  for (const word of words) {
    held = ((held << 5) | word) & 0xfff
    heldBits += 5
    if (heldBits >= 8) {
      heldBits -= 8
      bytes[length++] = (held >>> heldBits) & 255
    }
  }
  const padding = held & ((1 << heldBits) - 1)
  return heldBits > 4 || padding !== 0 ? undefined : bytes
}
