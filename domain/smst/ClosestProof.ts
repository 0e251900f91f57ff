/**
 * Proof of the leaf closest to a path, read from a trie whose nodes and values may still be in a store.
 * Source: smt v0.14.1 `smt.go`, ProveClosest.
 */
import { type Result, Schema } from "effect"
import type { ClosestProof } from "./CompactProof.ts"
import type { Trie } from "./Trie.ts"
import type { CorruptNode } from "./TrieNode.ts"

/** Answers with the encoding stored under a 48-byte digest, or undefined if it has not been read. */
export type ReadNode = (digest: Uint8Array) => Uint8Array | undefined

/** A proof cannot be made from what is at hand. */
export class ProofUnavailable extends Schema.TaggedError<ProofUnavailable>()("ProofUnavailable", {
  /**
   * `path_size`: the path is not 32 bytes. `node_missing`: `readNode` lacks a node that `proofNeeds` names.
   * `no_leaf`: deletions left one-armed nodes that lead to no leaf.
   */
  reason: Schema.Literals(["path_size", "node_missing", "no_leaf"])
}) {
  override get message(): string {
    return `no closest proof: ${this.reason}`
  }
}

/**
 * Digests of the nodes that proving `path` still needs and `readNode` does not know. Read them, make `readNode` know
 * them and repeat until it is empty; then `proveClosest` succeeds. At most one digest for each level and call.
 */
export declare const proofNeeds: (
  trie: Trie,
  path: Uint8Array,
  readNode: ReadNode
) => Result.Result<ReadonlyArray<Uint8Array>, ProofUnavailable | CorruptNode>

/** Proves the leaf closest to `path` (32 bytes) under the present root. */
export declare const proveClosest: (
  trie: Trie,
  path: Uint8Array,
  readNode: ReadNode
) => Result.Result<ClosestProof, ProofUnavailable | CorruptNode>
