/** Whether a sealed session is claimed: its root must be one the chain accepts, and be worth more than it costs. */
import { Result } from "effect"
import type { ProofParams } from "../protocol/ProofParams.ts"
import type { ComputeUnitPrice } from "../protocol/SharedParams.ts"
import type { DifficultyMultiplier } from "../relay/RelayDifficulty.ts"
import type { SessionEvent } from "../session/SessionEvent.ts"
import type { Tally } from "../session/SessionState.ts"
import type { GasPrice } from "../tx/TxFee.ts"
import { GAS_PRICE_PLACES } from "../tx/TxFee.ts"
import { claimedUpokt } from "./ClaimAmount.ts"
import { validateRoot } from "./ClaimRoot.ts"

/** What the chain says about a session's prices, at its start, and what sending costs now. */
export interface ClaimTerms {
  readonly price: ComputeUnitPrice
  readonly multiplier: DifficultyMultiplier
  /** The service's at the session's start. */
  readonly computeUnitsPerRelay: bigint
  readonly proofParams: ProofParams
  readonly gasPrice: GasPrice
  /** Gas of one claim, of one proof. */
  readonly claimGas: bigint
  readonly proofGas: bigint
}

/** A decision and the claim's worth in uPOKT. */
export type ClaimVerdict =
  | { readonly _tag: "Claim"; readonly worth: bigint }
  | {
      readonly _tag: "Skip"
      readonly reason: Extract<SessionEvent, { readonly _tag: "Skipped" }>["reason"]
      readonly detail: string
    }

/** Decides about one sealed root. */
export const planClaim = (sealed: Tally, terms: ClaimTerms): ClaimVerdict => {
  const root = validateRoot(sealed.root)
  if (Result.isFailure(root)) return { _tag: "Skip", reason: "empty", detail: root.failure.message }
  const expected = BigInt.asUintN(64, sealed.count * terms.computeUnitsPerRelay)
  if (sealed.sum !== expected) {
    return {
      _tag: "Skip",
      reason: "compute_units_mismatch",
      detail: `${sealed.sum} compute units for ${sealed.count} relays of ${terms.computeUnitsPerRelay}`
    }
  }
  const worth = claimedUpokt(sealed.sum, terms.multiplier, terms.price)
  const cost = expectedCost(worth, terms)
  return worth * cost.denominator > cost.numerator
    ? { _tag: "Claim", worth }
    : {
        _tag: "Skip",
        reason: "unprofitable",
        detail: `worth ${worth} uPOKT, costs about ${(cost.numerator + cost.denominator - 1n) / cost.denominator}`
      }
}

/** An exact, non-negative fraction of uPOKT. */
interface Cost {
  readonly numerator: bigint
  readonly denominator: bigint
}

/** Gas of the claim, and gas and submission fee of the proof with the probability that one is asked for. */
export const expectedCost = (worth: bigint, terms: ClaimTerms): Cost => {
  const { gasPrice, proofParams } = terms
  const probability =
    worth >= proofParams.proofRequirementThreshold
      ? { numerator: 1n, denominator: 1n }
      : exactFraction(proofParams.proofRequestProbability)
  const claimFee = terms.claimGas * gasPrice.scaled
  const proofFee = terms.proofGas * gasPrice.scaled + proofParams.proofSubmissionFee * PRICE_SCALE
  return {
    numerator: claimFee * probability.denominator + proofFee * probability.numerator,
    denominator: PRICE_SCALE * probability.denominator
  }
}

const PRICE_SCALE = 10n ** BigInt(GAS_PRICE_PLACES)

/** A finite double ≥ 0 as the fraction that it is. */
const exactFraction = (value: number): Cost => {
  let rest = value
  let denominator = 1n
  while (!Number.isInteger(rest)) {
    rest *= 2
    denominator *= 2n
  }
  return { numerator: BigInt(rest), denominator }
}
