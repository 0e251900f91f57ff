/** Seeded leaves for trie tests: the same seed gives the same leaves. */
import { sha256 } from "../../../domain/crypto/Sha256.ts"
import type { BatchLeaf } from "../../../domain/smst/Trie.ts"

/** Numbers below `bound`, repeatable: a 32-bit xorshift. */
export const seededNumbers = (seed: number): ((bound: number) => number) => {
  let state = seed * 2654435761 + 1
  return (bound) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % bound
  }
}

/** Leaf number `index`: key, a value of 0 to 40 bytes and a weight, all following from it. */
export const aLeaf = (index: number): BatchLeaf => {
  const key = sha256(Uint8Array.of(index >> 16, index >> 8, index))
  return { key, value: key.slice(0, index % 41).map((byte) => byte ^ 1), weight: BigInt(index * 7 + 1) }
}

/** Leaves `from` to `to`, exclusive. */
export const leavesBetween = (from: number, to: number): Array<BatchLeaf> =>
  Array.from({ length: to - from }, (_, i) => aLeaf(from + i))

/** A leaf whose path follows `base` for `shared` bits and then departs; the rest is seeded. */
export const aNeighbour = (base: Uint8Array, shared: number, seed: number): BatchLeaf => {
  const next = seededNumbers(seed)
  const path = base.map((byte, at) => (at > shared >> 3 ? next(256) : byte))
  path[shared >> 3]! ^= 0x80 >> (shared & 7)
  return { key: path, path, value: Uint8Array.of(seed), weight: 3n }
}

/** The elements in a seeded order. */
export const shuffled = <T>(elements: ReadonlyArray<T>, seed: number): Array<T> => {
  const next = seededNumbers(seed)
  const order = [...elements]
  for (let i = order.length - 1; i > 0; i--) {
    const j = next(i + 1)
    const moved = order[i]!
    order[i] = order[j]!
    order[j] = moved
  }
  return order
}
