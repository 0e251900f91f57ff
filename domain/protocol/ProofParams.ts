/** Parameters of the chain's `proof` module. They have no history: the live record decides at every height. */

/** Amounts in uPOKT. Source: poktroll `pocket.proof.Params`. */
export interface ProofParams {
  /** 0 to 1; compared with the claim's sample as a double, as the chain does. */
  readonly proofRequestProbability: number
  /** A claim of at least this amount always needs a proof. */
  readonly proofRequirementThreshold: bigint
  /** Taken from the stake of a supplier whose required proof is missing or invalid. */
  readonly proofMissingPenalty: bigint
  /** Taken with every accepted proof; the account must hold more than this. */
  readonly proofSubmissionFee: bigint
}

/** Values of a chain whose genesis names none. Source: poktroll `x/proof/types/params.go`. */
export const defaultProofParams: ProofParams = {
  proofRequestProbability: 0.25,
  proofRequirementThreshold: 20_000_000n,
  proofMissingPenalty: 320_000_000n,
  proofSubmissionFee: 0n
}
