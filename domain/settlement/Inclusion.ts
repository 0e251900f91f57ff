/**
 * Follows the transactions that were made durable until their fate is known: resends the same bytes while they may have
 * been lost, takes a refused message out, gives an expired one up so that it is built anew. Whatever leaves a doubt whether
 * the transaction can land keeps it, and the chain is asked.
 */
import { Effect, Option } from "effect"
import * as Metrics from "../mining/MinerMetrics.ts"
import { MinerSettings } from "../mining/MinerSettings.ts"
import { type Block, Blocks } from "../ports/Blocks.ts"
import { ChainTx, type IncludedTx, type TxRefused } from "../ports/ChainTx.ts"
import type { TxIntent } from "../ports/SupplierStore.ts"
import type { SessionId } from "../protocol/Identifiers.ts"
import type { SessionState } from "../session/SessionState.ts"
import { canLandInWindow } from "../session/SessionWindow.ts"
import { StepTracer } from "../tracing/StepTracer.ts"
import { ClaimProofStatus } from "../tx/ProofMessages.ts"
import { isPastTimeout } from "../tx/TxTimeout.ts"
import { type ClaimsOnChain, isOurs, readClaims } from "./ClaimsOnChain.ts"
import { expectedBlockTime, isLastChance } from "./Replacement.ts"
import { deliverIntent, dropIntent, noteRefusal, raiseGas } from "./SendBatch.ts"
import { type SessionGroup, statesOf } from "./SessionGroup.ts"
import {
  countFailedStep,
  type NodeAnswer,
  noteAnswer,
  SubmissionMemory,
  type SubmissionRecords
} from "./SubmissionMemory.ts"
import { isDue, isolated, type Submission } from "./Submission.ts"

/** What to do with an intent whose sessions still need it. */
export type IntentFate =
  | { readonly _tag: "Wait" }
  | { readonly _tag: "Resend" }
  /** Build anew where still due. `refused`: why it took no effect. */
  | { readonly _tag: "GiveUp"; readonly refused?: TxRefused }

/**
 * Decides at `block`. `included` is what the chain says about the hash now, `claims` what it holds of the supplier's
 * claims at this look, none when it did not say. A claim that took effect is given up only when another root is there in
 * its place: one that is not there at all was read from a node that is behind. A proof that took effect is never given up:
 * it was judged in its block, and the same root and path give the same bytes and verdict. One that is in no block is sent
 * again at each height, which a node that has it answers with "known", until block time has passed its time-out.
 */
export const intentFate = (
  intent: Pick<TxIntent, "timeoutUnixNano" | "sessions">,
  included: Option.Option<IncludedTx>,
  { kind, window }: Pick<Submission, "kind" | "window">,
  claims: Option.Option<ClaimsOnChain>,
  block: Block
): IntentFate => {
  if (Option.isSome(included)) {
    const { height, refusal } = included.value
    if (Option.isSome(refusal)) return { _tag: "GiveUp", refused: refusal.value }
    const isGone = kind === "claim" && block.height > height && isReplaced(intent, claims)
    return isGone ? { _tag: "GiveUp" } : { _tag: "Wait" }
  }
  if (isPastTimeout(intent.timeoutUnixNano, block.timeUnixNano)) return { _tag: "GiveUp" }
  return canLandInWindow(window, block.height) ? { _tag: "Resend" } : { _tag: "Wait" }
}

/** Does the chain hold another root for one of its sessions? */
const isReplaced = ({ sessions }: Pick<TxIntent, "sessions">, claims: Option.Option<ClaimsOnChain>): boolean =>
  Option.match(claims, {
    onNone: () => false,
    onSome: (held) => sessions.some(({ session, root }) => held.has(session) && !isOurs(held.get(session), root))
  })

/** What the transactions on their way mean for the sessions of a submission. */
export interface Followed {
  /** Sessions for which nothing new is built. */
  readonly covered: ReadonlySet<SessionId>
  /** Sessions whose transaction may be lost while there is a last chance for another (`Replacement`). */
  readonly replaced: ReadonlySet<SessionId>
}

