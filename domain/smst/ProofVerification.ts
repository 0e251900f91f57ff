/**
 * Verification of a compact closest proof against a claimed root, as the chain does it at the end of the block.
 * Refuses also what makes the chain's library panic. Bounded by 512 hashes and the length of the proof.
 * Source: smt v0.14.1 `proofs.go`, VerifyCompactClosestProof, validateBasic, VerifySumProof, verifyProofWithUpdates.
 */
import { Result } from "effect"
import { sha256 as nobleSha256, type Sha256 } from "../crypto/Sha256.ts"
import { type ClosestProof, type CompactProof, decompact, ProofRefused } from "./CompactProof.ts"
import { foldDigest, innerDigest, InnerHash } from "./InnerHash.ts"
import {
  bitOf,
  bytesEqual,
  DIGEST_SIZE,
  digestOf,
  emptyDigest,
  EXTENSION_TAG,
  INNER_TAG,
  LEAF_TAG,
  PATH_BITS,
  PATH_SIZE,
  TAIL_SIZE,
  uint64At
} from "./TrieSpec.ts"

/** Offset of the child digest in an extension encoding: tag, start, end, path. */
const EXTENSION_CHILD = 3 + PATH_SIZE

/**
 * Whether the proof leads to the 48-byte `root`: true is verified, false means that the computed root differs, a
 * failure that the proof breaks a structural rule. `sha256` is noble's by default.
 *
 * Not checked, as on the chain: that the number of side nodes equals the depth, that the leaf counts as one, and that
 * the leaf's path belongs to its value.
 */
export const verify = (
  proof: CompactProof,
  root: Uint8Array,
  sha256: Sha256 = nobleSha256
): Result.Result<boolean, ProofRefused> =>
  Result.flatMap(decompact(proof), (full) => verifyExpanded(full, root, sha256))

const refuse = (field: string, reason: string) => Result.fail(new ProofRefused({ field, reason }))

const verifyExpanded = (
  proof: ClosestProof,
  root: Uint8Array,
  sha256: Sha256
): Result.Result<boolean, ProofRefused> => {
  const hash = new InnerHash(sha256)
  const shape = checkShape(proof, hash, sha256)
  if (Result.isFailure(shape)) return Result.fail(shape.failure)
  const start = leafDigest(proof, sha256)
  if (Result.isFailure(start)) return Result.fail(start.failure)
  let current = start.success
  const levels = proof.sideNodes.length
  for (const [index, node] of proof.sideNodes.entries()) {
    const side = sizedDigest(node)
    current =
      bitOf(proof.closestPath, levels - 1 - index) === 0
        ? innerDigest(hash, current, side)
        : innerDigest(hash, side, current)
  }
  return Result.succeed(bytesEqual(current, root))
}

const checkShape = (proof: ClosestProof, hash: InnerHash, sha256: Sha256): Result.Result<void, ProofRefused> => {
  const { closestPath, depth } = proof
  if (depth > PATH_BITS) return refuse("depth", `is ${depth}, more than ${PATH_BITS}`)
  if (closestPath.length < PATH_SIZE) return refuse("closestPath", `has ${closestPath.length} bytes, less than 32`)
  const turned = Uint8Array.from(proof.path)
  for (const bit of proof.flippedBits) {
    if (bit > depth || bit >= PATH_BITS) return refuse("flippedBits", `names bit ${bit} at depth ${depth}`)
    turned[bit >> 3] = (turned[bit >> 3] ?? 0) ^ (0x80 >> (bit & 7))
  }
  for (let bit = 0; bit < depth; bit++) {
    if (bitOf(turned, bit) !== bitOf(closestPath, bit)) return refuse("closestPath", `leaves the way at bit ${bit}`)
  }
  const other = proof.nonMembershipLeafData.length
  if (other > 0 && other <= PATH_SIZE) return refuse("nonMembershipLeafData", `has ${other} bytes, less than 33`)
  return proof.siblingData.length > 0 && proof.sideNodes.length > 0 ? checkSibling(proof, hash, sha256) : Result.void
}

