/**
 * Closest proofs and their compact form, which goes to the chain: empty side nodes as bits of a mask, numbers as
 * minimal bytes. Source: smt v0.14.1 `proofs.go`, CompactClosestProof, DecompactClosestProof.
 */
import { Result, Schema } from "effect"
import { DIGEST_SIZE, isEmptyDigest, PATH_BITS, PATH_SIZE } from "./TrieSpec.ts"

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

/** Compact form of a proof. Byte strings are shared, not copied. */
export const compact = (proof: ClosestProof): CompactProof => {
  const bitMask = new Uint8Array(Math.ceil(proof.sideNodes.length / 8))
  const sideNodes: Array<Uint8Array> = []
  for (const [index, node] of proof.sideNodes.entries()) {
    if (isEmptyDigest(node)) bitMask[index >> 3] = (bitMask[index >> 3] ?? 0) | (0x80 >> (index & 7))
    else sideNodes.push(node)
  }
  return {
    path: proof.path,
    flippedBits: proof.flippedBits.map(minimalBytes),
    depth: minimalBytes(proof.depth),
    closestPath: proof.closestPath,
    closestValueHash: proof.closestValueHash,
    closestProof: {
      sideNodes,
      nonMembershipLeafData: proof.nonMembershipLeafData,
      bitMask,
      numSideNodes: proof.sideNodes.length,
      siblingData: proof.siblingData
    }
  }
}

/**
 * Full form of a compact proof, the inverse of `compact`. Refuses what breaks the rules of the compact form: sizes of
 * path and numbers, size of the mask, number of side nodes. At most 256 side nodes come out, whatever goes in.
 */
export const decompact = (proof: CompactProof): Result.Result<ClosestProof, ProofRefused> => {
  const refuse = (field: string, reason: string) => Result.fail(new ProofRefused({ field, reason }))
  if (proof.path.length !== PATH_SIZE) return refuse("path", `has ${proof.path.length} bytes, not ${PATH_SIZE}`)
  if (proof.depth.length > 2) return refuse("depth", `has ${proof.depth.length} bytes, more than 2`)
  const flippedBits: Array<number> = []
  for (const bytes of proof.flippedBits) {
    if (bytes.length > 2) return refuse("flippedBits", `has an entry of ${bytes.length} bytes, more than 2`)
    flippedBits.push(numberOf(bytes))
  }
  const inner = proof.closestProof
  if (inner === undefined) return refuse("closestProof", "is absent")
  const { bitMask, numSideNodes } = inner
  if (numSideNodes < 0 || numSideNodes > PATH_BITS) return refuse("numSideNodes", `is ${numSideNodes}, not 0 to 256`)
  if (bitMask.length !== Math.ceil(numSideNodes / 8)) {
    return refuse("bitMask", `has ${bitMask.length} bytes for ${numSideNodes} side nodes`)
  }
  // Padding bits count as empty side nodes here, though none of them stands for one.
  const given = numSideNodes - populationCount(bitMask)
  if (numSideNodes > 0 && inner.sideNodes.length !== given) {
    return refuse("sideNodes", `has ${inner.sideNodes.length} entries, not ${given}`)
  }
  const sideNodes: Array<Uint8Array> = []
  let next = 0
  for (let index = 0; index < numSideNodes; index++) {
    const isEmpty = (((bitMask[index >> 3] ?? 0) >> (7 - (index & 7))) & 1) === 1
    const node = isEmpty ? new Uint8Array(DIGEST_SIZE) : inner.sideNodes[next++]
    if (node === undefined) return refuse("bitMask", "has padding bits set")
    sideNodes.push(node)
  }
  return Result.succeed({
    path: proof.path,
    flippedBits,
    depth: numberOf(proof.depth),
    closestPath: proof.closestPath,
    closestValueHash: proof.closestValueHash,
    sideNodes,
    nonMembershipLeafData: inner.nonMembershipLeafData,
    siblingData: inner.siblingData
  })
}

/** 0 to 65535 as minimal big-endian bytes; 0 is one zero byte. */
const minimalBytes = (value: number): Uint8Array =>
  value < 256 ? Uint8Array.of(value) : Uint8Array.of(value >> 8, value & 255)

/** Big-endian number of at most 2 bytes; no bytes are 0. */
const numberOf = (bytes: Uint8Array): number => {
  let value = 0
  for (const byte of bytes) value = value * 256 + byte
  return value
}

const populationCount = (mask: Uint8Array): number => {
  let count = 0
  for (const byte of mask) for (let rest = byte; rest > 0; rest >>= 1) count += rest & 1
  return count
}