/** Looks after all intents of one submission. Nothing that may belong to a session in doubt is dropped for want of others. */
export const followIntents = Effect.fnUntraced(function* (
  submission: Submission,
  intents: ReadonlyArray<TxIntent>,
  group: SessionGroup,
  claims: Option.Option<ClaimsOnChain>,
  block: Block
) {
  const memory = yield* SubmissionMemory
  const states = statesOf(group)
  const isDueNow = ({ session }: { readonly session: SessionId }) => {
    const state = states.get(session)
    return state !== undefined && isDue(submission.kind, state)
  }
  const own = intents.filter(({ kind, sessionEnd }) => kind === submission.kind && sessionEnd === submission.sessionEnd)
  const unsent = new Set(own.filter((intent, index) => isUnsent(submission, intent, own.slice(0, index), states)))
  const covered = new Set<SessionId>()
  const replaced = new Set<SessionId>()
  for (const [index, intent] of own.entries()) {
    const due = intent.sessions.filter(isDueNow)
    if (unsent.has(intent) && due.some(({ session }) => covered.has(session))) {
      yield* dropIntent(intent).pipe(isolated("drop transaction", { height: block.height }))
      continue
    }
    const later = own.slice(index + 1).flatMap((other) => (unsent.has(other) ? [] : other.sessions))
    const open: OpenIntent = {
      intent,
      due,
      openSince: openSince(intent.txHash, latestRecord(submission, due, states), memory),
      isDoubted: intent.sessions.some(({ session }) => group.doubted.has(session)),
      isSuperseded: due.every(({ session }) => later.some((other) => other.session === session))
    }
    let standing = COVERS
    yield* followIntent(submission, open, claims, block).pipe(
      Effect.tap((found) =>
        Effect.sync(() => {
          standing = found
        })
      ),
      isolated("follow transaction", { height: block.height })
    )
    for (const { session } of due) {
      if (standing === "covers") covered.add(session)
      if (standing === "last_chance") replaced.add(session)
    }
  }
  const followed: Followed = { covered, replaced }
  return followed
})

/**
 * Was it saved after the one that was last recorded for one of its sessions, and recorded for none? A transaction is
 * recorded before it is sent. This one's save was told to have failed and took effect late, or its owner fell in between.
 */
const isUnsent = (
  { kind }: Submission,
  { sessions, txHash }: TxIntent,
  earlier: ReadonlyArray<TxIntent>,
  states: ReadonlyMap<SessionId, SessionState>
): boolean => {
  const recorded = sessions.map(({ session }) => {
    const state = states.get(session)
    return state === undefined ? txHash : (kind === "claim" ? state.claim : state.proof)?.txHash
  })
  return !recorded.includes(txHash) && earlier.some((other) => recorded.includes(other.txHash))
}

/** An intent with what its sessions say about it. */
interface OpenIntent {
  readonly intent: TxIntent
  /** Its sessions that still need it. */
  readonly due: TxIntent["sessions"]
  /** Height at which it was last recorded for them, or a node first had it, which may be later. */
  readonly openSince: bigint
  /** One of its sessions cannot be read now. */
  readonly isDoubted: boolean
  /** A later intent carries all of `due` too. */
  readonly isSuperseded: boolean
}

/** Whether an intent covers its due sessions, or is gone, or may be lost while there is a last chance for another. */
type Standing = "covers" | "gone" | "last_chance"
const COVERS: Standing = "covers"

/** Height after which the first block can have a transaction. */
const openSince = (txHash: string, recordedAt: bigint, { sentAt }: SubmissionRecords): bigint => {
  const takenAt = sentAt.get(txHash)?.takenAt ?? recordedAt
  return takenAt > recordedAt ? takenAt : recordedAt
}

const latestRecord = (
  { kind }: Submission,
  due: TxIntent["sessions"],
  states: ReadonlyMap<SessionId, SessionState>
): bigint =>
  due.reduce((latest, { session }) => {
    const state = states.get(session)
    const recorded = (kind === "claim" ? state?.claim : state?.proof)?.height ?? 0n
    return recorded > latest ? recorded : latest
  }, 0n)

