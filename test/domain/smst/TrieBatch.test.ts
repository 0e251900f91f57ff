/** Batches, stores and reopening: whatever the way, the same leaves give the same root and the store holds its nodes. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { sha256 } from "../../../domain/crypto/Sha256.ts"
import { proofNeeds, proveClosest } from "../../../domain/smst/ClosestProof.ts"
import { compact } from "../../../domain/smst/CompactProof.ts"
import { verify } from "../../../domain/smst/ProofVerification.ts"
import { type BatchLeaf, Trie } from "../../../domain/smst/Trie.ts"
import { UnresolvedNode } from "../../../domain/smst/TrieStubs.ts"
import { CorruptNode } from "../../../domain/smst/TrieNode.ts"
import { pathOf } from "../../../domain/smst/TrieSpec.ts"
import { toHex } from "../../vectors/load.ts"
import { aLeaf, aNeighbour, leavesBetween, seededNumbers, shuffled } from "./leaves.ts"
import { NodeStore } from "./nodeStore.ts"

const insert = (trie: Trie, leaves: ReadonlyArray<BatchLeaf>) => Result.getOrThrow(trie.insertBatch(leaves))

const pathsOf = (leaves: ReadonlyArray<BatchLeaf>) => leaves.map((leaf) => leaf.path ?? pathOf(leaf.key, sha256))

const rootOf = (leaves: ReadonlyArray<BatchLeaf>) => {
  const trie = Trie.empty()
  for (const leaf of leaves) insert(trie, [leaf])
  return toHex(trie.root())
}

/** Digests of all nodes that the root leads to, read from the store. */
const reachable = (root: Uint8Array, store: NodeStore): Set<string> => {
  const found = new Set<string>()
  const visit = (digest: Uint8Array) => {
    if (digest.every((byte) => byte === 0)) return
    const encoding = store.read(digest)
    if (encoding === undefined) return assert.fail(`node ${toHex(digest)} is missing`)
    found.add(toHex(digest))
    if (encoding[0] === 1) {
      visit(encoding.slice(1, 49))
      visit(encoding.slice(49, 97))
    } else if (encoding[0] === 2) visit(encoding.slice(35, 83))
  }
  visit(root)
  return found
}

const storeHoldsExactly = (root: Uint8Array, store: NodeStore) =>
  assert.deepStrictEqual([...store.nodes.keys()].sort(), [...reachable(root, store)].sort())

