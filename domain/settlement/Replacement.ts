/**
 * When a second transaction is built for messages whose first one may still land. Two that land pay two fees (the chain
 * keeps one claim and one proof for a session, whatever is sent); one that is lost costs the session. So the first is
 * waited for until its time-out has passed, except where the window closes earlier, its node cannot be believed any more,
 * and what is at stake outweighs the fee.
 */
import { Effect } from "effect"
import { nanosOf } from "../lifecycle/MonotonicTime.ts"
import { MinerSettings } from "../mining/MinerSettings.ts"
import type { Block } from "../ports/Blocks.ts"
import { readFresh } from "../cache/FreshRead.ts"
import { ChainQuery } from "../ports/ChainQuery.ts"
import type { TxIntent } from "../ports/SupplierStore.ts"
import type { SessionId } from "../protocol/Identifiers.ts"
import { feeAmount, gasLimit } from "../tx/TxFee.ts"
import { isPastTimeout } from "../tx/TxTimeout.ts"
import type { Outgoing } from "./ClaimBatch.ts"
import type { SubmissionKind } from "./Submission.ts"
import { type NodeAnswer, SubmissionMemory } from "./SubmissionMemory.ts"

/** Last blocks of a window for which a transaction may be replaced: one chance, and one more if that is lost too. */
const LAST_BLOCKS = 2n

/** Of so many transactions in such a state one is taken to be lost: the reward has to outweigh the fee that much. */
const LOST_ONE_IN = 10n

/** What is known of a transaction that is in no block, at the committed `block`. */
export interface OpenTx {
  readonly timeoutUnixNano: TxIntent["timeoutUnixNano"]
  /** Last height at which its messages are accepted. */
  readonly closes: bigint
  /** Height after which the first block can have it: when it was recorded, or when a node first had it. */
  readonly openSince: bigint
  /** What a node answered to its bytes at this height. */
  readonly answer: NodeAnswer
  readonly block: Pick<Block, "height" | "timeUnixNano">
  /** Expected nanoseconds between blocks. */
  readonly blockTime: bigint
  /** Blocks at the end of the window for which nothing is replaced any more (`MinerSettings`). */
  readonly marginBlocks: bigint
}

/**
 * Is this the last chance for its messages? A node that says it has the transaction is believed until as many blocks went
 * by without it as can still have it. One that will not have it is not waited for that long. While the same bytes can be
 * taken, and where the time-out passes in time for a later one, nothing is replaced.
 */
export const isLastChance = (open: OpenTx): boolean => {
  const { timeoutUnixNano, closes, openSince, answer, block, blockTime, marginBlocks } = open
  const left = closes - block.height
  if (left <= marginBlocks) return false
  if (left < 1n || left > LAST_BLOCKS) return false
  if (isPastTimeout(timeoutUnixNano, block.timeUnixNano + (left - 1n) * blockTime)) return false
  switch (answer) {
    case "known":
      return block.height - openSince >= left
    case "refused":
    case "expired":
    case "out_of_turn":
      return true
    case "taken":
    case "not_ready":
      return false
  }
}

/** Nanoseconds between blocks, as set. */
export const expectedBlockTime = Effect.map(MinerSettings, ({ submission }) => nanosOf(submission.blockTime))

/**
 * Leaves out messages that would replace a transaction and are not worth the risk of a second fee, or were replaced as
 * often as is allowed. What it gives back counts as replaced.
 */
export const worthSending = Effect.fnUntraced(function* (
  kind: SubmissionKind,
  replaced: ReadonlySet<SessionId>,
  messages: ReadonlyArray<Outgoing>
) {
  if (replaced.size === 0) return messages
  const { submission } = yield* MinerSettings
  const { gas, replacements } = yield* SubmissionMemory
  const made = replacements[kind]
  const limit = submission.fixedGasPerMessage ?? gasLimit(gas[kind], submission.gasAdjustment)
  const gasFee = feeAmount(limit, submission.gasPrice)
  const params = kind === "proof" ? yield* readFresh(ChainQuery.use((chain) => chain.proofParams)) : undefined
  return messages.filter(({ session, worth }) => {
    if (!replaced.has(session)) return true
    const count = made.get(session) ?? 0
    const fee = gasFee + (params?.proofSubmissionFee ?? 0n)
    if (count >= submission.maxReplacements || !outweighs(worth + (params?.proofMissingPenalty ?? 0n), fee))
      return false
    made.set(session, count + 1)
    return true
  })
})

/** Is `stake` (uPOKT, lost without the message) worth a `fee` (uPOKT) that may be paid for nothing? */
export const outweighs = (stake: bigint, fee: bigint): boolean => stake >= fee * LOST_ONE_IN