const followIntent = Effect.fnUntraced(function* (
  submission: Submission,
  open: OpenIntent,
  claims: Option.Option<ClaimsOnChain>,
  block: Block
) {
  const { intent, due } = open
  const memory = yield* SubmissionMemory
  const gone = Effect.as(dropIntent(intent), "gone" as Standing)
  if (due.length === 0) return open.isDoubted ? COVERS : yield* gone
  const sent = memory.sentAt.get(intent.txHash)
  if (sent?.height === block.height) return yield* standingAfter(sent.answer, submission, open, block)
  const included = yield* ChainTx.use((tx) => tx.find(intent.txHash))
  const fate = intentFate(intent, included, submission, claims, block)
  switch (fate._tag) {
    case "Wait":
      return COVERS
    case "GiveUp":
      if (fate.refused !== undefined) yield* blame(submission, due, intent, fate.refused)
      // Not found may be older than what nodes search: without the state nothing takes its place.
      if (Option.isNone(included) && (yield* hasLanded(submission, intent, due))) {
        return yield* Effect.as(countFailedStep, COVERS)
      }
      return yield* gone
    case "Resend": {
      // Its successor is on its way; the two should not land both.
      if (open.isSuperseded) return COVERS
      yield* Metrics.add(Metrics.rebroadcasts, { kind: submission.kind })
      const answer = yield* deliverIntent(submission, { ...intent, sessions: due }).pipe(
        resend(submission, intent),
        Effect.catchTag("TxRefused", (refused) =>
          // By this node, now: what it or another one took before may still land.
          Effect.as(
            blame(submission, due, intent, refused),
            refused.reason === "sequence" ? ("out_of_turn" as const) : ("refused" as const)
          )
        )
      )
      // Its turn has passed, or will not come: at two heights, and it is in no block.
      if (answer === "out_of_turn" && sent?.answer === answer && !(yield* hasLanded(submission, intent, due))) {
        memory.sequence = undefined
        return yield* gone
      }
      if (answer === "expired") {
        if (yield* hasLanded(submission, intent, due)) return yield* Effect.as(countFailedStep, COVERS)
        const { timeUnixNano } = yield* Blocks.use((blocks) => blocks.latest)
        if (isPastTimeout(intent.timeoutUnixNano, timeUnixNano)) return yield* gone
      }
      if (answer === "expired" || answer === "refused" || answer === "out_of_turn") {
        yield* noteAnswer(intent.txHash, { height: block.height, answer })
      }
      return answer === undefined ? COVERS : yield* standingAfter(answer, submission, open, block)
    }
  }
})

const standingAfter = Effect.fnUntraced(function* (
  answer: NodeAnswer,
  { window }: Submission,
  { intent, openSince, isSuperseded }: OpenIntent,
  block: Block
) {
  const { timeoutUnixNano } = intent
  const blockTime = yield* expectedBlockTime
  const marginBlocks = (yield* MinerSettings).submission.replacementMarginBlocks
  const isLast =
    !isSuperseded &&
    isLastChance({ timeoutUnixNano, closes: window.closes, openSince, answer, block, blockTime, marginBlocks })
  const standing: Standing = isLast ? "last_chance" : "covers"
  return standing
})

/** Asks the chain anew: is the transaction in a block, or its effect there? The next look then confirms it. */
const hasLanded = Effect.fnUntraced(function* ({ kind }: Submission, intent: TxIntent, due: TxIntent["sessions"]) {
  if (Option.isSome(yield* ChainTx.use((tx) => tx.find(intent.txHash)))) return true
  const { height } = yield* Blocks.use((blocks) => blocks.latest)
  const claims = yield* readClaims(height)
  return due.some(({ session, root }) => {
    const claim = claims.get(session)
    return isOurs(claim, root) && (kind === "claim" || claim.proofValidationStatus !== ClaimProofStatus.pending)
  })
})

/** The same bytes again are a trace of their own: the batch that first carried them ended long ago. */
const resend =
  ({ kind, sessionEnd }: Submission, intent: TxIntent) =>
  <A, E, R>(sent: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(StepTracer, ({ step }) =>
      step(kind === "claim" ? "SubmitClaims.resend" : "SubmitProofs.resend", {
        root: true,
        attributes: {
          "relaymill.session.end_height": Number(sessionEnd),
          "relaymill.transaction": intent.txHash,
          "relaymill.batch.messages": intent.sessions.length
        }
      })(sent)
    )

/** A refused batch took no effect for any session; only the one that the chain names is kept from its neighbours. */
const blame = Effect.fnUntraced(function* (
  { kind }: Submission,
  due: TxIntent["sessions"],
  intent: TxIntent,
  refused: TxRefused
) {
  yield* Metrics.add(Metrics.refusals, { kind, reason: refused.reason })
  yield* Effect.logWarning("transaction took no effect").pipe(
    Effect.annotateLogs({ kind, txHash: intent.txHash, log: refused.log })
  )
  if (refused.reason === "gas") yield* raiseGas(kind, intent)
  const named = refused.messageIndex === undefined ? undefined : intent.sessions[refused.messageIndex]
  if (named !== undefined) return yield* noteRefusal([named], refused, true)
  // Nobody is named: each goes alone the next time, which tells them apart.
  yield* noteRefusal(due, refused, refused.reason === "message")
})
