/**
 * What a relay costs an application and how much of it one supplier may let an application consume in a session before
 * work goes unpaid. The relayer's rule, off chain: stricter than the cap at settlement (`ClaimCap`), which divides by one
 * pending session less and by the suppliers that really claimed. Amounts in uPOKT.
 */
import { type Decimal, floorTimes } from "../protocol/Decimal.ts"
import type { ComputeUnitPrice, SharedParams } from "../protocol/SharedParams.ts"
import { pendingSessions, type SessionWindowParams } from "../session/SessionWindow.ts"

/** ⌊CU · CUTTM / granularity⌋. Difficulty does not enter. `price` and compute units are those at the session's start. */
export const relayCost = (computeUnitsPerRelay: bigint, price: ComputeUnitPrice): bigint =>
  relaysCost(1n, computeUnitsPerRelay, price)

/** Cost of several relays with one floor for all: exact where a single relay costs a fraction of a uPOKT. */
export const relaysCost = (relays: bigint, computeUnitsPerRelay: bigint, price: ComputeUnitPrice): bigint =>
  (relays * computeUnitsPerRelay * price.computeUnitsToTokensMultiplier) / orOne(price.computeUnitCostGranularity)

/**
 * A supplier's share of the stake in one session: ⌊⌊stake / suppliers⌋ / (⌈S/N⌉ + 1)⌋.
 *
 * `params` are the live ones while the session is active or the height is unknown, those at its end afterwards. A zero
 * divisor counts as 1.
 */
export const stakeShare = (
  stake: bigint,
  numSuppliersPerSession: bigint,
  params: SessionWindowParams & Pick<SharedParams, "numBlocksPerSession">
): bigint => {
  const pending = pendingSessions({ ...params, numBlocksPerSession: orOne(params.numBlocksPerSession) })
  return stake / orOne(numSuppliersPerSession) / (pending + 1n)
}

/** Most that may be consumed: ⌊stake × factor⌋ where a service factor is configured (not divided further), else the share. */
export const consumptionLimit = (stake: bigint, share: bigint, factor: Decimal | undefined): bigint =>
  factor === undefined ? share : floorTimes(stake, factor)

/** May a relay of this cost still be served? */
export const isWithinLimit = (consumed: bigint, cost: bigint, limit: bigint): boolean => consumed + cost <= limit

const orOne = (divisor: bigint): bigint => (divisor === 0n ? 1n : divisor)
