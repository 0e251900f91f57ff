/**
 * How much of a claim the application's stake pays. Every session may spend its part of the stake, divided equally among
 * the suppliers that claimed; with a bonus multiplier a supplier may also draw from what others left unused.
 * Source: poktroll `x/tokenomics/keeper`.
 */
import { ceilTimes, type Decimal, floorWithout } from "../protocol/Decimal.ts"

/** Budget of one application in one session. Amounts in uPOKT, inflation included. */
export interface SessionBudget {
  /** Equal share of each claim. */
  readonly floor: bigint
  /** Did the application's own spend limit lower the share? */
  readonly spendLimitExceeded: boolean
  /** What the claims that stay below their share leave over. */
  readonly unused: bigint
  /** What the others want beyond their share. */
  readonly excess: bigint
}

/** What the application pays for a claim: the amount and the inflation that it reimburses, c(A) = A + ⌈A·i⌉. */
export const costWithInflation = (amount: bigint, inflation: Decimal): bigint => amount + ceilTimes(amount, inflation)

/** Computes the budget before any claim of the block is settled. */
export const sessionBudget = (input: {
  /** Application stake before the block's settlement. */
  readonly stake: bigint
  /** The application's `per_session_spend_limit`; 0 or `undefined` means none. */
  readonly spendLimit: bigint | undefined
  /** ⌈S/N⌉ at the session's end, at least 1. */
  readonly pendingSessions: bigint
  /** Claims of the session, expiring ones included; at least 1. */
  readonly claimCount: bigint
  /** Claimed amounts of the claims that will settle. */
  readonly settlingAmounts: ReadonlyArray<bigint>
  readonly inflation: Decimal
}): SessionBudget => {
  const budget = input.stake / input.pendingSessions
  const stakeFloor = budget / input.claimCount
  const limit = input.spendLimit ?? 0n
  const limitFloor = limit > 0n ? (limit < budget ? limit : budget) / input.claimCount : stakeFloor
  const floor = limitFloor < stakeFloor ? limitFloor : stakeFloor
  let unused = 0n
  let excess = 0n
  for (const amount of input.settlingAmounts) {
    const difference = floor - costWithInflation(amount, input.inflation)
    if (difference > 0n) unused += difference
    else excess -= difference
  }
  return { floor, spendLimitExceeded: limitFloor < stakeFloor, unused, excess }
}

/** One claim after the cap. */
export interface CappedClaim {
  /** What is paid and burned, at most the claimed amount; the rest is lost. */
  readonly settledUpokt: bigint
  /** Set when the claim was cut: what it would have cost and what it may cost, inflation included. */
  readonly overserviced: { readonly expectedBurn: bigint; readonly effectiveBurn: bigint } | undefined
}

/** Cuts one claim to its share of the budget. `bonusMultiplier` 0 stands for 1. */
export const capClaim = (
  budget: SessionBudget,
  claimedUpokt: bigint,
  rates: { readonly inflation: Decimal; readonly bonusMultiplier: bigint }
): CappedClaim => {
  const multiplier = rates.bonusMultiplier < 1n ? 1n : rates.bonusMultiplier
  const cost = costWithInflation(claimedUpokt, rates.inflation)
  const bonus =
    multiplier > 1n && budget.excess > 0n && cost > budget.floor
      ? (budget.unused * (cost - budget.floor)) / budget.excess
      : 0n
  const ceiling = multiplier * budget.floor
  const most = budget.floor + bonus < ceiling ? budget.floor + bonus : ceiling
  const limit = floorWithout(most, rates.inflation)
  return claimedUpokt <= limit
    ? { settledUpokt: claimedUpokt, overserviced: undefined }
    : { settledUpokt: limit, overserviced: { expectedBurn: cost, effectiveBurn: most } }
}
