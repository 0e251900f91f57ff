/**
 * The smallest amount that a meter moves: the cost of one relay, or one uPOKT for the several relays that it pays for.
 * So a relay that costs a fraction of a uPOKT is charged too, rounded up for the last few relays of a session.
 */
import type { ComputeUnitPrice } from "../protocol/SharedParams.ts"

/** Amount and relays of one unit: `upokt` is above 1 only if `relays` is 1, and the other way round. */
export interface MeterUnit {
  /** uPOKT of one unit, ≥ 1. */
  readonly upokt: bigint
  /** Relays that one unit pays for, ≥ 1. */
  readonly relays: number
}

/** Relays of one unit at most: beyond it a relay is as good as free, and counts stay exact numbers. */
const MAX_RELAYS = 1_000_000n

/**
 * The unit for relays of this weight; `undefined` when they cost nothing. `price` and units are those at session start.
 */
export const meterUnit = (computeUnitsPerRelay: bigint, price: ComputeUnitPrice): MeterUnit | undefined => {
  const granularity = price.computeUnitCostGranularity === 0n ? 1n : price.computeUnitCostGranularity
  const scaled = computeUnitsPerRelay * price.computeUnitsToTokensMultiplier
  if (scaled <= 0n) return undefined
  const cost = scaled / granularity
  if (cost > 0n) return { upokt: cost, relays: 1 }
  const relays = granularity / scaled
  return { upokt: 1n, relays: Number(relays > MAX_RELAYS ? MAX_RELAYS : relays) }
}
