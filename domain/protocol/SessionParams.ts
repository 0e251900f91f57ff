/** Parameters of the chain's `session` module and their history, which only session hydration reads. */
import { type HeightHistory, recordChange, valueAt } from "./HeightHistory.ts"

/** Source: poktroll `pocket.session.Params`. */
export interface SessionParams {
  /** Most suppliers that one session has; uint64, at least 1. */
  readonly numSuppliersPerSession: bigint
}

/** Values of a chain whose genesis names none. Source: poktroll `x/session/types/params.go`. */
export const defaultSessionParams: SessionParams = { numSuppliersPerSession: 15n }

/** The record that queries return, and the one for each height. */
export interface SessionParamsHistory {
  readonly live: SessionParams
  readonly entries: HeightHistory<SessionParams>
}

/** The record with which a session at `height` is hydrated. */
export const sessionParamsAt = (history: SessionParamsHistory, height: bigint): SessionParams =>
  valueAt(history.entries, height, history.live)

/**
 * An update processed in block `height`: live at once, for sessions from `nextSessionStart` (of the grid at `height`).
 * Source: poktroll `x/session/keeper/params.go`.
 */
export const updateSessionParams = (
  history: SessionParamsHistory,
  update: { readonly params: SessionParams; readonly height: bigint; readonly nextSessionStart: bigint }
): SessionParamsHistory => ({
  live: update.params,
  entries: recordChange(history.entries, {
    since: update.height,
    previous: history.live,
    effectiveHeight: update.nextSessionStart,
    next: update.params
  })
})
