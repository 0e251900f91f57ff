/** Stored trie nodes that are not what was stored: a typed refusal, no copy of the bytes, and never another node's content. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { sha256 } from "../../../domain/crypto/Sha256.ts"
import { CorruptNode, type EncodedNode, parseNode, readNode } from "../../../domain/smst/TrieNode.ts"
import { Trie } from "../../../domain/smst/Trie.ts"
import { bitOf, EXTENSION_SIZE, INNER_SIZE, LEAF_OVERHEAD } from "../../../domain/smst/TrieSpec.ts"
import { hex, toHex } from "../../vectors/load.ts"
import { Mutations, SampleIndex } from "../wire/Mutations.ts"
import { counted, mutate } from "../wire/WireBytes.ts"
import { aLeaf, aNeighbour, leavesBetween } from "./leaves.ts"
import { NodeStore } from "./nodeStore.ts"

/** Every node of a session with leaves, inner nodes and extensions of several lengths, by digest. */
const stored: ReadonlyArray<readonly [digest: Uint8Array, encoding: Uint8Array]> = (() => {
  const trie = Trie.empty()
  const store = new NodeStore()
  const base = sha256(aLeaf(1).key)
  const neighbours = [60, 130, 255].map((shared, seed) => aNeighbour(base, shared, seed + 1))
  store.write(Result.getOrThrow(trie.insertBatch([...leavesBetween(0, 60), ...neighbours])).writes)
  store.apply(trie.commit())
  return [...store.nodes].map(([digest, encoding]) => [hex(digest), encoding] as const)
})()

const kindOf = (encoding: Uint8Array) => Result.getOrThrow(parseNode(encoding)).kind
/** The largest node of each kind. */
const oneOfEach = (["leaf", "inner", "extension"] as const).map(
  (kind) => stored.filter(([, encoding]) => kindOf(encoding) === kind).sort(([, a], [, b]) => b.length - a.length)[0]!
)

/** The turns of an extension from its first level to its last. Its digest covers these, but not where they begin. */
const turns = (extension: Uint8Array): ReadonlyArray<number> =>
  Array.from({ length: extension[2]! - extension[1]! }, (_, i) => bitOf(extension.subarray(3, 35), extension[1]! + i))

/** Parses and counts the bytes in views; what is kept of a node are at most three views and no copy. */
const parse = (encoding: Uint8Array): Result.Result<EncodedNode, "tag" | "size"> => {
  const watched = counted(encoding)
  const result = parseNode(watched.bytes)
  assert.isAtMost(watched.visited(), encoding.length + 3)
  if (Result.isFailure(result)) assert.isAtMost(watched.visited(), 3, "a refusal reads tag and bounds")
  else {
    for (const part of Object.values(result.success)) {
      if (part instanceof Uint8Array) assert.strictEqual(part.buffer, encoding.buffer)
    }
  }
  return result
}

/** The reason of the refusal; anything but a typed one, or work beyond a hash for each level, fails the test. */
const refusalOf = (digest: Uint8Array, encoding: Uint8Array): string => {
  let hashed = 0
  const result = readNode(digest, encoding, (bytes) => {
    hashed += bytes.length
    return sha256(bytes)
  })
  assert.isAtMost(hashed, encoding.length + 256 * INNER_SIZE)
  if (Result.isSuccess(result)) return "none"
  assert.instanceOf(result.failure, CorruptNode)
  assert.strictEqual(result.failure.length, encoding.length)
  return result.failure.reason
}