describe("Trie batches", () => {
  it("give the root that one insertion at a time gives, in any split and order", () => {
    const leaves = leavesBetween(0, 700)
    const expected = rootOf(leaves)
    for (const seed of [1, 2, 3, 4, 5, 6]) {
      const next = seededNumbers(seed)
      const order = shuffled(leaves, seed)
      const trie = Trie.empty()
      for (let from = 0; from < order.length;) {
        const to = from + 1 + next(200)
        insert(trie, order.slice(from, to))
        if (next(3) === 0) trie.root()
        from = to
      }
      assert.strictEqual(toHex(trie.root()), expected)
      assert.strictEqual(trie.count, 700n)
      assert.strictEqual(
        trie.sum,
        leaves.reduce((sum, { weight }) => sum + weight, 0n)
      )
    }
  })

  it("hold for paths that share up to 255 bits", () => {
    const base = sha256(Uint8Array.of(9))
    const first: BatchLeaf = { key: base, path: base, value: Uint8Array.of(), weight: 1n }
    const leaves = [first, ...Array.from({ length: 256 }, (_, shared) => aNeighbour(base, 255 - shared, shared))]
    const expected = rootOf(leaves)
    for (const seed of [1, 2, 3]) {
      const trie = Trie.empty()
      const order = shuffled(leaves, seed)
      insert(trie, order.slice(0, 100))
      insert(trie, order.slice(100))
      assert.strictEqual(toHex(trie.root()), expected)
    }
    const pair = [first, aNeighbour(base, 255, 1)]
    const trie = Trie.empty()
    const store = new NodeStore()
    store.write(insert(trie, pair).writes)
    store.apply(trie.commit())
    storeHoldsExactly(trie.root(), store)
    const reopened = Trie.open(trie.root())
    store.prefetch(reopened, pathsOf(leaves))
    insert(reopened, leaves)
    assert.strictEqual(toHex(reopened.root()), expected)
  })

  it("tell new leaves from duplicates, replaced and superseded ones, and hand out what is new", () => {
    const trie = Trie.empty()
    const [a, b, c] = [aLeaf(1), aLeaf(2), aLeaf(3)]
    const otherB = { ...b, weight: 99n }
    assert.deepStrictEqual(insert(trie, [a, b, a]).outcomes, ["added", "added", "duplicate"])
    const before = toHex(trie.root())
    assert.deepStrictEqual(insert(trie, [b, a]), { outcomes: ["duplicate", "duplicate"], writes: [] })
    assert.strictEqual(toHex(trie.root()), before)
    const { outcomes, writes } = insert(trie, [b, otherB, c, c, a])
    assert.deepStrictEqual(outcomes, ["superseded", "replaced", "added", "duplicate", "duplicate"])
    assert.deepStrictEqual(
      writes.map(({ encoding }) => toHex(encoding.slice(33, -16))),
      [toHex(otherB.value), toHex(c.value)]
    )
    assert.strictEqual(toHex(trie.root()), rootOf([a, otherB, c]))
    assert.strictEqual(trie.sum, a.weight + 99n + c.weight)
    assert.strictEqual(trie.count, 3n)
  })

  it("need no hash beyond path and leaf until a digest is asked for", () => {
    let hashes = 0
    const trie = Trie.empty((bytes) => {
      hashes++
      return sha256(bytes)
    })
    insert(trie, leavesBetween(0, 300))
    assert.strictEqual(hashes, 600)
    assert.strictEqual(trie.count, 300n)
    assert.strictEqual(hashes, 600)
    const paths = pathsOf(leavesBetween(300, 400))
    insert(
      trie,
      leavesBetween(300, 400).map((leaf, i) => ({ ...leaf, path: paths[i]! }))
    )
    assert.strictEqual(hashes, 700)
  })

  it("can be hashed and written in slices, with changes in between", () => {
    const trie = Trie.empty()
    const store = new NodeStore()
    store.write(insert(trie, leavesBetween(0, 400)).writes)
    let slices = 0
    while (!trie.digestSome(50)) {
      if (++slices === 3) store.write(insert(trie, leavesBetween(400, 450)).writes)
    }
    assert.isAbove(slices, 8)
    assert.strictEqual(toHex(trie.root()), rootOf(leavesBetween(0, 450)))
    for (let chunk = 0; ; chunk++) {
      const writes = trie.takeWrites(64)
      if (writes.length === 0) break
      assert.isAtMost(writes.length, 64)
      store.write(writes)
      if (chunk === 2) store.write(insert(trie, leavesBetween(450, 460)).writes)
    }
    for (;;) {
      const deletes = trie.takeDeletes(10)
      if (deletes.length === 0) break
      assert.isAtMost(deletes.length, 10)
      for (const digest of deletes) store.nodes.delete(toHex(digest))
    }
    assert.isTrue(trie.isStored)
    assert.strictEqual(toHex(trie.root()), rootOf(leavesBetween(0, 460)))
    storeHoldsExactly(trie.root(), store)
  })

  it("take no more than 90 bytes for each of about 2.3 nodes a leaf, and give back what a replaced leaf held", () => {
    const trie = Trie.empty()
    for (let from = 0; from < 8000; from += 500) insert(trie, leavesBetween(from, from + 500))
    assert.isBelow(trie.residentNodes, 2.4 * 8000)
    assert.isBelow(trie.residentBytes, 2.6 * 90 * 8000)
    const before = trie.residentNodes
    insert(
      trie,
      leavesBetween(0, 500).map((leaf) => ({ ...leaf, weight: 5n }))
    )
    insert(trie, leavesBetween(500, 1000))
    assert.strictEqual(trie.residentNodes, before)
  })
})

