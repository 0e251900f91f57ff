/**
 * Maps block heights to sessions. A height's session is computed with the params in force at that height
 * (`ParamsHistory`), except where a rule says "live". Source: poktroll `x/shared/types/session.go`.
 */
import type { SharedParams } from "../protocol/SharedParams.ts"

/** The fields of the shared params that lay out the grid. */
export type SessionGridParams = Pick<
  SharedParams,
  "numBlocksPerSession" | "sessionGridAnchorHeight" | "sessionNumberAtAnchor"
>

/** First height of the session that contains `height`; 0 for a height ≤ 0. GetSessionStartHeight. */
export const sessionStart = (params: SessionGridParams, height: bigint): bigint => {
  if (height <= 0n) return 0n
  const { anchor } = anchorAt(params, height)
  return height - ((height - anchor) % params.numBlocksPerSession)
}

/** Last height of the session that contains `height`; 0 for a height ≤ 0. GetSessionEndHeight. */
export const sessionEnd = (params: SessionGridParams, height: bigint): bigint =>
  height <= 0n ? 0n : sessionStart(params, height) + params.numBlocksPerSession - 1n

/** Number of the session that contains `height`, the first being 1; 0 for a height ≤ 0. GetSessionNumber. */
export const sessionNumber = (params: SessionGridParams, height: bigint): bigint => {
  if (height <= 0n) return 0n
  const { anchor, first } = anchorAt(params, height)
  return first + (height - anchor) / params.numBlocksPerSession
}

/** First height of the session after the one that contains `height`; 1 for a height ≤ 0. GetNextSessionStartHeight. */
export const nextSessionStart = (params: SessionGridParams, height: bigint): bigint => sessionEnd(params, height) + 1n

/** Does a session start at this very height? Also true at 0, where start, end and height coincide. */
export const isSessionStart = (params: SessionGridParams, height: bigint): boolean =>
  height === sessionStart(params, height)

/** Does a session end at this very height? Also true at 0, where start, end and height coincide. */
export const isSessionEnd = (params: SessionGridParams, height: bigint): boolean =>
  height === sessionEnd(params, height)

/** Heights before the anchor belong to the grid that starts at 1; so does everything when no anchor is set. */
const anchorAt = (params: SessionGridParams, height: bigint): { readonly anchor: bigint; readonly first: bigint } => {
  const { sessionGridAnchorHeight: anchor, sessionNumberAtAnchor: first } = params
  if (anchor <= 0n || anchor > height) return { anchor: 1n, first: 1n }
  return { anchor, first: first <= 0n ? 1n : first }
}