/** The neighbour's encoding must have the digest of the first side node. */
const checkSibling = (proof: ClosestProof, hash: InnerHash, sha256: Sha256): Result.Result<void, ProofRefused> => {
  for (const node of proof.sideNodes) {
    if (node.length !== DIGEST_SIZE) return refuse("sideNodes", `has an entry of ${node.length} bytes, not 48`)
  }
  const digest = siblingDigest(proof.siblingData, hash, sha256)
  if (digest === undefined) return refuse("siblingData", `of ${proof.siblingData.length} bytes is cut off`)
  return bytesEqual(digest, proof.sideNodes[0] ?? emptyDigest())
    ? Result.void
    : refuse("siblingData", "does not have the digest of the first side node")
}

/** Digest of any encoding; undefined if it is too short to have one. An extension without levels has its child's. */
const siblingDigest = (data: Uint8Array, hash: InnerHash, sha256: Sha256): Uint8Array | undefined => {
  if (data[0] !== EXTENSION_TAG) return data.length < TAIL_SIZE ? undefined : digestOf(data, sha256)
  if (data.length < EXTENSION_CHILD + TAIL_SIZE) return undefined
  const start = data[1] ?? 0
  const end = data[2] ?? 0
  const child = data.subarray(EXTENSION_CHILD, data.length - TAIL_SIZE)
  if (end <= start) return child
  if (child.length < TAIL_SIZE) return undefined
  return foldSibling(hash, sha256, start, end, data.subarray(3, EXTENSION_CHILD), child)
}

/** `foldDigest` over a child of any size from 16 bytes, as the chain's library computes it. `start < end`. */
const foldSibling = (
  hash: InnerHash,
  sha256: Sha256,
  start: number,
  end: number,
  path: Uint8Array,
  child: Uint8Array
): Uint8Array => {
  // The other child is empty, so sum and count are those of the child.
  const encoding = new Uint8Array(1 + child.length + DIGEST_SIZE + TAIL_SIZE)
  encoding[0] = INNER_TAG
  encoding.set(child, bitOf(path, end - 1) === 0 ? 1 : 1 + DIGEST_SIZE)
  encoding.set(child.subarray(child.length - TAIL_SIZE), encoding.length - TAIL_SIZE)
  return foldDigest(hash, start, end - 1, path, digestOf(encoding, sha256))
}

/** What the way to the root starts from: the leaf, the leaf that is there instead, or nothing. */
const leafDigest = (proof: ClosestProof, sha256: Sha256): Result.Result<Uint8Array, ProofRefused> => {
  const value = proof.closestValueHash
  const path = proof.closestPath.subarray(0, PATH_SIZE)
  const isMembership = value.length > 0 && !(value.length === TAIL_SIZE && uint64At(value, 0) === 0n)
  if (isMembership) {
    if (value.length < TAIL_SIZE) return refuse("closestValueHash", `has ${value.length} bytes, less than 16`)
    const encoding = new Uint8Array(1 + PATH_SIZE + value.length)
    encoding[0] = LEAF_TAG
    encoding.set(path, 1)
    encoding.set(value, 1 + PATH_SIZE)
    return Result.succeed(digestOf(encoding, sha256))
  }
  const other = proof.nonMembershipLeafData
  if (other.length === 0) return Result.succeed(emptyDigest())
  if (other[0] !== LEAF_TAG) return refuse("nonMembershipLeafData", "is not a leaf")
  if (bytesEqual(other.subarray(1, 1 + PATH_SIZE), path)) return refuse("nonMembershipLeafData", "is the leaf itself")
  return Result.succeed(digestOf(other, sha256))
}

/** A side node cut or padded with zeros to 48 bytes. */
const sizedDigest = (node: Uint8Array): Uint8Array => {
  if (node.length === DIGEST_SIZE) return node
  const digest = emptyDigest()
  digest.set(node.subarray(0, DIGEST_SIZE))
  return digest
}