describe("Trie with a store", () => {
  it("keeps only reachable nodes when leaves are updated back and forth and deleted in one commit", () => {
    for (const seed of [1, 2, 3, 4]) {
      const next = seededNumbers(seed)
      const trie = Trie.empty()
      const store = new NodeStore()
      const model = new Map<number, bigint>()
      for (let commit = 0; commit < 25; commit++) {
        for (let step = next(12); step >= 0; step--) {
          const index = next(20)
          const leaf = aLeaf(index)
          if (next(4) === 0) {
            assert.strictEqual(Result.isSuccess(trie.delete(leaf.key)), model.delete(index))
          } else {
            const weight = BigInt(next(3) + 1)
            Result.getOrThrow(trie.update(leaf.key, leaf.value, weight))
            model.set(index, weight)
          }
        }
        store.apply(trie.commit())
        assert.isTrue(trie.isStored)
        assert.strictEqual(trie.count, BigInt(model.size))
        assert.strictEqual(
          trie.sum,
          [...model.values()].reduce((a, b) => a + b, 0n)
        )
        storeHoldsExactly(trie.root(), store)
      }
    }
  })

  it("does not delete a handed out leaf that was replaced and came back before the checkpoint", () => {
    const trie = Trie.empty()
    const store = new NodeStore()
    store.write(insert(trie, leavesBetween(0, 10)).writes)
    store.apply(trie.commit())
    const other = { ...aLeaf(4), weight: 1000n }
    for (const leaf of [other, aLeaf(4), other, aLeaf(4)]) store.write(insert(trie, [leaf]).writes)
    store.apply(trie.commit())
    assert.strictEqual(toHex(trie.root()), rootOf(leavesBetween(0, 10)))
    storeHoldsExactly(trie.root(), store)
  })

  it("loaded lazily equals the one in memory, level by level and without effect until resolved", () => {
    const store = new NodeStore()
    const warm = Trie.empty()
    store.write(insert(warm, leavesBetween(0, 600)).writes)
    store.apply(warm.commit())
    const cold = Trie.open(warm.root())
    const more = leavesBetween(590, 640)
    const refused = cold.insertBatch(more)
    assert.isTrue(Result.isFailure(refused) && refused.failure instanceof UnresolvedNode)
    assert.strictEqual(toHex(cold.root()), toHex(warm.root()))
    assert.strictEqual(cold.count, 600n)
    assert.isAtMost(store.prefetch(cold, pathsOf(more)), 20)
    assert.isBelow(cold.residentNodes, 800)
    assert.deepStrictEqual(insert(cold, more).outcomes, insert(warm, more).outcomes)
    assert.strictEqual(toHex(cold.root()), toHex(warm.root()))
    assert.deepStrictEqual(cold.unresolved(pathsOf(more)), [])
    for (const path of pathsOf(more)) assert.deepStrictEqual(cold.has(path), Result.succeed(true))
    const absent = pathsOf([aLeaf(5000)])[0]!
    assert.isFalse(Result.getOrThrow(warm.has(absent)))
  })

  it("refuses every operation on a node that is not loaded and stays as it is", () => {
    const store = new NodeStore()
    const warm = Trie.empty()
    for (const leaf of leavesBetween(0, 50)) Result.getOrThrow(warm.update(leaf.key, leaf.value, leaf.weight))
    store.apply(warm.commit())
    const cold = Trie.open(warm.root())
    const { key, value } = aLeaf(7)
    const operations = [
      () => cold.update(key, value, 1n),
      () => cold.delete(key),
      () => cold.has(pathOf(key, sha256)),
      () => cold.insertBatch(leavesBetween(60, 70))
    ]
    for (const operation of operations) {
      const result: Result.Result<unknown, unknown> = operation()
      assert.isTrue(Result.isFailure(result) && result.failure instanceof UnresolvedNode)
    }
    assert.deepStrictEqual(cold.commit(), { writes: [], deletes: [] })
    // Everything down to the leaf is loaded, but its neighbour is not: deleting must still not begin.
    store.prefetch(cold, pathsOf([aLeaf(7)]))
    const result = cold.delete(key)
    if (Result.isFailure(result)) {
      assert.instanceOf(result.failure, UnresolvedNode)
      assert.strictEqual(toHex(cold.root()), toHex(warm.root()))
    }
    Result.getOrThrow(store.resolving(cold, () => cold.delete(key)))
    Result.getOrThrow(warm.delete(key))
    assert.strictEqual(toHex(cold.root()), toHex(warm.root()))
  })

  it("is restored from the last checkpoint and the leaves stored since", () => {
    const store = new NodeStore()
    const trie = Trie.empty()
    store.write(insert(trie, leavesBetween(0, 300)).writes)
    store.apply(trie.commit())
    const checkpoint = trie.root()
    const tail: Array<Uint8Array> = []
    for (let from = 300; from < 400; from += 20) {
      const { writes } = insert(trie, [...leavesBetween(from, from + 20), aLeaf(from - 100)])
      store.write(writes)
      tail.push(...writes.map(({ digest }) => digest))
    }
    assert.strictEqual(tail.length, 100)
    const reopened = Trie.open(checkpoint)
    const encodings = tail.map((digest) => store.read(digest)!)
    store.prefetch(
      reopened,
      encodings.map((encoding) => encoding.slice(1, 33))
    )
    const restored = Result.getOrThrow(reopened.insertEncodedLeaves(encodings))
    assert.deepStrictEqual(restored.writes.map(({ digest }) => toHex(digest)).sort(), tail.map(toHex).sort())
    assert.strictEqual(toHex(reopened.root()), toHex(trie.root()))
    assert.strictEqual(reopened.sum, trie.sum)
    store.apply(reopened.commit())
    storeHoldsExactly(trie.root(), store)
  })

  it("is rebuilt from its leaves alone", () => {
    const store = new NodeStore()
    const trie = Trie.empty()
    store.write(insert(trie, leavesBetween(0, 120)).writes)
    const rebuilt = Trie.empty()
    for (const encoding of shuffled([...store.nodes.values()], 3)) {
      assert.deepStrictEqual(rebuilt.insertEncodedLeaf(encoding), Result.succeed("added" as const))
    }
    assert.strictEqual(toHex(rebuilt.root()), toHex(trie.root()))
    for (const notLeaf of [new Uint8Array(0), Uint8Array.of(0), new Uint8Array(113).fill(1), new Uint8Array(48)]) {
      const result = rebuilt.insertEncodedLeaf(notLeaf)
      assert.isTrue(Result.isFailure(result) && result.failure instanceof CorruptNode)
    }
  })

  it("writes the same nodes after a reopening as without one", () => {
    const continuous = Trie.empty()
    const stores = [new NodeStore(), new NodeStore()] as const
    let root = continuous.root()
    for (let from = 0; from < 200; from += 10) {
      const leaves = leavesBetween(from, from + 10)
      stores[0].write(insert(continuous, leaves).writes)
      stores[0].apply(continuous.commit())
      const reopened = Trie.open(root)
      stores[1].prefetch(reopened, pathsOf(leaves))
      stores[1].write(insert(reopened, leaves).writes)
      stores[1].apply(reopened.commit())
      root = reopened.root()
      assert.deepStrictEqual(new Map(stores[1].nodes), new Map(stores[0].nodes))
    }
  })

  it("takes no damaged node", () => {
    const store = new NodeStore()
    const trie = Trie.empty()
    store.write(insert(trie, leavesBetween(0, 40)).writes)
    store.apply(trie.commit())
    const path = pathsOf([aLeaf(3)])
    const opened = Trie.open(trie.root())
    for (;;) {
      const digests = opened.unresolved(path)
      if (digests.length === 0) break
      for (const digest of digests) {
        const encoding = store.read(digest)!
        // Path bits of an extension outside its levels are not part of its digest.
        const isCovered = (at: number) => encoding[0] !== 2 || at < 3 || at >= 35
        const places = Array.from({ length: encoding.length }, (_, at) => at)
        const damaged = [
          ...places.filter(isCovered).map((at) => encoding.map((byte, i) => (i === at ? byte ^ 1 : byte))),
          ...places.map((size) => encoding.slice(0, size)),
          new Uint8Array([...encoding, 0])
        ]
        for (const bytes of damaged) {
          const result = opened.resolve(digest, bytes)
          assert.isTrue(Result.isFailure(result) && result.failure instanceof CorruptNode)
        }
        Result.getOrThrow(opened.resolve(digest, encoding))
        assert.deepStrictEqual(opened.resolve(digest, Uint8Array.of(9)), Result.void)
      }
    }
  })
})

