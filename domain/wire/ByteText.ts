/**
 * Byte text: a protobuf string kept as a JavaScript string with one character (0 to 255) for each byte. ASCII looks as
 * usual, other text survives decoding and encoding byte for byte, valid UTF-8 or not, and sorts as its bytes do.
 */

/** Longest run handed to one `fromCharCode` call; bounds the argument list, longer texts are joined from runs. */
const RUN = 4096

/** Byte text of `bytes` from `start` (inclusive) to `end` (exclusive, default: all). Reads each byte once. */
export const bytesToText = (bytes: Uint8Array, start = 0, end = bytes.length): string => {
  let text = ""
  for (let at = start; at < end; at += RUN) text += textOfRun(bytes, at, Math.min(end, at + RUN))
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
export const toUtf8 = (text: string): string =>
  isAscii(text) ? text : new TextDecoder("utf-8", { ignoreBOM: true }).decode(textToBytes(text))

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

const textOfRun = (bytes: Uint8Array, start: number, end: number): string => {
  const codes: Array<number> = []
  for (let i = start; i < end; i++) codes.push(bytes[i] ?? 0)
  return String.fromCharCode(...codes)
}
