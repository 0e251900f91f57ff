/** Compute units per relay of one service through time: a session is priced with the value at its start height. */
import { type HeightHistory, recordChange, valueAt, withEntry } from "./HeightHistory.ts"

/** Compute units per relay, uint64. 0 in an entry means: ask the live record. */
export type ComputeUnitsHistory = HeightHistory<bigint>

/**
 * Compute units per relay at `height`; `live` is the service record's present value.
 * Source: poktroll `x/service/keeper/service_compute_units_history.go`.
 */
export const computeUnitsAt = (history: ComputeUnitsHistory, height: bigint, live: bigint): bigint => {
  const found = valueAt(history, height, live)
  return found === 0n ? live : found
}

/** History of a service created in the session that starts at `sessionStart`. */
export const createComputeUnits = (sessionStart: bigint, computeUnits: bigint): ComputeUnitsHistory =>
  withEntry([], sessionStart, computeUnits)

/** A change from `previous` to `next`, for sessions from `nextSessionStart`; the service record itself changes at once. */
export const changeComputeUnits = (
  history: ComputeUnitsHistory,
  change: { readonly previous: bigint; readonly next: bigint; readonly nextSessionStart: bigint }
): ComputeUnitsHistory =>
  recordChange(history, {
    since: 1n,
    previous: change.previous,
    effectiveHeight: change.nextSessionStart,
    next: change.next
  })
