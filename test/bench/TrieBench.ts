/**
 * Speed and memory of the trie: leaves of 1 KB, in batches of 500 and one by one, into sessions of 1 000, 10 000 and
 * 100 000, against the bare hashing of the same bytes with the same function.
 *
 * Run alone: `node --expose-gc test/bench/TrieBench.ts [--quick]`. Node 24.21 on two shared cores, 1 000 / 10 000 /
 * 100 000 leaves. A leaf of a batch: with the pure hash 11 / 15 / 21 µs (1.2 / 1.2 / 1.35 times bare hashing; where memory
 * is slower 14 / 19 / 30, up to 1.6 times), with Node's 4.2 / 5.7 / 9.6 µs (1.9 / 1.9 / 2.4 times). Every node stored:
 * 13 / 20 / 32 µs and 6 / 11 / 22 µs. About 200 bytes of node memory a leaf.
 *
 * Above 1.6 is what Node's hash leaves: 2.1 / 3.1 / 4.1 µs of bare hashing and, by a run with a hash that costs nothing,
 * µs a leaf: its encoding in fresh memory 0.4; order, slot and digest 0.4; place in the trie 0.25 / 0.5 / 1.1; inner
 * encodings, digests and the way to them 0.3 / 0.7 / 1.7; map entry 0.3 / 0.5 / 0.9. The rest, 0.4 to 1, is garbage
 * collection and caches that are cold after each call out of compiled code. What grows with the leaves waits for memory.
 */
import { nodeSha256 } from "../../adapters/crypto/NodeSha256.ts"
import { type Sha256, sha256 as nobleSha256 } from "../../domain/crypto/Sha256.ts"
import { type BatchLeaf, Trie } from "../../domain/smst/Trie.ts"
import { encodeLeaf } from "../../domain/smst/TrieSpec.ts"
import {
  type BenchLength,
  collectGarbage,
  cpuMicros,
  lengthFromArguments,
  median,
  medianRatio,
  print
} from "./Harness.ts"
import { BATCH, commitEveryNode, commitLeaves, makeLeaves, makeSession, type TrieSession } from "./TrieSession.ts"

/** Leaves put in one by one each round. */
const SINGLES = 50
/** Rounds of a full run for each of the harness's: a round is short. */
const ROUNDS_FACTOR = 3
/** Leaves whose memory is measured, at least: of small sessions several. */
const MEASURED_LEAVES = 20_000

/** Figures for one hash function and session size. CPU microseconds for one leaf unless the name says otherwise. */
export interface TrieFigures {
  readonly leaves: number
  /** A commit of the miner: insert, all digests, the new leaves to the store; inner nodes wait for a checkpoint. */
  readonly batch: number
  /** Bare hashing of what that hashed. */
  readonly bareHashing: number
  /** The first by the second, of the same rounds. */
  readonly batchByBare: number
  /** Inner hashes for one leaf of a batch. */
  readonly innerHashes: number
  /** The same with every new node to the store and every orphan out of it. */
  readonly everyNode: number
  readonly everyNodeByBare: number
  /** A commit for each leaf. */
  readonly oneByOne: number
  readonly oneByOneByBare: number
  /** Bytes of node memory for one leaf. */
  readonly nodeBytes: number
  /** Growth of heap and array buffers for one leaf, without the store; 0 if the garbage collector is not exposed. */
  readonly heapBytes: number
}

/** Session sizes, ten-fold each. */
export const SIZES = [1000, 10_000, 100_000] as const

/** Figures at each size. About 10 s with Node's hash in full length. */
export const benchTrie = (sha256: Sha256, length: BenchLength): ReadonlyArray<TrieFigures> => {
  // Compiled code first: the miner is a long-running process.
  measure(10_000, sha256, length)
  return SIZES.map((leaves) => measure(leaves, sha256, length))
}

