import { assert, describe, it } from "@effect/vitest"
import { sortByPath } from "../../../domain/smst/LeafOrder.ts"
import { encodeLeaf } from "../../../domain/smst/TrieSpec.ts"
import { seededNumbers } from "./leaves.ts"

describe("sortByPath", () => {
  it("orders by all bytes of the path and keeps the order of equal ones", () => {
    const next = seededNumbers(5)
    // Few values for each byte, so that many paths share their first bytes or are equal.
    const encodings = Array.from({ length: 800 }, () => {
      const path = new Uint8Array(32)
      for (const at of [0, 3, 4, 31]) path[at] = next(2) * 255
      path[17] = next(40)
      return encodeLeaf(path, new Uint8Array(0), 1n)
    })
    const expected = [...encodings.keys()].sort(
      (a, b) => Buffer.compare(encodings[a]!.subarray(1, 33), encodings[b]!.subarray(1, 33)) || a - b
    )
    assert.deepStrictEqual(sortByPath(encodings), expected)
    assert.deepStrictEqual(sortByPath([]), [])
  })
})
