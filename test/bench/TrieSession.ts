/** Sessions for the trie's benchmarks: a trie of leaves of 1 KB, and a map that stands for the memory store. */
import { createHash } from "node:crypto"
import { Result } from "effect"
import type { Sha256 } from "../../domain/crypto/Sha256.ts"
import { type BatchLeaf, type NodeWrite, Trie } from "../../domain/smst/Trie.ts"

/** Leaves of one batch. */
export const BATCH = 500
/** Bytes of one leaf value. */
const VALUE_SIZE = 1024

/** Deterministic leaves; values are made here so that no later measurement pays for them. */
export const makeLeaves = (from: number, count: number): Array<BatchLeaf> =>
  Array.from({ length: count }, (_, index) => {
    const value = new Uint8Array(VALUE_SIZE)
    const key = createHash("sha256")
      .update(`leaf ${from + index}`)
      .digest()
    value.set(key)
    return { key, value, weight: 1000n }
  })

/** Encodings by digest. */
export class MapStore {
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

/** A trie and the store behind it. */
export interface TrieSession {
  readonly trie: Trie
  readonly store: MapStore
}

/** The miner's commit: the new leaves go to the store, every digest is known, inner nodes wait for a checkpoint. */
export const commitLeaves = ({ store, trie }: TrieSession, leaves: ReadonlyArray<BatchLeaf>): void => {
  const { writes } = Result.getOrThrow(trie.insertBatch(leaves))
  trie.root()
  store.write(writes)
}

/** A commit with every new node to the store and every orphan out of it. */
export const commitEveryNode = ({ store, trie }: TrieSession, leaves: ReadonlyArray<BatchLeaf>): void => {
  store.write(Result.getOrThrow(trie.insertBatch(leaves)).writes)
  const { deletes, writes } = trie.commit()
  store.write(writes)
  store.remove(deletes)
}

/** A session of so many leaves, all nodes in the store. */
export const makeSession = (leaves: number, sha256: Sha256): TrieSession => {
  const session = { trie: Trie.empty(sha256), store: new MapStore() }
  for (let from = 0; from < leaves; from += BATCH) commitLeaves(session, makeLeaves(from, BATCH))
  session.store.write(session.trie.commit().writes)
  return session
}