/** `leaves` counts those before the measured ones. One session at a time: a second one in memory would slow the first. */
const measure = (leaves: number, sha256: Sha256, length: BenchLength): TrieFigures => {
  const heapBytes = heapOfLeaves(leaves, sha256)
  const batches = measureCommits(leaves, sha256, length, BATCH, commitLeaves)
  const everyNode = measureCommits(leaves, sha256, length, BATCH, commitEveryNode)
  const singles = measureCommits(leaves, sha256, length, SINGLES, (session, each) => {
    for (const leaf of each) commitLeaves(session, [leaf])
  })
  return {
    leaves,
    batch: median(batches.commit),
    bareHashing: median(batches.bare),
    batchByBare: medianRatio(batches.commit, batches.bare),
    innerHashes: batches.innerHashes,
    everyNode: median(everyNode.commit),
    everyNodeByBare: medianRatio(everyNode.commit, everyNode.bare),
    oneByOne: median(singles.commit),
    oneByOneByBare: medianRatio(singles.commit, singles.bare),
    nodeBytes: batches.nodeBytes,
    heapBytes
  }
}

/** Commits of `count` leaves each into a session of `leaves`, and after each the bare hashing of what it hashed. */
const measureCommits = (
  leaves: number,
  sha256: Sha256,
  { rounds }: BenchLength,
  count: number,
  commitAll: (session: TrieSession, leaves: ReadonlyArray<BatchLeaf>) => void
) => {
  let hashes = 0
  const counting: Sha256 = (bytes) => {
    hashes++
    return sha256(bytes)
  }
  let session = makeSession(leaves, counting)
  const commit: Array<number> = []
  const bare: Array<number> = []
  let innerHashes = 0
  const timed = (work: () => void, into: Array<number>): void => {
    const begun = cpuMicros()
    work()
    into.push((cpuMicros() - begun) / count)
  }
  for (let round = 0; round < rounds * ROUNDS_FACTOR; round++) {
    // Grown by half, a session is no longer of the size that the figures are for.
    if (Number(session.trie.count) >= leaves * 1.5) session = makeSession(leaves, counting)
    const batch = makeLeaves(leaves + round * count, count)
    hashes = 0
    timed(() => commitAll(session, batch), commit)
    const innerOfRound = hashes - 2 * count
    innerHashes += innerOfRound / count
    timed(bareHashing(batch, innerOfRound, counting), bare)
  }
  const { count: inserted, residentBytes } = session.trie
  return { commit, bare, innerHashes: innerHashes / commit.length, nodeBytes: residentBytes / Number(inserted) }
}

/** Hashes path and encoding of each leaf and so many inner nodes; the bytes are made before. */
const bareHashing = (leaves: ReadonlyArray<BatchLeaf>, innerHashes: number, sha256: Sha256): (() => void) => {
  const encodings = leaves.map((leaf) => encodeLeaf(leaf.key, leaf.value, leaf.weight))
  const inner = new Uint8Array(113)
  return () => {
    for (const leaf of leaves) sha256(leaf.key)
    for (const encoding of encodings) sha256(encoding)
    for (let i = 0; i < innerHashes; i++) sha256(inner)
  }
}

/** Memory that a trie of this many leaves keeps when its leaves have been handed out. */
const heapOfLeaves = (leaves: number, sha256: Sha256): number => {
  if (!collectGarbage()) return 0
  const used = () => {
    collectGarbage()
    const { arrayBuffers, heapUsed } = process.memoryUsage()
    return arrayBuffers + heapUsed
  }
  const before = used()
  const tries = Array.from({ length: Math.ceil(MEASURED_LEAVES / leaves) }, () => {
    const trie = Trie.empty(sha256)
    for (let from = 0; from < leaves; from += BATCH) trie.insertBatch(makeLeaves(from, BATCH))
    return trie
  })
  return (used() - before) / tries.reduce((total, trie) => total + Number(trie.count), 0)
}

if (process.argv[1] === import.meta.filename) {
  const length = lengthFromArguments()
  print({ node: benchTrie(nodeSha256, length), noble: benchTrie(nobleSha256, length) })
}
