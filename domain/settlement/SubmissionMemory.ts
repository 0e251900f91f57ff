/**
 * What the owner of a supplier remembers between two looks at its sessions and does not store: losing it at a take-over
 * costs a repetition, never a claim. Bounded by the live sessions, and by what is sent within ten minutes.
 */
import { Context, Effect } from "effect"
import type { MessageRejection } from "../ports/ChainTx.ts"
import type { SessionId } from "../protocol/Identifiers.ts"
import type { SharedNotes } from "./SharedNotes.ts"
import { noTimeouts, type UsedTimeouts } from "../tx/TxTimeout.ts"

/** Why the last attempt for a session did not succeed: the reason with which it ends when its window closes. */
export interface Obstacle {
  readonly reason:
    | "rejected"
    | "insufficient_funds"
    | "no_chain"
    | "claim_missing"
    | "self_verification_failed"
    | "proof_invalid"
  readonly detail: string
  readonly rejection?: MessageRejection
}

/** The log's position that has to be folded before a session is sealed. */
export interface SealMark {
  readonly id: string
  /** Monotonic nanoseconds of the first look. */
  readonly takenAt: bigint
  /** At the last look a relayer's spool was waited for, which may append more. */
  readonly wasAwaited: boolean
}

/**
 * What a node answers to a transaction's bytes. `taken`: it has them now. `known`: it says that it had them, or that their
 * nonce is used. `not_ready`: the same bytes may be taken later. `expired`: their time-out is not one for it.
 * `out_of_turn`: another account sequence is expected. `refused`: it will not have them, though another node may.
 */
export type NodeAnswer = "taken" | "known" | "not_ready" | "expired" | "out_of_turn" | "refused"

/** An answer and the committed height at which it was asked for. */
export interface Sent {
  readonly height: bigint
  readonly answer: NodeAnswer
  /** Committed height when a node first had it, which may be a later one: the next block can have it, no earlier one. */
  readonly takenAt?: bigint
}

/**
 * What is remembered between looks. `chain` is shared with the other suppliers of the process. Lost with the process,
 * which costs a simulation or a repetition, never a claim.
 */
export interface SubmissionRecords {
  readonly chain: SharedNotes
  timeouts: UsedTimeouts
  /** Account sequence of the next ordered transaction; undefined: the chain is asked. */
  sequence: bigint | undefined
  /** Gas of one message as last simulated. */
  gas: { claim: bigint; proof: bigint }
  /** Messages of the transaction that was simulated then; 0 before one was. */
  simulatedMessages: { claim: number; proof: number }
  /** Least gas limit of one message since a transaction ran out of gas; 0 before that. */
  leastGas: { claim: bigint; proof: bigint }
  /**
   * Messages of the smallest transaction for which fixed gas was seen to be enough, infinite before: smaller ones are
   * simulated although their gas is fixed, since what all messages share weighs more in them.
   */
  enoughFrom: { claim: number; proof: number }
  readonly obstacles: Map<SessionId, Obstacle>
  /** Sessions whose message was refused: they go alone, and only after a simulation. */
  readonly alone: Set<SessionId>
  readonly marks: Map<SessionId, SealMark>
  /** Verified proofs that are due, by the hash of the seed block that they answer. */
  readonly prepared: Map<SessionId, { readonly seed: Uint8Array; readonly proof: Uint8Array }>
  /** Second transactions built for a session whose first one may be lost. */
  readonly replacements: { readonly claim: Map<SessionId, number>; readonly proof: Map<SessionId, number> }
  /** When a node last answered a transaction, by hash, and what: it is sent once at each height. */
  readonly sentAt: Map<string, Sent>
  /** Transactions of the supplier may be stored: false once none was found, until the next one is saved. */
  hasIntents: boolean
  /** Steps of the present look that failed. */
  failedSteps: number
  /** Monotonic nanoseconds of the last failure of the store, and of the take-over. */
  storeAwayAt: bigint
}

/** The records of one supplier under one lease; begins as `freshMemory`. */
export class SubmissionMemory extends Context.Service<SubmissionMemory, SubmissionRecords>()(
  "relaymill/domain/settlement/SubmissionMemory"
) {}

/** Remembers nothing yet. `now` in monotonic nanoseconds counts as the store's return. */
export const freshMemory = (gas: SubmissionRecords["gas"], now: bigint, chain: SharedNotes): SubmissionRecords => ({
  chain,
  timeouts: noTimeouts,
  sequence: undefined,
  gas,
  simulatedMessages: { claim: 0, proof: 0 },
  leastGas: { claim: 0n, proof: 0n },
  enoughFrom: { claim: Number.POSITIVE_INFINITY, proof: Number.POSITIVE_INFINITY },
  obstacles: new Map(),
  alone: new Set(),
  marks: new Map(),
  prepared: new Map(),
  replacements: { claim: new Map(), proof: new Map() },
  sentAt: new Map(),
  hasIntents: true,
  failedSteps: 0,
  storeAwayAt: now
})

/** Counts a step that did not succeed: the look is repeated within the block. */
export const countFailedStep = Effect.map(SubmissionMemory, (memory) => {
  memory.failedSteps++
})

/** No message of a session now; the look is repeated within the block, which may be the only one of its window. */
export const noMessageNow = <R>(noted: Effect.Effect<void, never, R>) =>
  Effect.map(Effect.andThen(noted, countFailedStep), (): ReadonlyArray<never> => [])

/** Notes what a node answered to a transaction; gives the answer back. Whether one had it before is kept. */
export const noteAnswer = (txHash: string, sent: Sent) =>
  Effect.map(SubmissionMemory, (memory) => {
    const takenAt = memory.sentAt.get(txHash)?.takenAt ?? sent.takenAt
    memory.sentAt.set(txHash, { ...sent, ...(takenAt !== undefined && { takenAt }) })
    return sent.answer
  })

/** Notes why a session is stuck; `alone` keeps it from its neighbours. */
export const noteObstacle = (session: SessionId, obstacle: Obstacle, alone = false) =>
  Effect.map(SubmissionMemory, (memory) => {
    memory.obstacles.set(session, obstacle)
    if (alone) memory.alone.add(session)
  })

/** Forgets what stood in a session's way: it has got past it. */
export const clearObstacle = (session: SessionId) =>
  Effect.map(SubmissionMemory, (memory) => {
    memory.obstacles.delete(session)
    memory.alone.delete(session)
  })

/** Forgets what was noted about sessions that are not live any more. */
export const forgetOthers = (live: ReadonlySet<SessionId>) =>
  Effect.map(SubmissionMemory, (memory) => {
    const { claim, proof } = memory.replacements
    for (const notes of [memory.obstacles, memory.marks, memory.prepared, claim, proof]) {
      for (const session of notes.keys()) if (!live.has(session)) notes.delete(session)
    }
    for (const session of memory.alone) if (!live.has(session)) memory.alone.delete(session)
  })
