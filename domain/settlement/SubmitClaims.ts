/**
 * Claims for the sealed sessions of a group: those worth it, in batches, each session until its claim is on chain or its
 * window has closed. Run again at each height; nothing is repeated that is on its way or done.
 */
import { Effect, Option } from "effect"
import { MinerSettings } from "../mining/MinerSettings.ts"
import type { SessionCopy } from "../mining/SessionCopy.ts"
import { SessionLedger } from "../mining/SessionLedger.ts"
import type { Block } from "../ports/Blocks.ts"
import { readFresh } from "../cache/FreshRead.ts"
import { ChainQuery } from "../ports/ChainQuery.ts"
import { ChainTx } from "../ports/ChainTx.ts"
import type { TxIntent } from "../ports/SupplierStore.ts"
import type { SessionId } from "../protocol/Identifiers.ts"
import type { SessionCommand } from "../session/SessionDecider.ts"
import type { SessionEvent } from "../session/SessionEvent.ts"
import type { SessionState } from "../session/SessionState.ts"
import { packCreateClaim } from "../tx/ProofMessages.ts"
import { type Outgoing, planBatches } from "./ClaimBatch.ts"
import { type ClaimsOnChain, isOurs } from "./ClaimsOnChain.ts"
import { planClaim } from "./ClaimPlan.ts"
import { followIntents } from "./Inclusion.ts"
import { worthSending } from "./Replacement.ts"
import { sendAll } from "./SendAll.ts"
import { isGasTrusted } from "./SendBatch.ts"
import type { SessionGroup } from "./SessionGroup.ts"
import { sessionPrices } from "./SessionTerms.ts"
import { batchBounds, isDue, isolated, type Submission } from "./Submission.ts"
import { noMessageNow, noteObstacle, type Obstacle, SubmissionMemory } from "./SubmissionMemory.ts"
import { isWindowPast, sendMode } from "./SubmissionTiming.ts"

/** One look at the claims of a group. `claims` is none when the chain did not answer. */
export const submitClaims = Effect.fnUntraced(function* (
  group: SessionGroup,
  claims: Option.Option<ClaimsOnChain>,
  intents: ReadonlyArray<TxIntent>,
  block: Block
) {
  const settings = yield* MinerSettings
  const memory = yield* SubmissionMemory
  const submission: Submission = { kind: "claim", sessionEnd: group.sessionEnd, window: group.heights.claim }
  const { covered, replaced } = yield* followIntents(submission, intents, group, claims, block)
  const due = group.sessions.filter(({ state }) => isDue("claim", state))
  if (isWindowPast(submission.window, block.height)) {
    // Only what the chain says after the window tells a missed claim from one that just was not seen yet.
    if (Option.isSome(claims)) yield* missClaims(due, intents, claims.value, block.height)
    return
  }
  const mode = sendMode(submission.window, block.height, yield* isGasTrusted("claim"))
  if (mode === "early" || mode === "closed") return
  const messages = yield* Effect.forEach(
    due.filter(({ session }) => !covered.has(session)),
    (copy) => claimMessage(copy, block.height),
    { concurrency: settings.submission.concurrentSessions }
  )
  const worthwhile = yield* worthSending("claim", replaced, messages.flat())
  if (worthwhile.length === 0) return
  const batches = planBatches(worthwhile, memory.alone, yield* batchBounds("claim"))
  yield* sendAll(submission, batches, group.sessions, block)
})

