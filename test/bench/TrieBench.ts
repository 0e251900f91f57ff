/**
 * Speed and memory of the trie: batches of 500 leaves of 1 KB into sessions of 1 000, 10 000 and 100 000, against the
 * bare hashing of the same bytes with the same function. CPU time of the process, medians.
 *
 * Run alone: `node --expose-gc test/bench/TrieBench.ts`.
 */
import { createHash } from "node:crypto"
import { Result } from "effect"
import { nodeSha256 } from "../../adapters/crypto/NodeSha256.ts"
import { type Sha256, sha256 as nobleSha256 } from "../../domain/crypto/Sha256.ts"
import { proofNeeds, proveClosest } from "../../domain/smst/ClosestProof.ts"
import { type BatchLeaf, type NodeWrite, Trie } from "../../domain/smst/Trie.ts"
import { encodeLeaf } from "../../domain/smst/TrieSpec.ts"

/** Leaves of one batch. */
const BATCH = 500
/** Bytes of one leaf value. */
const VALUE_SIZE = 1024
/** Batches measured at each size. */
const ROUNDS = 9

/** Figures for one hash function and session size. CPU microseconds for one leaf unless the name says otherwise. */
export interface TrieFigures {
  readonly leaves: number
  /** Insert, all digests, every new node to a map. */
  readonly insertAndCommit: number
  /** Bare hashing of what that hashed. */
  readonly bareHashing: number
  /** First divided by second; the goal is at most 1.6. */
  readonly ratio: number
  /** Inner hashes for one leaf. */
  readonly innerHashes: number
  /** Insert and only the leaves to a map, digests left for a checkpoint. */
  readonly insertLeavesOnly: number
  /** Bare hashing of paths and leaves. */
  readonly bareLeafHashing: number
  /** Closest proof of a session of this size in memory, leaf and neighbour read from a map; microseconds. */
  readonly proof: number
  /** Bytes of node memory for one leaf. */
  readonly nodeBytes: number
  /** Growth of heap and array buffers for one leaf, without the store; 0 if the garbage collector is not exposed. */
  readonly heapBytes: number
}

const cpuMicros = (): number => {
  const { user, system } = process.cpuUsage()
  return user + system
}

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

/** Deterministic leaves; values are made here so that no later measurement pays for them. */
const makeLeaves = (from: number, count: number): Array<BatchLeaf> =>
  Array.from({ length: count }, (_, index) => {
    const value = new Uint8Array(VALUE_SIZE)
    const key = createHash("sha256")
      .update(`leaf ${from + index}`)
      .digest()
    value.set(key)
    return { key, value, weight: 1000n }
  })

class MapStore {
  readonly nodes = new Map<string, Uint8Array>()