describe("hostile stored nodes", () => {
  it("differ from the stored ones, which are read", () => {
    assert.isAbove(stored.length, 100)
    for (const [digest, encoding] of stored) assert.strictEqual(refusalOf(digest, encoding), "none")
  })

  for (const [digest, encoding] of oneOfEach) {
    const kind = kindOf(encoding)

    it(`are refused when a valid ${kind} is cut at any length`, () => {
      for (let length = 0; length < encoding.length; length++) {
        const cut = encoding.slice(0, length)
        const parsed = parse(cut)
        // A leaf may have any value, so a shorter one is another leaf: its digest tells.
        if (Result.isSuccess(parsed)) assert.isTrue(kind === "leaf" && length >= LEAF_OVERHEAD)
        else assert.strictEqual(parsed.failure, length === 0 ? "tag" : "size")
        assert.strictEqual(refusalOf(digest, cut), Result.isFailure(parsed) ? parsed.failure : "digest")
      }
    })

    it(`are refused when a valid ${kind} is longer than it should be`, () => {
      for (const more of [1, 16, 48, 1 << 20]) {
        const long = new Uint8Array(encoding.length + more)
        long.set(encoding)
        assert.strictEqual(refusalOf(digest, long), kind === "leaf" ? "digest" : "size")
      }
    })

    it(`are refused when a valid ${kind} has any other tag`, () => {
      for (let tag = 0; tag < 256; tag++) {
        const changed = encoding.slice()
        changed[0] = tag
        if (tag === encoding[0]) continue
        const parsed = parse(changed)
        if (tag > 2) assert.deepStrictEqual(Result.getOrThrow(Result.flip(parsed)), "tag")
        assert.notStrictEqual(refusalOf(digest, changed), "none")
      }
    })

    it(`are refused when any bit of a valid ${kind} is flipped`, () => {
      for (let bit = 0; bit < encoding.length * 8; bit++) {
        const flipped = encoding.slice()
        flipped[bit >> 3]! ^= 0x80 >> (bit & 7)
        parse(flipped)
        const reason = refusalOf(digest, flipped)
        if (reason !== "none") continue
        // Path bits of an extension outside its levels are in no digest and lead nowhere.
        const at = bit - 24
        assert.strictEqual(kind, "extension")
        assert.isTrue(at >= 0 && at < 256 && (at < encoding[1]! || at >= encoding[2]!), `bit ${bit}`)
      }
    })
  }

  it("of no size, or of every size of another kind, are refused by tag or size", () => {
    for (const size of [0, 1, 2, 3, 48, 49, 98, 99, 100, 112, 113, 114]) {
      for (const tag of [0, 1, 2, 3, 255]) {
        const bytes = new Uint8Array(size)
        if (size > 0) bytes[0] = tag
        const parsed = parse(bytes)
        const fits =
          (tag === 0 && size >= LEAF_OVERHEAD) ||
          (tag === 1 && size === INNER_SIZE) ||
          // No levels: `end` is not above `start`.
          (tag === 2 && size === EXTENSION_SIZE && bytes[2]! > bytes[1]!)
        assert.strictEqual(Result.isSuccess(parsed), fits, `${tag} ${size}`)
      }
    }
  })

  it("with every pair of extension bounds have levels or are refused by size", () => {
    const [digest, encoding] = oneOfEach[2]!
    const changed = encoding.slice()
    for (let start = 0; start < 256; start += 5) {
      for (let end = 0; end < 256; end += 3) {
        changed[1] = start
        changed[2] = end
        const parsed = parse(changed)
        assert.strictEqual(Result.isSuccess(parsed), end > start)
        if (end <= start) assert.strictEqual(refusalOf(digest, changed), "size")
        else {
          // The same turns elsewhere fit the digest; whoever reads the node there knows its depth and compares.
          const isAlike = String(turns(changed)) === String(turns(encoding))
          assert.strictEqual(refusalOf(digest, changed), isAlike ? "none" : "digest")
        }
      }
    }
  })

  it("of 1 MB are leaves with a large value, or refused at once", () => {
    for (const tag of [0, 1, 2, 7]) {
      const bytes = new Uint8Array(1 << 20)
      bytes[0] = tag
      assert.strictEqual(Result.isSuccess(parse(bytes)), tag === 0)
    }
  })

  it.prop(
    "made of changed valid ones, or stored under another digest, are refused, or prove the same node",
    { index: SampleIndex, other: SampleIndex, mutations: Mutations },
    ({ index, other, mutations }) => {
      const [digest, encoding] = stored[index % stored.length]!
      const [otherDigest] = stored[other % stored.length]!
      const bytes = mutate(encoding, mutations)
      parse(bytes)
      if (toHex(otherDigest) !== toHex(digest)) assert.strictEqual(refusalOf(otherDigest, encoding), "digest")
      if (refusalOf(digest, bytes) !== "none" || toHex(bytes) === toHex(encoding)) return
      const node = Result.getOrThrow(parseNode(bytes))
      assert.strictEqual(node.kind, "extension")
      assert.deepStrictEqual(turns(bytes), turns(encoding))
      assert.strictEqual(toHex(bytes.slice(35)), toHex(encoding.slice(35)))
    },
    { arbitrary: { runs: 1500 } }
  )
})