/** The session's message; none when it is skipped, or cannot be judged now. */
const claimMessage = (copy: SessionCopy, height: bigint) =>
  Effect.gen(function* () {
    const { session, state } = copy
    const { submission } = yield* MinerSettings
    const { gas, obstacles } = yield* SubmissionMemory
    const impossible = skipImpossible(obstacles.get(session), height)
    if (impossible !== undefined) {
      yield* SessionLedger.use((ledger) => ledger.record(session, impossible))
      return []
    }
    const prices = yield* sessionPrices(state.header)
    const verdict = planClaim(state.accepted, {
      ...prices,
      proofParams: yield* readFresh(ChainQuery.use((chain) => chain.proofParams)),
      gasPrice: submission.gasPrice,
      claimGas: gas.claim,
      proofGas: gas.proof
    })
    if (verdict._tag === "Skip") {
      const { reason, detail } = verdict
      yield* SessionLedger.use((ledger) => ledger.record(session, { _tag: "Skip", reason, detail, height }))
      return []
    }
    const outgoing: Outgoing = {
      session,
      root: state.accepted.root,
      worth: verdict.worth,
      wasSent: state.claim !== undefined,
      message: packCreateClaim({
        supplierOperatorAddress: state.supplier,
        sessionHeader: state.header,
        rootHash: state.accepted.root
      })
    }
    return [outgoing]
  }).pipe(
    Effect.catchTags({
      ChainUnavailable: (unavailable) =>
        noMessageNow(noteObstacle(copy.session, { reason: "no_chain", detail: unavailable.message })),
      ServiceNotFound: (notFound) =>
        Effect.as(noteObstacle(copy.session, { reason: "rejected", detail: notFound.message }), []),
      StoreUnavailable: () => noMessageNow(Effect.void),
      CommitRefused: () => noMessageNow(Effect.void),
      CommandRefused: () => Effect.succeed([])
    })
  )

/** A session without the supplier can never be claimed: its suppliers are final. Undefined if nothing of that kind was said. */
const skipImpossible = (obstacle: Obstacle | undefined, height: bigint): SessionCommand | undefined =>
  obstacle?.rejection === "supplier_not_in_session"
    ? { _tag: "Skip", reason: "supplier_not_in_session", detail: obstacle.detail, height }
    : undefined

/**
 * The window is over: every session without its claim on chain ends, with the reason that stood in its way. One whose
 * transaction took effect has its claim: the claims were read from a node that is behind.
 */
const missClaims = (
  due: ReadonlyArray<SessionCopy>,
  intents: ReadonlyArray<TxIntent>,
  claims: ClaimsOnChain,
  height: bigint
) =>
  Effect.forEach(
    due.filter(({ session, state }) => !isOurs(claims.get(session), state.accepted.root)),
    ({ session, state }) =>
      Effect.gen(function* () {
        const ledger = yield* SessionLedger
        const memory = yield* SubmissionMemory
        const obstacle = memory.obstacles.get(session)
        if (!claims.has(session) && (yield* tookEffect(session, intents))) return
        const impossible = claims.has(session) ? undefined : skipImpossible(obstacle, height)
        if (impossible !== undefined) {
          yield* ledger.record(session, impossible)
          return
        }
        const missed = claimMissed(claims.has(session), obstacle, state)
        yield* ledger.record(session, { _tag: "MissClaim", ...missed, height })
        yield* Effect.logError("claim missed").pipe(Effect.annotateLogs({ session, ...missed }))
      }).pipe(isolated("miss claim", { session, height })),
    { discard: true }
  )

const tookEffect = Effect.fnUntraced(function* (session: SessionId, intents: ReadonlyArray<TxIntent>) {
  const tx = yield* ChainTx
  const own = intents.filter(
    ({ kind, sessions }) => kind === "claim" && sessions.some((sent) => sent.session === session)
  )
  const found = yield* Effect.forEach(own, ({ txHash }) => tx.find(txHash))
  return found.some((included) => Option.isSome(included) && Option.isNone(included.value.refusal))
})

type ClaimMissed = Pick<Extract<SessionEvent, { readonly _tag: "ClaimMissed" }>, "reason" | "detail">

/** Why a claim is not there: another one is, or what the last attempt met, or time alone. */
export const claimMissed = (
  isForeignThere: boolean,
  obstacle: Obstacle | undefined,
  state: Pick<SessionState, "claim">
): ClaimMissed => {
  if (isForeignThere) return { reason: "foreign_root", detail: "the chain holds a claim with another root" }
  if (obstacle === undefined) {
    const detail =
      state.claim === undefined ? "no claim was sent" : `transaction ${state.claim.txHash} was not included`
    return { reason: "window_closed", detail }
  }
  const { reason, detail } = obstacle
  return { reason: reason === "insufficient_funds" || reason === "no_chain" ? reason : "rejected", detail }
}
