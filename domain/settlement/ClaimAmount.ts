/**
 * What a claim is worth before the application's stake caps it. All divisions are single floors over exact fractions.
 * Source: poktroll `x/proof/types/claim.go`.
 */
import type { ComputeUnitPrice } from "../protocol/SharedParams.ts"
import type { DifficultyMultiplier } from "../relay/RelayDifficulty.ts"
import { rootCount, rootSum } from "./ClaimRoot.ts"

/**
 * Claimed uPOKT: ⌊sum · multiplier · CUTTM / granularity⌋.
 *
 * `computeUnits` is the root's sum; `multiplier` (`RelayDifficulty.multiplier` of the target) and `price` are those at
 * the session's start height.
 */
export const claimedUpokt = (computeUnits: bigint, multiplier: DifficultyMultiplier, price: ComputeUnitPrice): bigint =>
  (computeUnits * multiplier.numerator * price.computeUnitsToTokensMultiplier) /
  (multiplier.denominator * price.computeUnitCostGranularity)

/** Compute units served if mined relays are a fair sample: ⌊sum · multiplier⌋ modulo 2⁶⁴. */
export const estimatedComputeUnits = (computeUnits: bigint, multiplier: DifficultyMultiplier): bigint =>
  BigInt.asUintN(64, (computeUnits * multiplier.numerator) / multiplier.denominator)

/** Relays served if mined relays are a fair sample: estimated units / ⌊sum/count⌋, floored; 0 where a divisor is 0. */
export const estimatedRelays = (computeUnits: bigint, relays: bigint, multiplier: DifficultyMultiplier): bigint => {
  const unitsPerRelay = relays === 0n ? 0n : computeUnits / relays
  return unitsPerRelay === 0n ? 0n : estimatedComputeUnits(computeUnits, multiplier) / unitsPerRelay
}

/** All figures of a claim that its events show. */
export interface ClaimFigures {
  readonly numRelays: bigint
  readonly numClaimedComputeUnits: bigint
  readonly numEstimatedComputeUnits: bigint
  readonly numEstimatedRelays: bigint
  readonly claimedUpokt: bigint
}

/** Figures of the claim with this root (48 bytes) under the difficulty and the price at the session's start. */
export const claimFigures = (
  root: Uint8Array,
  multiplier: DifficultyMultiplier,
  price: ComputeUnitPrice
): ClaimFigures => {
  const numClaimedComputeUnits = rootSum(root)
  const numRelays = rootCount(root)
  return {
    numRelays,
    numClaimedComputeUnits,
    numEstimatedComputeUnits: estimatedComputeUnits(numClaimedComputeUnits, multiplier),
    numEstimatedRelays: estimatedRelays(numClaimedComputeUnits, numRelays, multiplier),
    claimedUpokt: claimedUpokt(numClaimedComputeUnits, multiplier, price)
  }
}
