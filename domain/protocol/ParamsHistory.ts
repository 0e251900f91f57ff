/**
 * The shared params through time: which record applied at a height, and how an update enters. A timing change takes
 * effect with the next session and moves the grid's anchor there, so that sessions before it keep their bounds.
 */
import { Result } from "effect"
import { nextSessionStart, sessionNumber } from "../session/SessionGrid.ts"
import { empty, entryAt, type HeightHistory, valueAt, withEntry } from "./HeightHistory.ts"
import { type InvalidSharedParams, type SharedParams, validateSharedParams } from "./SharedParams.ts"

/** The record that the `Params` query returns, and the ones that `ParamsAtHeight` looks up. */
export interface SharedParamsHistory {
  readonly live: SharedParams
  readonly entries: HeightHistory<SharedParams>
}

/** A chain at genesis: no entries, every height resolves to `live` until the first update. */
export const sharedParamsHistory = (live: SharedParams): SharedParamsHistory => ({ live, entries: empty })

/** The record in force at `height`, the live one where no entry reaches. */
export const sharedParamsAt = (history: SharedParamsHistory, height: bigint): SharedParams =>
  valueAt(history.entries, height, history.live)

/**
 * An update processed in block `height`. `params` is the full new set (for a single field: the live record with that
 * field replaced); its anchor and session number are ignored. Prices are live at once, a change of timing only when
 * `promoteSharedParams` reaches the next session's start. A second update in the same session replaces the first one's
 * entry. Fails with the first rule that the new set breaks.
 * Source: poktroll `x/shared/keeper/msg_server_update_param.go` and `params.go`.
 */
export const updateSharedParams = (
  history: SharedParamsHistory,
  update: { readonly params: SharedParams; readonly height: bigint }
): Result.Result<SharedParamsHistory, InvalidSharedParams> => {
  const { live } = history
  const entries =
    history.entries.length === 0
      ? withEntry(history.entries, 1n, { ...live, sessionGridAnchorHeight: 1n, sessionNumberAtAnchor: 1n })
      : history.entries
  const current = valueAt(entries, update.height, live)
  const effectiveHeight = nextSessionStart(current, update.height)
  const movesGrid = update.params.numBlocksPerSession !== current.numBlocksPerSession
  const next: SharedParams = {
    ...update.params,
    sessionGridAnchorHeight: movesGrid ? effectiveHeight : current.sessionGridAnchorHeight,
    sessionNumberAtAnchor: movesGrid ? sessionNumber(current, update.height) + 1n : current.sessionNumberAtAnchor
  }
  return Result.map(validateSharedParams(next), () => ({
    live: changesTiming(live, next)
      ? live
      : {
          ...next,
          sessionGridAnchorHeight: live.sessionGridAnchorHeight,
          sessionNumberAtAnchor: live.sessionNumberAtAnchor
        },
    entries: withEntry(entries, effectiveHeight, next)
  }))
}

/**
 * End of block `height`, after every other module: an entry that takes effect exactly at this height becomes live.
 * Source: poktroll `x/shared/keeper/end_blocker.go`.
 */
export const promoteSharedParams = (history: SharedParamsHistory, height: bigint): SharedParamsHistory => {
  const entry = entryAt(history.entries, height)
  return entry === undefined || entry.effectiveHeight !== height || Result.isFailure(validateSharedParams(entry.value))
    ? history
    : { ...history, live: entry.value }
}

/** Fields whose change waits for the next session. */
const timingFields = [
  "numBlocksPerSession",
  "gracePeriodEndOffsetBlocks",
  "claimWindowOpenOffsetBlocks",
  "claimWindowCloseOffsetBlocks",
  "proofWindowOpenOffsetBlocks",
  "proofWindowCloseOffsetBlocks"
] as const

const changesTiming = (from: SharedParams, to: SharedParams): boolean =>
  timingFields.some((field) => from[field] !== to[field])
