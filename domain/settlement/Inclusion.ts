/**
 * Follows the transactions that were made durable until their fate is known: resends the same bytes while they may have
 * been lost, takes a refused message out, gives an expired one up so that it is built anew.
 */
import { Effect, Option } from "effect"
import * as Metrics from "../mining/MinerMetrics.ts"
import type { Block } from "../ports/Blocks.ts"
import { ChainTx, type IncludedTx, type TxRefused } from "../ports/ChainTx.ts"
import type { TxIntent } from "../ports/SupplierStore.ts"
import type { SessionId } from "../protocol/Identifiers.ts"
import type { SessionState } from "../session/SessionState.ts"
import { canLandInWindow } from "../session/SessionWindow.ts"
import { StepTracer } from "../tracing/StepTracer.ts"
import { isPastTimeout } from "../tx/TxTimeout.ts"
import type { ClaimsOnChain } from "./ClaimsOnChain.ts"
import { deliverIntent, dropIntent, noteRefusal, raiseGas } from "./SendBatch.ts"
import { SubmissionMemory } from "./SubmissionMemory.ts"
import { isDue, isolated, type Submission } from "./Submission.ts"

/** What to do with an intent whose sessions still need it. */
export type IntentFate =
  | { readonly _tag: "Wait" }
  | { readonly _tag: "Resend" }
  /** Build anew where still due. `refused`: why it took no effect. */
  | { readonly _tag: "GiveUp"; readonly refused?: TxRefused }

/**
 * Decides at `block`. `included` is what the chain says about the hash now, `claims` what it holds of the supplier's
 * claims at this look, none when it did not say. A claim that took effect while the chain holds it no more is given up:
 * another one replaced it. A proof that took effect is never given up: it was judged in its block, and the same root and
 * path give the same bytes and verdict. One that is in no block is sent again at each height, which a node that has it
 * answers with "known", until block time has passed its time-out.
 */
export const intentFate = (
  intent: Pick<TxIntent, "timeoutUnixNano">,
  included: Option.Option<IncludedTx>,
  { kind, window }: Pick<Submission, "kind" | "window">,
  claims: Option.Option<ClaimsOnChain>,
  block: Block
): IntentFate => {
  if (Option.isSome(included)) {
    const { height, refusal } = included.value
    if (Option.isSome(refusal)) return { _tag: "GiveUp", refused: refusal.value }
    return kind === "claim" && Option.isSome(claims) && block.height > height ? { _tag: "GiveUp" } : { _tag: "Wait" }
  }
  if (isPastTimeout(intent.timeoutUnixNano, block.timeUnixNano)) return { _tag: "GiveUp" }
  return canLandInWindow(window, block.height) ? { _tag: "Resend" } : { _tag: "Wait" }
}

/**
 * Looks after all intents of one submission. Returns the sessions that one on its way still covers: nothing new is built
 * for them. `states` are those of live sessions; a session that is not among them has ended.
 */
export const followIntents = Effect.fnUntraced(function* (
  submission: Submission,
  intents: ReadonlyArray<TxIntent>,
  states: ReadonlyMap<SessionId, SessionState>,
  claims: Option.Option<ClaimsOnChain>,
  block: Block
) {
  const covered = new Set<SessionId>()
  for (const intent of intents) {
    if (intent.kind !== submission.kind || intent.sessionEnd !== submission.sessionEnd) continue
    const due = intent.sessions.filter(({ session }) => {
      const state = states.get(session)
      return state !== undefined && isDue(submission.kind, state)
    })
    for (const { session } of due) covered.add(session)
    yield* followIntent(submission, intent, due, claims, block).pipe(
      Effect.tap((isAlive) =>
        Effect.sync(() => {
          if (!isAlive) for (const { session } of due) covered.delete(session)
        })
      ),
      isolated("follow transaction", { height: block.height })
    )
  }
  return covered
})

/** Returns whether the intent is still on its way. */
const followIntent = Effect.fnUntraced(function* (
  submission: Submission,
  intent: TxIntent,
  due: TxIntent["sessions"],
  claims: Option.Option<ClaimsOnChain>,
  block: Block
) {
  const memory = yield* SubmissionMemory
  const drop = dropIntent(intent)
  if (due.length === 0) return yield* Effect.as(drop, false)
  if (memory.sentAt.get(intent.txHash) === block.height) return true
  const included = yield* ChainTx.use((tx) => tx.find(intent.txHash))
  const fate = intentFate(intent, included, submission, claims, block)
  switch (fate._tag) {
    case "Wait":
      return true
    case "GiveUp":
      if (fate.refused !== undefined) yield* blame(submission, due, intent, fate.refused)
      return yield* Effect.as(drop, false)
    case "Resend":
      yield* Metrics.add(Metrics.rebroadcasts, { kind: submission.kind })
      return yield* deliverIntent(submission, intent).pipe(
        Effect.as(true),
        resend(submission, intent),
        Effect.catchTag("TxRefused", (refused) => {
          if (refused.reason !== "nonce_used") {
            return drop.pipe(Effect.andThen(blame(submission, due, intent, refused)), Effect.as(false))
          }
          // Most likely by these very bytes, on their way: the next block shows them, or their time-out ends the wait.
          memory.sentAt.set(intent.txHash, block.height)
          return Effect.succeed(true)
        })
      )
  }
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
