/**
 * What became of the claims of a group, from the events of the block at whose end they were settled. Heights missed while
 * nobody looked are caught up: the block is read when a session still waits for it, however late.
 */
import { Effect, Option } from "effect"
import type { ChainEvent } from "../chain/ChainEvents.ts"
import { MinerSettings } from "../mining/MinerSettings.ts"
import type { SessionCopy } from "../mining/SessionCopy.ts"
import { SessionLedger } from "../mining/SessionLedger.ts"
import type { Block } from "../ports/Blocks.ts"
import { ChainQuery } from "../ports/ChainQuery.ts"
import type { SessionCommand } from "../session/SessionDecider.ts"
import type { SessionState } from "../session/SessionState.ts"
import { sessionAttributes } from "../tracing/SessionAttributes.ts"
import { StepTracer } from "../tracing/StepTracer.ts"
import { ClaimProofStatus } from "../tx/ProofMessages.ts"
import { linksOf } from "./SendAll.ts"
import type { SessionGroup } from "./SessionGroup.ts"
import { claimMissed } from "./SubmitClaims.ts"
import { isolated } from "./Submission.ts"
import { type Obstacle, SubmissionMemory } from "./SubmissionMemory.ts"

/** Ends the sessions of a group whose settlement block is committed at `block`. */
export const settleGroup = Effect.fnUntraced(function* (group: SessionGroup, block: Block) {
  const { settlement } = group.heights
  const waiting = group.sessions.filter(({ state }) => state.status !== "open" && state.end === undefined)
  if (block.height < settlement || waiting.length === 0) return
  const { submission } = yield* MinerSettings
  const isPatienceOver = block.height >= settlement + submission.settlementPatienceBlocks
  const events = yield* ChainQuery.use((chain) => chain.blockEvents(settlement))
  if (Option.isNone(events) && !isPatienceOver) return
  yield* Effect.forEach(
    waiting,
    (copy) =>
      settleSession(copy, settlement, events, isPatienceOver).pipe(
        isolated("settle", { session: copy.session, height: block.height })
      ),
    { discard: true, concurrency: submission.concurrentSessions }
  )
})

const settleSession = Effect.fnUntraced(function* (
  copy: SessionCopy,
  height: bigint,
  events: Option.Option<ReadonlyArray<ChainEvent>>,
  isPatienceOver: boolean
) {
  const ledger = yield* SessionLedger
  const { step } = yield* StepTracer
  const memory = yield* SubmissionMemory
  const commands = Option.isSome(events)
    ? settlementCommands(copy.state, events.value, height, memory.obstacles.get(copy.session))
    : unreadable(copy.state, "block_pruned", height)
  if (commands === undefined) {
    // Not in the events: a claim that is still on chain is settled later, one that is gone was never seen to be.
    const isGone = Option.isNone(yield* ChainQuery.use((chain) => chain.claim(copy.session, ledger.lease.supplier)))
    if (!isGone && !isPatienceOver) return
  }
  yield* Effect.forEach(
    commands ?? unreadable(copy.state, "no_event", height),
    (command) => ledger.record(copy.session, command),
    { discard: true }
  ).pipe(
    step("Settlement", {
      root: true,
      links: linksOf([copy]),
      attributes: sessionAttributes(copy.state.header, copy.state.supplier)
    })
  )
})

/**
 * Commands that the events of the settlement block lead to for one session, in order; undefined when they do not mention
 * it although its claim was on chain. A proof or claim that nobody here saw included shows in them too.
 */
export const settlementCommands = (
  state: SessionState,
  events: ReadonlyArray<ChainEvent>,
  height: bigint,
  obstacle: Obstacle | undefined
): ReadonlyArray<SessionCommand> | undefined => {
  const commands: Array<SessionCommand> = []
  for (const event of events) {
    if (event._tag === "ClaimSettled" && isAbout(state, event)) {
      if (event.sessionId !== state.header.sessionId) continue
      if (!confirmsClaim(state, event)) return [missClaim(state, true, obstacle, height)]
      if (state.status === "sealed") commands.push(confirmClaim(state, event.claimedUpokt, height))
      if (state.status === "proof_required" && event.claimProofStatusInt === ClaimProofStatus.validated) {
        commands.push({ _tag: "ConfirmProof", height })
      }
      const { claimedUpokt: claimed, settledUpokt: paid, overservicingLossUpokt: overserviced } = event
      return [...commands, { _tag: "Settle", claimed, paid, overserviced, height }]
    }
    if (event._tag === "ClaimExpired" && isAbout(state, event)) {
      if (!confirmsClaim(state, event)) return [missClaim(state, true, obstacle, height)]
      if (state.status === "sealed") commands.push(confirmClaim(state, event.claimedUpokt, height))
      if (state.status === "proof_required") commands.push(missProof(state, obstacle, height))
      const slashed = events.find((slash) => slash._tag === "SupplierSlashed" && isAbout(state, slash))
      return [
        ...commands,
        {
          _tag: "Expire",
          reason: event.expirationReason,
          slashed: slashed?._tag === "SupplierSlashed" ? slashed.proofMissingPenalty : 0n,
          height
        }
      ]
    }
    if (event._tag === "ClaimDiscarded" && isAbout(state, event)) {
      return [{ _tag: "Discard", error: event.error, height }]
    }
  }
  return state.status === "sealed" ? [missClaim(state, false, obstacle, height)] : undefined
}

/** Events name the claim by application, service, session end and supplier, which is one session. */
const isAbout = (
  { header, supplier }: SessionState,
  event: {
    readonly applicationAddress: string
    readonly serviceId: string
    readonly sessionEndBlockHeight: bigint
    readonly supplierOperatorAddress: string
  }
): boolean =>
  event.supplierOperatorAddress === supplier &&
  event.applicationAddress === header.applicationAddress &&
  event.serviceId === header.serviceId &&
  event.sessionEndBlockHeight === header.sessionEndBlockHeight

/** Events carry no root: a claim that was not seen before is ours if relays and compute units are. */
const confirmsClaim = (
  state: SessionState,
  event: { readonly numRelays: bigint; readonly numClaimedComputeUnits: bigint }
): boolean =>
  state.status !== "sealed" ||
  (event.numRelays === state.accepted.count && event.numClaimedComputeUnits === state.accepted.sum)

const confirmClaim = (state: SessionState, claimedUpokt: bigint, height: bigint): SessionCommand => ({
  _tag: "ConfirmClaim",
  root: state.accepted.root,
  claimedUpokt,
  height
})

const missClaim = (
  state: SessionState,
  isForeign: boolean,
  obstacle: Obstacle | undefined,
  height: bigint
): SessionCommand => ({ _tag: "MissClaim", ...claimMissed(isForeign, obstacle, state), height })

const missProof = (state: SessionState, obstacle: Obstacle | undefined, height: bigint): SessionCommand => ({
  _tag: "MissProof",
  reason: obstacle?.reason ?? "window_closed",
  detail: obstacle?.detail ?? (state.proof === undefined ? "no proof was sent" : `transaction ${state.proof.txHash}`),
  height
})

/** The typed end of a session whose settlement cannot be seen any more. */
const unreadable = (
  state: SessionState,
  reason: "block_pruned" | "no_event",
  height: bigint
): ReadonlyArray<SessionCommand> =>
  state.status === "sealed"
    ? [{ _tag: "MissClaim", reason: "no_chain", detail: "the settlement block could not be read", height }]
    : [{ _tag: "GiveUpSettlement", reason, height }]