  readonly read = (digest: Uint8Array): Uint8Array | undefined => this.nodes.get(this.#key(digest))

  write(writes: ReadonlyArray<NodeWrite>): void {
    for (const { digest, encoding } of writes) this.nodes.set(this.#key(digest), encoding)
  }

  remove(digests: ReadonlyArray<Uint8Array>): void {
    for (const digest of digests) this.nodes.delete(this.#key(digest))
  }

  #key(digest: Uint8Array): string {
    return Buffer.from(digest.buffer, digest.byteOffset, digest.length).toString("latin1")
  }
}

const insertLeaves = (trie: Trie, store: MapStore, leaves: ReadonlyArray<BatchLeaf>): void =>
  store.write(Result.getOrThrow(trie.insertBatch(leaves)).writes)

const insertAndCommit = (trie: Trie, store: MapStore, leaves: ReadonlyArray<BatchLeaf>): void => {
  insertLeaves(trie, store, leaves)
  const { deletes, writes } = trie.commit()
  store.write(writes)
  store.remove(deletes)
}

/** Figures for one session size. `wanted` counts the leaves before the measured batches. */
const measure = (wanted: number, sha256: Sha256): TrieFigures => {
  let hashes = 0
  const counting: Sha256 = (bytes) => {
    hashes++
    return sha256(bytes)
  }
  const trie = Trie.empty(counting)
  const store = new MapStore()
  for (let from = 0; from < wanted; from += BATCH) insertAndCommit(trie, store, makeLeaves(from, BATCH))
  const everyNode: Array<number> = []
  const bare: Array<number> = []
  const leavesOnly: Array<number> = []
  const bareLeaves: Array<number> = []
  let innerHashes = 0
  const inner = new Uint8Array(113)
  let next = wanted
  for (let round = 0; round < ROUNDS; round++) {
    const leaves = makeLeaves(next, BATCH)
    next += BATCH
    hashes = 0
    const begun = cpuMicros()
    insertAndCommit(trie, store, leaves)
    everyNode.push(cpuMicros() - begun)
    const innerOfRound = hashes - 2 * BATCH
    innerHashes += innerOfRound
    const encodings = leaves.map((leaf) => encodeLeaf(leaf.key, leaf.value, leaf.weight))
    const bareBegun = cpuMicros()
    for (const leaf of leaves) counting(leaf.key)
    for (const encoding of encodings) counting(encoding)
    const leavesHashed = cpuMicros()
    for (let i = 0; i < innerOfRound; i++) counting(inner)
    bare.push(cpuMicros() - bareBegun)
    bareLeaves.push(leavesHashed - bareBegun)
  }
  const proofs: Array<number> = []
  for (const { key } of makeLeaves(next, 50)) {
    const begun = cpuMicros()
    for (let repeat = 0; repeat < 10; repeat++) {
      Result.getOrThrow(proofNeeds(trie, key, store.read))
      Result.getOrThrow(proveClosest(trie, key, store.read))
    }
    proofs.push((cpuMicros() - begun) / 10)
  }
  for (let round = 0; round < ROUNDS; round++) {
    const leaves = makeLeaves(next, BATCH)
    next += BATCH
    const begun = cpuMicros()
    insertLeaves(trie, store, leaves)
    leavesOnly.push(cpuMicros() - begun)
  }
  const insertCost = median(everyNode) / BATCH
  const bareCost = median(bare) / BATCH
  return {
    leaves: wanted,
    insertAndCommit: insertCost,
    bareHashing: bareCost,
    ratio: insertCost / bareCost,
    innerHashes: innerHashes / ROUNDS / BATCH,
    insertLeavesOnly: median(leavesOnly) / BATCH,
    bareLeafHashing: median(bareLeaves) / BATCH,
    proof: median(proofs),
    nodeBytes: trie.residentBytes / Number(trie.count),
    heapBytes: memoryOfLeaves(wanted, sha256)
  }
}

/** Memory that a trie of this many leaves keeps when its leaves have been handed out. */
const memoryOfLeaves = (leaves: number, sha256: Sha256): number => {
  const collect = (globalThis as { readonly gc?: () => void }).gc // Present with --expose-gc only.
  if (collect === undefined) return 0
  const used = () => {
    collect()
    const { arrayBuffers, heapUsed } = process.memoryUsage()
    return arrayBuffers + heapUsed
  }
  const before = used()
  const trie = Trie.empty(sha256)
  for (let from = 0; from < leaves; from += BATCH) trie.insertBatch(makeLeaves(from, BATCH))
  const after = used()
  return (after - before) / Number(trie.count)
}

/** Measures with Node's hash and with the pure one, each at three session sizes. About 20 s. */
export const benchTrie = (): { readonly node: Array<TrieFigures>; readonly noble: Array<TrieFigures> } => {
  const sizes = [1000, 10_000, 100_000]
  measure(1000, nodeSha256)
  return {
    node: sizes.map((leaves) => measure(leaves, nodeSha256)),
    noble: sizes.map((leaves) => measure(leaves, nobleSha256))
  }
}

if (process.argv[1] === import.meta.filename) {
  const { node, noble } = benchTrie()
  const rounded = (figures: TrieFigures) =>
    Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, Math.round(value * 100) / 100]))
  console.table({ node: undefined, ...Object.fromEntries(node.map((row) => [`node ${row.leaves}`, rounded(row)])) })
  console.table(Object.fromEntries(noble.map((row) => [`noble ${row.leaves}`, rounded(row)])))
}
