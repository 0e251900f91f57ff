/** The root hash that a claim carries: digest of a sparse Merkle sum trie with the sum and count of its leaves. */
import { bytesToHex } from "@noble/hashes/utils.js"
import { Result, Schema } from "effect"

/** Bytes of a root: digest 32, sum 8, count 8. */
export const ROOT_LENGTH = 48

/** A root that no claim may carry. The message is the chain's, without its code. */
export class InvalidClaimRoot extends Schema.TaggedError<InvalidClaimRoot>()("InvalidClaimRoot", {
  reason: Schema.Literals(["length", "zero count", "zero sum"]),
  length: Schema.Int,
  rootHex: Schema.String
}) {
  override get message(): string {
    return this.reason === "length"
      ? `expecting root hash to be ${ROOT_LENGTH} bytes, got ${this.length} bytes: invalid root hash`
      : `has ${this.reason} in Merkle root (hex) ${this.rootHex}: invalid root hash`
  }
}

/** Digest of the trie, 32 bytes. `root` has 48 bytes. */
export const rootDigest = (root: Uint8Array): Uint8Array => root.slice(0, 32)

/** Sum of the leaves' weights: claimed compute units, uint64. `root` has 48 bytes, fewer is a defect. */
export const rootSum = (root: Uint8Array): bigint => view(root).getBigUint64(32, false)

/** Number of leaves: claimed relays, uint64. `root` has 48 bytes, fewer is a defect. */
export const rootCount = (root: Uint8Array): bigint => view(root).getBigUint64(40, false)

/** Checks length, count and sum in the chain's order. Source: poktroll `x/proof/types/message_create_claim.go`. */
export const validateRoot = (root: Uint8Array): Result.Result<void, InvalidClaimRoot> => {
  const invalid = (reason: InvalidClaimRoot["reason"]) =>
    Result.fail(new InvalidClaimRoot({ reason, length: root.length, rootHex: bytesToHex(root) }))
  if (root.length !== ROOT_LENGTH) return invalid("length")
  if (rootCount(root) === 0n) return invalid("zero count")
  if (rootSum(root) === 0n) return invalid("zero sum")
  return Result.void
}

const view = (root: Uint8Array): DataView => new DataView(root.buffer, root.byteOffset, root.byteLength)