describe("closest proofs", () => {
  it("refuse a path of another size, an unknown node and a damaged one", () => {
    const store = new NodeStore()
    const trie = Trie.empty()
    store.write(insert(trie, leavesBetween(0, 40)).writes)
    store.apply(trie.commit())
    const path = sha256(Uint8Array.of(1))
    const failure = (result: Result.Result<unknown, { readonly message: string }>) =>
      Result.isFailure(result) ? result.failure.message : "success"
    assert.strictEqual(
      failure(proveClosest(trie, path.slice(1), store.read)),
      "invalid path does not match path hasher size"
    )
    const unknown = proveClosest(trie, path, () => undefined)
    assert.isTrue(Result.isFailure(unknown) && unknown.failure._tag === "ProofUnavailable")
    const [leaf] = Result.getOrThrow(proofNeeds(trie, path, () => undefined))
    const damaged = proveClosest(trie, path, (digest) =>
      toHex(digest) === toHex(leaf!)
        ? store.read(digest)!.map((byte, i) => (i === 40 ? byte ^ 1 : byte))
        : store.read(digest)
    )
    assert.isTrue(Result.isFailure(damaged) && damaged.failure instanceof CorruptNode)
  })

  it("verify over the one-armed nodes that deletions leave", () => {
    const base = new Uint8Array(32)
    const right = new Uint8Array(32).fill(255)
    const near = (shared: number) => aNeighbour(base, shared, shared)
    let oneArmed = 0
    for (let seed = 1; seed < 100; seed++) {
      const next = seededNumbers(seed)
      // Keys of 32 bytes are their own paths here.
      const trie = Trie.empty((bytes) => (bytes.length === 32 ? bytes : sha256(bytes)))
      const leaves = shuffled([near(1), near(2), near(3), near(4), { ...near(0), path: right, key: right }], seed)
      for (const { key, value } of leaves) Result.getOrThrow(trie.update(key, value, 1n))
      for (const { key } of shuffled(leaves, seed + 1).slice(0, 1 + next(4))) Result.getOrThrow(trie.delete(key))
      const store = new NodeStore()
      store.apply(trie.commit())
      for (const encoding of store.nodes.values()) {
        if (encoding[0] === 1 && encoding.slice(49, 97).every((byte) => byte === 0)) oneArmed++
      }
      const proof = Result.getOrThrow(proveClosest(trie, base, store.read))
      assert.deepStrictEqual(verify(compact(proof), trie.root()), Result.succeed(true))
    }
    assert.isAbove(oneArmed, 0)
  })

  it("refuse a store in which the way ends at an inner node without children", () => {
    const encoding = new Uint8Array(113)
    encoding[0] = 1
    const digest = new Uint8Array(48)
    digest.set(sha256(encoding))
    const store = new NodeStore()
    store.write([{ digest, encoding }])
    const result = proveClosest(Trie.open(digest), sha256(digest), store.read)
    assert.isTrue(Result.isFailure(result) && result.failure._tag === "ProofUnavailable")
    const trie = Trie.open(digest)
    store.prefetch(trie, pathsOf([aLeaf(1)]))
    insert(trie, [aLeaf(1), aLeaf(2)])
    assert.strictEqual(trie.count, 2n)
  })
})
