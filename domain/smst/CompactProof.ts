/**
 * Closest proofs and their compact form, which goes to the chain: empty side nodes as bits of a mask, numbers as
 * minimal bytes. Source: smt v0.14.1 `proofs.go`, CompactClosestProof, DecompactClosestProof.
 */
import type { Result } from "effect"
import { Schema } from "effect"

/** Proof of the leaf closest to a path. Absent byte strings are empty. */
export interface ClosestProof {
  /** The path asked for, 32 bytes. */
  readonly path: Uint8Array
  /** Bits of `path` that were flipped on the way, in order. */
  readonly flippedBits: ReadonlyArray<number>
  /** Depth of the leaf: number of side nodes. */
  readonly depth: number
  /** Path of the leaf, 32 bytes; 48 zero bytes for the empty trie. */
  readonly closestPath: Uint8Array
  /** Value, weight and count of the leaf. */
  readonly closestValueHash: Uint8Array
  /** 48-byte digests from the leaf up, 48 zero bytes for an empty neighbour. */
  readonly sideNodes: ReadonlyArray<Uint8Array>
  /** Never set by this prover. */
  readonly nonMembershipLeafData: Uint8Array
  /** Encoding of the leaf's neighbour. */
  readonly siblingData: Uint8Array
}

/** The inner part of a compact proof. */
export interface CompactMerkleProof {
  /** The side nodes that are not empty, from the leaf up. */
  readonly sideNodes: ReadonlyArray<Uint8Array>
  readonly nonMembershipLeafData: Uint8Array
  /** Bit i, most significant first, is 1 where side node i is empty. */
  readonly bitMask: Uint8Array
  /** Number of side nodes before compaction. */
  readonly numSideNodes: number
  readonly siblingData: Uint8Array
}

/** A closest proof as it is sent. Absent byte strings are empty. */
export interface CompactProof {
  readonly path: Uint8Array
  /** Big-endian, at most 2 bytes each. */
  readonly flippedBits: ReadonlyArray<Uint8Array>
  readonly depth: Uint8Array
  readonly closestPath: Uint8Array
  readonly closestValueHash: Uint8Array
  /** Absent in no proof of ours; a proof without it is refused. */
  readonly closestProof: CompactMerkleProof | undefined
}

/** A proof that breaks a structural rule, whatever the root. */
export class ProofRefused extends Schema.TaggedError<ProofRefused>()("ProofRefused", {
  /** Field of the proof. */
  field: Schema.String,
  /** What is wrong with it. */
  reason: Schema.String
}) {
  override get message(): string {
    return `proof refused: ${this.field} ${this.reason}`
  }
}

export declare const compact: (proof: ClosestProof) => CompactProof
export declare const decompact: (proof: CompactProof) => Result.Result<ClosestProof, ProofRefused>
