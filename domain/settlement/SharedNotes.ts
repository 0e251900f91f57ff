/** What all suppliers of one process learn together about their chain, and the reads that they share. Not stored. */
import { Semaphore } from "effect"
import type { SubmissionSettings } from "../mining/MinerSettings.ts"
import { makeObstacleNotices, type ObstacleNotices } from "./ObstacleNotices.ts"

/** Begins as `freshSharedNotes`, one for each process. */
export interface SharedNotes {
  /** Monotonic nanoseconds until which the chain counts as one that takes ordered transactions only. */
  orderedUntil: bigint
  /** Bounds the suppliers whose claims are read at the same time. */
  readonly claimReads: Semaphore.Semaphore
  /** What keeps claims and proofs of its suppliers from the chain, for people. */
  readonly obstacles: ObstacleNotices
}

/** Knows nothing about the chain yet. */
export const freshSharedNotes = ({ claimReads }: Pick<SubmissionSettings, "claimReads">): SharedNotes => ({
  orderedUntil: 0n,
  claimReads: Semaphore.makeUnsafe(claimReads.concurrent),
  obstacles: makeObstacleNotices()
})
