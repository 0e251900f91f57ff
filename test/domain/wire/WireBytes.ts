/** Builds protobuf bytes by hand, right or wrong, and counts what a decoder does with them. */

/** All parts one after the other. */
export const join = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}

/** Varint of a non-negative number, padded with empty groups of bits to at least `width` bytes. */
export const varint = (value: bigint | number, width = 1): Uint8Array => {
  const bytes: Array<number> = []
  for (let rest = BigInt(value); rest > 0n || bytes.length < width; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  bytes[bytes.length - 1]! &= 0x7f
  return Uint8Array.from(bytes)
}

/** Tag of a field; `width` as in `varint`. */
export const tag = (field: bigint | number, wireType: number, width = 1): Uint8Array =>
  varint(BigInt(field) * 8n + BigInt(wireType), width)

/** Length-delimited field. */
export const bytesField = (field: number, content: Uint8Array): Uint8Array =>
  join(tag(field, 2), varint(content.length), content)

/** Length-delimited field with ASCII content. */
export const textField = (field: number, content: string): Uint8Array => bytesField(field, ascii(content))

/** Varint field. */
export const varintField = (field: number, value: bigint | number): Uint8Array => join(tag(field, 0), varint(value))

/** Bytes of ASCII text. */
export const ascii = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0))

/** `count` times the same byte. */
export const repeated = (byte: number, count: number): Uint8Array => new Uint8Array(count).fill(byte)

/** The same bytes behind a proxy that counts reads of single bytes and views made by methods. */
export const counted = (bytes: Uint8Array): { readonly bytes: Uint8Array; readonly visited: () => number } => {
  let visited = 0
  const proxy = new Proxy(bytes, {
    get(target, property) {
      if (typeof property === "string" && property >= "0" && property <= "9~") visited++
      const value: unknown = Reflect.get(target, property, target)
      if (property === "subarray") {
        return (start: number, end = target.length) => {
          visited += Math.max(0, Math.min(end, target.length) - start)
          return target.subarray(start, end)
        }
      }
      return value
    }
  })
  return { bytes: proxy, visited: () => visited }
}

/** One change to some bytes: where (scaled to their length) and with what. */
export interface Mutation {
  readonly kind: "flip" | "cut" | "splice" | "repeat" | "insert"
  readonly at: number
  readonly value: number
}

/** Applies changes in order. `at` is a fraction of the length in units of 1/65536, `value` a byte. */
export const mutate = (bytes: Uint8Array, mutations: ReadonlyArray<Mutation>): Uint8Array =>
  mutations.reduce((current, { kind, at, value }) => {
    const place = Math.floor((at / 65536) * current.length)
    const stretch = 1 + (value % 16)
    switch (kind) {
      case "flip":
        return join(current.slice(0, place), Uint8Array.of(value), current.slice(place + 1))
      case "cut":
        return current.slice(0, place)
      case "splice":
        return join(current.slice(0, place), current.slice(place + stretch))
      case "repeat":
        return join(current.slice(0, place + stretch), current.slice(place))
      default:
        return join(current.slice(0, place), varint(value, 1 + (at % 11)), current.slice(place))
    }
  }, bytes)
