/**
 * Heights that follow from a session's end: grace period, claim and proof windows, settlement, seed block.
 * `params` are always those in force at the session's end height; windows include both their bounds.
 */
import { type SharedParams, windowOffsetsSum } from "../protocol/SharedParams.ts"

/** The fields of the shared params from which windows follow. */
export type SessionWindowParams = Pick<
  SharedParams,
  | "gracePeriodEndOffsetBlocks"
  | "claimWindowOpenOffsetBlocks"
  | "claimWindowCloseOffsetBlocks"
  | "proofWindowOpenOffsetBlocks"
  | "proofWindowCloseOffsetBlocks"
>

/** A range of block heights, both ends included. */
export interface HeightRange {
  readonly opens: bigint
  readonly closes: bigint
}

/** Last height at which relays of the session are served. Source: poktroll `x/shared/types/session.go`. */
export const graceEnd = (params: Pick<SharedParams, "gracePeriodEndOffsetBlocks">, sessionEnd: bigint): bigint =>
  sessionEnd + params.gracePeriodEndOffsetBlocks

/** Is the session past its grace period at `height`? IsGracePeriodElapsed. */
export const isGraceElapsed = (
  params: Pick<SharedParams, "gracePeriodEndOffsetBlocks">,
  sessionEnd: bigint,
  height: bigint
): boolean => height > graceEnd(params, sessionEnd)

/** First height at which a claim for the session is accepted. GetClaimWindowOpenHeight. */
export const claimWindowOpens = (params: SessionWindowParams, sessionEnd: bigint): bigint =>
  sessionEnd + params.claimWindowOpenOffsetBlocks + 1n

/** Last height at which a claim is accepted. GetClaimWindowCloseHeight. */
export const claimWindowCloses = (params: SessionWindowParams, sessionEnd: bigint): bigint =>
  claimWindowOpens(params, sessionEnd) + params.claimWindowCloseOffsetBlocks

/** First height at which a proof is accepted; with an offset of 0 it is the claim window's last. GetProofWindowOpenHeight. */
export const proofWindowOpens = (params: SessionWindowParams, sessionEnd: bigint): bigint =>
  claimWindowCloses(params, sessionEnd) + params.proofWindowOpenOffsetBlocks

/** Last height at which a proof is accepted; the session settles at the end of that block. GetProofWindowCloseHeight. */
export const proofWindowCloses = (params: SessionWindowParams, sessionEnd: bigint): bigint =>
  proofWindowOpens(params, sessionEnd) + params.proofWindowCloseOffsetBlocks

/** First height at which one supplier's claim is accepted: the window's, the chain spreads nobody today. */
export const earliestClaimCommit = (params: SessionWindowParams, sessionEnd: bigint): bigint =>
  claimWindowOpens(params, sessionEnd)

/** First height at which one supplier's proof is accepted: the window's, the chain spreads nobody today. */
export const earliestProofCommit = (params: SessionWindowParams, sessionEnd: bigint): bigint =>
  proofWindowOpens(params, sessionEnd)

/** Heights at which a claim of the session is accepted. */
export const claimWindow = (params: SessionWindowParams, sessionEnd: bigint): HeightRange => ({
  opens: earliestClaimCommit(params, sessionEnd),
  closes: claimWindowCloses(params, sessionEnd)
})

/** Heights at which a proof of the session is accepted. */
export const proofWindow = (params: SessionWindowParams, sessionEnd: bigint): HeightRange => ({
  opens: earliestProofCommit(params, sessionEnd),
  closes: proofWindowCloses(params, sessionEnd)
})

/** Is a message executed in the block at `height` inside the window? */
export const isInWindow = (window: HeightRange, height: bigint): boolean =>
  window.opens <= height && height <= window.closes

/** Can a transaction broadcast when `committedHeight` is the latest block still be executed inside the window? */
export const canLandInWindow = (window: HeightRange, committedHeight: bigint): boolean =>
  isInWindow(window, committedHeight + 1n)

/** S: blocks from the session's end to proof window close, less one. GetSessionEndToProofWindowCloseBlocks. */
export const sessionEndToProofWindowCloseBlocks = (params: SessionWindowParams): bigint => windowOffsetsSum(params)

/** Height in whose EndBlock the session's claims are settled: the proof window's last. */
export const settlementHeight = (params: SessionWindowParams, sessionEnd: bigint): bigint =>
  sessionEnd + windowOffsetsSum(params) + 1n

/** End of the session that settles at `height`, under one set of params. Inverse of `settlementHeight`; may be ≤ 0. */
export const settlingSessionEnd = (params: SessionWindowParams, height: bigint): bigint =>
  height - windowOffsetsSum(params) - 1n

/** Sessions that can be unsettled beside the current one: ⌈S / N⌉. GetNumPendingSessions. `numBlocksPerSession` ≥ 1. */
export const pendingSessions = (params: SessionWindowParams & Pick<SharedParams, "numBlocksPerSession">): bigint =>
  (windowOffsetsSum(params) + params.numBlocksPerSession - 1n) / params.numBlocksPerSession

/**
 * Height of the block whose hash seeds both the proof requirement and the proof path: one before the first proof.
 * Source: poktroll `x/proof/keeper/session.go`.
 */
export const proofSeedHeight = (params: SessionWindowParams, sessionEnd: bigint): bigint =>
  earliestProofCommit(params, sessionEnd) - 1n
