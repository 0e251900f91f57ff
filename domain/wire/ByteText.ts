/**
 * Byte text: a protobuf string kept as a JavaScript string with one character (0 to 255) for each byte. ASCII looks as
 * usual, other text survives decoding and encoding byte for byte, valid UTF-8 or not, and sorts as its bytes do.
 */

/** Below this length characters are joined one by one, which is quicker than looking for the text. */
const SHORT = 12
/** Longest text that is remembered: a session id has 64 characters, an address 43. */
const REMEMBERED = 96
/** Texts remembered, 100 KB at most: the ids and addresses of the sessions in flight. A collision replaces. 2^10. */
const MEMORY = 1024
/** Longest run handed to one `fromCharCode` call; bounds the argument list, longer texts are joined from runs. */
const RUN = 4096

const memory: Array<string> = Array.from({ length: MEMORY }, () => "")
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true })

/**
 * Byte text of `bytes` from `start` (inclusive) to `end` (exclusive, default: all). Reads each byte at most three times.
 *
 * Relays repeat a few ids and addresses, so texts of their length are looked up among those read before: 80 ns for 43
 * characters against 120 to 190 ns for making one (Node 24, shared core), and equal texts are the same string.
 */
export const bytesToText = (bytes: Uint8Array, start = 0, end = bytes.length): string => {
  const length = end - start
  if (length < SHORT) {
    let text = ""
    for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i] ?? 0)
    return text
  }
  if (length > REMEMBERED) return newText(bytes, start, end)
  const slot = slotOf(bytes, end, length)
  const known = memory[slot]
  if (known !== undefined && isTextOf(known, bytes, start, length)) return known
  const text = newText(bytes, start, end)
  memory[slot] = text
  return text
}

/** Bytes of a byte text: the low 8 bits of each character. Human text outside ASCII goes through `fromUtf8` first. */
export const textToBytes = (text: string): Uint8Array => {
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i)
  return bytes
}

/** Byte text that holds human text as UTF-8; a lone surrogate becomes U+FFFD. */
export const fromUtf8 = (human: string): string =>
  isAscii(human) ? human : bytesToText(new TextEncoder().encode(human))

/** Human text of a byte text read as UTF-8; every byte that is not UTF-8 shows as U+FFFD. For messages to people. */
export const toUtf8 = (text: string): string => (isAscii(text) ? text : utf8.decode(textToBytes(text)))

/** Whether the characters of a byte text, taken as bytes, are valid UTF-8 (RFC 3629, as Go's `utf8.ValidString`). */
export const isUtf8 = (text: string): boolean => {
  for (let i = 0; i < text.length;) {
    const lead = text.charCodeAt(i)
    if (lead < 0x80) {
      i++
      continue
    }
    const length = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0
    if (length === 0 || i + length > text.length) return false
    const second = text.charCodeAt(i + 1)
    // Overlong forms (e0, f0), surrogates (ed) and values above U+10FFFF (f4) show in the second byte.
    const lowest = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
    const highest = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
    if (second < lowest || second > highest) return false
    for (let k = 2; k < length; k++) if ((text.charCodeAt(i + k) & 0xc0) !== 0x80) return false
    i += length
  }
  return true
}

const isAscii = (text: string): boolean => {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false
  return true
}

/** Slot by length and the last four characters, which differ most: checksum of an address, end of a hash. */
const slotOf = (bytes: Uint8Array, end: number, length: number): number => {
  const tail =
    ((bytes[end - 1] ?? 0) << 24) | ((bytes[end - 2] ?? 0) << 16) | ((bytes[end - 3] ?? 0) << 8) | (bytes[end - 4] ?? 0)
  // Multiplicative hashing (Knuth, section 6.4): the upper bits depend on all of the tail.
  return Math.imul(tail ^ length, 0x9e3779b1) >>> 22
}

const isTextOf = (text: string, bytes: Uint8Array, start: number, length: number): boolean => {
  if (text.length !== length) return false
  for (let i = 0; i < length; i++) if (text.charCodeAt(i) !== bytes[start + i]) return false
  return true
}

const newText = (bytes: Uint8Array, start: number, end: number): string => {
  let seen = 0
  for (let i = start; i < end; i++) seen |= bytes[i] ?? 0
  if (seen < 0x80) return utf8.decode(bytes.subarray(start, end))
  let text = ""
  for (let at = start; at < end; at += RUN) text += String.fromCharCode(...bytes.subarray(at, Math.min(end, at + RUN)))
  return text
}
