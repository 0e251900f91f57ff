/**
 * Folds relays of one session into its trie and commits them. A relay whose weight is not the chain's never becomes a
 * leaf: one such leaf would cost the whole claim. What comes after the root is final is counted, unless it is a leaf.
 */
import { Effect, Option, Result } from "effect"
import { Blocks } from "../ports/Blocks.ts"
import { ChainQuery } from "../ports/ChainQuery.ts"
import { ServiceId } from "../protocol/Identifiers.ts"
import { isSameSessionHeader, type SessionHeader } from "../relay/SessionHeader.ts"
import type { SessionId } from "../protocol/Identifiers.ts"
import { decide } from "../session/SessionDecider.ts"
import type { SessionEvent } from "../session/SessionEvent.ts"
import { evolve, type SessionState, takesRelays } from "../session/SessionState.ts"
import { canLandInWindow, claimWindow } from "../session/SessionWindow.ts"
import type { NodeWrite, Trie } from "../smst/Trie.ts"
import { sessionAttributes } from "../tracing/SessionAttributes.ts"
import { StepTracer } from "../tracing/StepTracer.ts"
import { formatTraceparent } from "../tracing/Traceparent.ts"
import { checkpointChange, deleteOrphans } from "./Checkpoint.ts"
import type { MinedDelivery } from "./MinedDelivery.ts"
import { MinerSettings } from "./MinerSettings.ts"
import { SAMPLED_RELAYS, type SessionChange, type SessionCopy } from "./SessionCopy.ts"
import { SessionLedger } from "./SessionLedger.ts"
import { rootOf, SessionTries } from "./SessionTries.ts"
import { slices } from "./Slices.ts"

/** Leaves hashed and inserted in one turn of the event loop: below 2 ms with the pure hash. */
const TURN = { items: 200, bytes: 131_072 }

/** What became of a session's relays. `foreign` name another session header under the same id and are not settled. */
export interface FoldOutcome {
  readonly state: SessionState
  readonly added: number
  readonly duplicates: number
  readonly late: number
  readonly mispriced: number
  readonly foreign: ReadonlyArray<MinedDelivery>
}

/** Commits the relays, at most one commit's worth (`commitSlices`), and acknowledges all but the foreign ones in it. */
export const foldRelays = Effect.fnUntraced(function* (session: SessionId, relays: ReadonlyArray<MinedDelivery>) {
  const ledger = yield* SessionLedger
  const [outcome, orphans] = yield* ledger.change(session, (copy) => fold(copy, relays))
  yield* deleteOrphans(session, orphans)
  return outcome
})

const fold = Effect.fnUntraced(function* (copy: SessionCopy, relays: ReadonlyArray<MinedDelivery>) {
  const opening = yield* openingEvents(copy, relays)
  const state = opening.reduce(evolve, copy.state)
  const isOwn = ({ header }: MinedDelivery) => isSameSessionHeader(header, state.header)
  const own = relays.filter(isOwn)
  const priced = own.filter(({ relay }) => relay.computeUnitsPerRelay === state.computeUnitsPerRelay)
  const isTooLate = opening.length > 0 && !(yield* canStillBeClaimed(state.header))
  const folded =
    takesRelays(state) && !isTooLate ? yield* insert({ ...copy, state }, priced) : yield* passOver(copy, state, priced)
  const mispriced = own.length - priced.length
  const events = [
    ...opening,
    ...(folded.change.events ?? []),
    ...lateEvents(state, mispriced, "compute_units_mismatch")
  ]
  const change: SessionChange = {
    ...folded.change,
    events,
    acknowledged: own.map(({ delivery }) => delivery.id),
    sampled: own.flatMap(({ delivery }) => Option.toArray(delivery.trace))
  }
  const outcome: FoldOutcome = {
    state,
    added: folded.added,
    late: folded.late,
    mispriced,
    duplicates: priced.length - folded.added - folded.late,
    foreign: own.length === relays.length ? [] : relays.filter((relay) => !isOwn(relay))
  }
  return [change, [outcome, folded.orphans] as const] as const
})

interface Folded {
  readonly change: SessionChange
  readonly added: number
  readonly late: number
  readonly orphans: ReadonlyArray<Uint8Array>
}

/** The trie takes what it does not hold yet; now and then its inner nodes are stored with it. */
const insert = Effect.fnUntraced(function* (copy: SessionCopy, relays: ReadonlyArray<MinedDelivery>) {
  const { ingest } = yield* MinerSettings
  const trie = yield* SessionTries.use((tries) => tries.ready(copy, pathsOf(relays)))
  const leaves = yield* insertInTurns(trie, relays, copy.state.computeUnitsPerRelay)
  const isCheckpointDue = copy.tailLength + leaves.length >= ingest.checkpointLeaves && copy.version > 0
  const change = isCheckpointDue
    ? yield* checkpointChange(copy, trie)
    : { tally: { root: yield* rootOf(trie), count: trie.count, sum: trie.sum } }
  const folded: Folded = {
    change: { ...change, leaves },
    added: leaves.length,
    late: 0,
    orphans: isCheckpointDue ? trie.takeDeletes() : []
  }
  return folded
})

