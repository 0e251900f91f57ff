/** Digests and encodings of the nodes of a trie, computed when they are asked for, in slices if they are many. */
import type { Sha256 } from "../crypto/Sha256.ts"
import type { EncodingPool } from "./EncodingPool.ts"
import { InnerHash } from "./InnerHash.ts"
import { INNER, type NodeArena } from "./NodeArena.ts"
import { EXTENSION_SIZE, INNER_SIZE } from "./TrieSpec.ts"

/** Nodes that are listed before they are hashed; what they need stays in a processor's first cache. */
const DIGESTED_AT_ONCE = 64

/** Hashes the nodes of one trie. */
export class TrieDigests {
  readonly #arena: NodeArena
  readonly #hash: InnerHash
  /** Work list of `compute`. */
  readonly #undigested = new Uint32Array(DIGESTED_AT_ONCE)

  constructor(arena: NodeArena, sha256: Sha256) {
    this.#arena = arena
    this.#hash = new InnerHash(sha256)
  }

  /** Computes the digest of a node, children first, with about `budget` hashes. Returns whether it is known now. */
  compute(node: number, budget = Number.POSITIVE_INFINITY): boolean {
    const arena = this.#arena
    const slots = this.#undigested
    for (let left = budget; !arena.hasDigest(node) && left > 0;) {
      const limit = Math.min(left, slots.length)
      const count = this.#listUndigested(node, 0, limit)
      left -= arena.hashNodes(this.#hash, slots, count, left)
    }
    return arena.hasDigest(node)
  }

  /** Encoding of an inner node or extension whose digests are known. */
  encode(node: number, pool: EncodingPool): Uint8Array {
    const arena = this.#arena
    if (arena.kind(node) === INNER) {
      const encoding = pool.take(INNER_SIZE)
      arena.loadChildren(this.#hash, node)
      this.#hash.encode(encoding)
      return encoding
    }
    const encoding = pool.take(EXTENSION_SIZE)
    arena.writeExtension(encoding, node)
    return encoding
  }

  /** Lists nodes without digest from position `count` on, children first, up to `limit`; returns their number. */
  #listUndigested(node: number, count: number, limit: number): number {
    const arena = this.#arena
    if (arena.hasDigest(node)) return count
    let listed = count
    if (arena.kind(node) === INNER) {
      listed = this.#listUndigested(arena.child(node, 0), listed, limit)
      if (listed < limit) listed = this.#listUndigested(arena.child(node, 1), listed, limit)
    } else {
      listed = this.#listUndigested(arena.link(node), listed, limit)
    }
    if (listed < limit) this.#undigested[listed++] = node
    return listed
  }
}
