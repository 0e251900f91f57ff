/**
 * Speed and memory of the trie: batches of 500 leaves of 1 KB into sessions of 1 000, 10 000 and 100 000, against the
 * bare hashing of the same bytes with the same function. CPU time of the process, medians.
 *
 * Run alone: `node --expose-gc test/bench/TrieBench.ts`. Node 24.21 on two shared cores, 1 000 / 10 000 / 100 000 leaves:
 * insertAndCommit 8 / 10 / 15 µs with Node's hash (1.5–1.7 / 1.6–1.9 / 1.8–2.2 times bare hashing), 15 / 17 / 23 µs with
 * the pure one (1.3 / 1.3 / 1.4 times); everyNode 14 / 18 / 29 µs; proof 20 µs; 200 bytes of node memory a leaf.
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
const ROUNDS = 25

/** Figures for one hash function and session size. CPU microseconds for one leaf unless the name says otherwise. */
export interface TrieFigures {
  readonly leaves: number
  /** A commit of the miner: insert, all digests, the new leaves to a map; inner nodes wait for a checkpoint. */
  readonly insertAndCommit: number
  /** Bare hashing of what that hashed. */
  readonly bareHashing: number
  /** First divided by second, round by round; the goal is at most 1.6. */
  readonly ratio: number
  /** Inner hashes for one leaf. */
  readonly innerHashes: number
  /** The same with every new node to the map and every orphan out of it. */
  readonly everyNode: number
  /** That divided by bare hashing, round by round. */
  readonly everyNodeRatio: number
  /** Without map and inner digests: path, leaf and place in the trie. */
  readonly insertOnly: number
  /** Closest proof of a session of this size in memory, leaf and neighbour read from a map; microseconds. */
  readonly proof: number
  /** Proof divided by the insertion of one leaf; the goal is at most 40. */
  readonly proofRatio: number
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

/** A session of this many leaves, all in the store. */
const makeSession = (leaves: number, sha256: Sha256) => {
  const trie = Trie.empty(sha256)
  const store = new MapStore()
  for (let from = 0; from < leaves; from += BATCH) insertLeaves(trie, store, makeLeaves(from, BATCH))
  store.write(trie.commit().writes)
  return { trie, store }
}

/** Figures for one session size. `wanted` counts the leaves before the measured batches. */
const measure = (wanted: number, sha256: Sha256): TrieFigures => {
  const heapBytes = memoryOfLeaves(wanted, sha256)
  let hashes = 0
  const counting: Sha256 = (bytes) => {
    hashes++
    return sha256(bytes)
  }
  const checkpointed = makeSession(wanted, counting)
  const written = makeSession(wanted, counting)
  const insertOnly: Array<number> = []
  const leavesAtOnce: Array<number> = []
  const everyNode: Array<number> = []
  const bare: Array<number> = []
  const inner = new Uint8Array(113)
  let innerHashes = 0
  for (let round = 0; round < ROUNDS; round++) {
    const leaves = makeLeaves(wanted + round * BATCH, BATCH)
    hashes = 0
    const begun = cpuMicros()
    const { writes } = Result.getOrThrow(checkpointed.trie.insertBatch(leaves))
    const inserted = cpuMicros()
    checkpointed.trie.root()
    checkpointed.store.write(writes)
    leavesAtOnce.push(cpuMicros() - begun)
    insertOnly.push(inserted - begun)
    const innerOfRound = hashes - 2 * BATCH
    innerHashes += innerOfRound

    const everyNodeBegun = cpuMicros()
    insertAndCommit(written.trie, written.store, leaves)
    everyNode.push(cpuMicros() - everyNodeBegun)

    const encodings = leaves.map((leaf) => encodeLeaf(leaf.key, leaf.value, leaf.weight))
    const bareBegun = cpuMicros()
    for (const leaf of leaves) counting(leaf.key)
    for (const encoding of encodings) counting(encoding)
    for (let i = 0; i < innerOfRound; i++) counting(inner)
    bare.push(cpuMicros() - bareBegun)
  }
  const { store, trie } = written
  const proofs: Array<number> = []
  for (const { key } of makeLeaves(-200, 100)) {
    const begun = cpuMicros()
    for (let repeat = 0; repeat < 5; repeat++) {
      Result.getOrThrow(proofNeeds(trie, key, store.read))
      Result.getOrThrow(proveClosest(trie, key, store.read))
    }
    proofs.push((cpuMicros() - begun) / 5)
  }
  const insertCost = median(leavesAtOnce) / BATCH
  const everyNodeCost = median(everyNode) / BATCH
  const bareCost = median(bare) / BATCH
  const proof = median(proofs)
  return {
    leaves: wanted,
    insertAndCommit: insertCost,
    bareHashing: bareCost,
    ratio: median(leavesAtOnce.map((cost, round) => cost / (bare[round] ?? 1))),
    innerHashes: innerHashes / ROUNDS / BATCH,
    everyNode: everyNodeCost,
    everyNodeRatio: median(everyNode.map((cost, round) => cost / (bare[round] ?? 1))),
    insertOnly: median(insertOnly) / BATCH,
    proof,
    proofRatio: proof / insertCost,
    nodeBytes: trie.residentBytes / Number(trie.count),
    heapBytes
  }
}

/** Memory that a trie of this many leaves keeps when its leaves have been handed out. */
const memoryOfLeaves = (leaves: number, sha256: Sha256): number => {
  const collect = (globalThis as { readonly gc?: () => void }).gc // Present with --expose-gc only.
  if (collect === undefined) return 0
  const used = () => {
    collect()
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
  // Compiled code first: the miner is a long-running process.
  measure(20_000, nodeSha256)
  return {
    node: sizes.map((leaves) => measure(leaves, nodeSha256)),
    noble: sizes.map((leaves) => measure(leaves, nobleSha256))
  }
}

if (process.argv[1] === import.meta.filename) {
  const { node, noble } = benchTrie()
  const rounded = (figures: TrieFigures) =>
    Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, Math.round(value * 100) / 100]))
  const rows = { node, noble }
  for (const [name, figures] of Object.entries(rows))
    console.table(figures.map((row) => ({ hash: name, ...rounded(row) })))
}