const insertInTurns = Effect.fnUntraced(function* (trie: Trie, relays: ReadonlyArray<MinedDelivery>, weight: bigint) {
  const leaves: Array<NodeWrite> = []
  for (const turn of slices(relays, TURN, sizeOf)) {
    const inserted = trie.insertBatch(
      turn.map(({ key, path, relay }) => ({ key, path, value: relay.relayBytes, weight }))
    )
    // The paths were resolved before: a node that is still missing is a defect of the trie, not of the store.
    if (Result.isFailure(inserted)) return yield* Effect.die(inserted.failure)
    leaves.push(...inserted.success.writes)
    yield* Effect.yieldNow
  }
  return leaves
})

/**
 * The root is final: what is in the trie was delivered again, the rest is late. Of an ended session the nodes are gone,
 * so that a repeated delivery counts as late there.
 */
const passOver = Effect.fnUntraced(function* (
  copy: SessionCopy,
  state: SessionState,
  relays: ReadonlyArray<MinedDelivery>
) {
  const isFinal = state.end !== undefined || takesRelays(state)
  const trie = isFinal ? undefined : yield* SessionTries.use((tries) => tries.ready(copy, pathsOf(relays)))
  const late = new Set(
    relays
      .filter(({ path }) => trie === undefined || !Result.getOrElse(trie.has(path), () => false))
      .map(({ path }) => path.join())
  ).size
  const folded: Folded = {
    change: { events: lateEvents(state, late, isFinal ? "ended" : "sealed") },
    added: 0,
    late,
    orphans: []
  }
  return folded
})

/** First relay of a session: its price comes from the chain, at the session's start. */
const openingEvents = Effect.fnUntraced(function* (copy: SessionCopy, relays: ReadonlyArray<MinedDelivery>) {
  const none: ReadonlyArray<SessionEvent> = []
  const first = relays[0]
  if (copy.state.status !== "unopened" || first === undefined) return none
  const { header, relay } = first
  const chain = yield* ChainQuery
  const { enabled, step, context } = yield* StepTracer
  const computeUnitsPerRelay = yield* chain.computeUnitsPerRelayAt(
    ServiceId.make(header.serviceId),
    header.sessionStartBlockHeight
  )
  const span = yield* step("Session", {
    root: true,
    links: enabled ? relays.flatMap(({ delivery }) => Option.toArray(delivery.trace)).slice(0, SAMPLED_RELAYS) : [],
    attributes: sessionAttributes(header, relay.supplierOperatorAddress)
  })(context)
  return Result.getOrElse(
    decide(copy.state, {
      _tag: "Open",
      supplier: relay.supplierOperatorAddress,
      header,
      computeUnitsPerRelay,
      ...(enabled && Option.isSome(span) ? { traceparent: formatTraceparent(span.value) } : {})
    }),
    () => none
  )
})

/** Can a claim sent now still get into its window? Where the chain does not answer, the relay gets its chance. */
const canStillBeClaimed = (header: SessionHeader) =>
  Effect.gen(function* () {
    const chain = yield* ChainQuery
    const { height } = yield* Blocks.use((blocks) => blocks.latest)
    const params = yield* chain.sharedParamsAt(header.sessionEndBlockHeight)
    const window = claimWindow(params, header.sessionEndBlockHeight)
    return height < window.opens || canLandInWindow(window, height)
  }).pipe(Effect.orElseSucceed(() => true))

const lateEvents = (
  state: SessionState,
  count: number,
  reason: "sealed" | "ended" | "compute_units_mismatch"
): ReadonlyArray<SessionEvent> =>
  Result.getOrElse(
    decide(state, {
      _tag: "CountLate",
      count: BigInt(count),
      sum: BigInt(count) * state.computeUnitsPerRelay,
      reason
    }),
    () => []
  )

/** The relays of one session, cut into commits of bounded size. */
export const commitSlices = (relays: ReadonlyArray<MinedDelivery>, settings: MinerSettings["ingest"]) =>
  slices(relays, { items: settings.commitLeaves, bytes: settings.commitBytes }, sizeOf)

const sizeOf = ({ relay }: MinedDelivery): number => relay.relayBytes.length

const pathsOf = (relays: ReadonlyArray<MinedDelivery>) => relays.map(({ path }) => path)
