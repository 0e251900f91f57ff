/**
 * Whether a claim needs a proof, and which relay the proof must show. Both follow from the hash of the block one before
 * the first proof (`SessionWindow.proofSeedHeight`), so neither is known before that block is committed.
 */
import { concatBytes } from "@noble/hashes/utils.js"
import { type Sha256, sha256 as pureSha256 } from "../crypto/Sha256.ts"
import type { ProofParams } from "../protocol/ProofParams.ts"
import { textToBytes } from "../wire/ByteText.ts"
import { sample } from "./GoRand.ts"

/** Why a claim needs a proof, or that it needs none. */
export type ProofRequirement = "threshold" | "probabilistic" | "not_required"

/** The number under which events report a requirement. Source: poktroll `pocket.proof.ProofRequirementReason`. */
export const proofRequirementNumber: Readonly<Record<ProofRequirement, number>> = {
  not_required: 0,
  probabilistic: 1,
  threshold: 2
}

/** What the decision rests on. */
export interface ProofRequirementInput {
  readonly claimedUpokt: bigint
  /** SHA-256 of the stored claim's protobuf, its status included: a claim whose proof was checked draws anew. */
  readonly claimHash: Uint8Array
  /** Hash of the seed block, 32 bytes; empty if the chain does not know it. */
  readonly seed: Uint8Array
  /** The live record. */
  readonly params: Pick<ProofParams, "proofRequestProbability" | "proofRequirementThreshold">
}

/** Decides as the chain does. Source: poktroll `x/proof/keeper/proof_validation.go`, ProofRequirementForClaim. */
export const proofRequirement = (input: ProofRequirementInput, sha256: Sha256 = pureSha256): ProofRequirement => {
  if (input.claimedUpokt >= input.params.proofRequirementThreshold) return "threshold"
  return proofSample(input.claimHash, input.seed, sha256) <= input.params.proofRequestProbability
    ? "probabilistic"
    : "not_required"
}

/** The double, 0 ≤ x < 1, that is compared with the probability. */
export const proofSample = (claimHash: Uint8Array, seed: Uint8Array, sha256: Sha256 = pureSha256): number =>
  sample(concatBytes(claimHash, seed), sha256)

/**
 * Path, 32 bytes, whose closest leaf the proof must show: SHA-256(seed ‖ session id text).
 * Source: poktroll `x/proof/keeper/validate_proofs.go`, GetPathForProof.
 */
export const proofPath = (seed: Uint8Array, sessionId: string, sha256: Sha256 = pureSha256): Uint8Array =>
  sha256(concatBytes(seed, textToBytes(sessionId)))
