/** What all suppliers of one process learn together about their chain, and the reads that they share. Not stored. */
import { Semaphore } from "effect"
import type { SubmissionSettings } from "../mining/MinerSettings.ts"
import type { GasPrice } from "../tx/TxFee.ts"
import { makeObstacleNotices, type ObstacleNotices } from "./ObstacleNotices.ts"

/** Begins as `freshSharedNotes`, one for each process. */
export interface SharedNotes {
  /** Monotonic nanoseconds until which the chain counts as one that takes ordered transactions only. */
  orderedUntil: bigint
  /** Gas price that nodes ask instead of a lower one, and monotonic nanoseconds until which it counts. */
  askedPrice: { readonly price: GasPrice; readonly until: bigint } | undefined
  /** Bounds the suppliers whose claims are read at the same time. */
  readonly claimReads: Semaphore.Semaphore
  /** What keeps claims and proofs of its suppliers from the chain, for people. */
  readonly obstacles: ObstacleNotices
}

/** Knows nothing about the chain yet. */
export const freshSharedNotes = ({ claimReads }: Pick<SubmissionSettings, "claimReads">): SharedNotes => ({
  orderedUntil: 0n,
  askedPrice: undefined,
  claimReads: Semaphore.makeUnsafe(claimReads.concurrent),
  obstacles: makeObstacleNotices()
})
