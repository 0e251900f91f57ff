/**
 * Folds a batch of deliveries into the tries of their sessions. Each session's part is committed on its own, with the
 * acknowledgements of its deliveries in the commit, so that one session never stops another and nothing is acknowledged
 * that is not accounted for: a leaf, a duplicate of one, a count of late relays, or set aside.
 */
import { Clock, Effect, Metric, Option, Result, type Tracer } from "effect"
import { BulkSha256 } from "../crypto/BulkSha256.ts"
import { type Delivery, SupplierStore } from "../ports/SupplierStore.ts"
import { SessionId } from "../protocol/Identifiers.ts"
import type { SessionHeader } from "../relay/SessionHeader.ts"
import type { SessionState } from "../session/SessionState.ts"
import { sessionAttributes } from "../tracing/SessionAttributes.ts"
import { type StepOptions, StepTracer } from "../tracing/StepTracer.ts"
import { parseTraceparent } from "../tracing/Traceparent.ts"
import { checkpoint } from "./Checkpoint.ts"
import { commitSlices, type FoldOutcome, foldRelays } from "./FoldRelays.ts"
import { type MinedDelivery, type Poison, readDelivery } from "./MinedDelivery.ts"
import * as Metrics from "./MinerMetrics.ts"
import { MinerSettings } from "./MinerSettings.ts"
import { SAMPLED_RELAYS } from "./SessionCopy.ts"
import { SessionLedger } from "./SessionLedger.ts"
import { SessionTries } from "./SessionTries.ts"
import { slices } from "./Slices.ts"

/** Entries decoded and hashed in one turn of the event loop: below 2 ms with the pure hash. */
const TURN = { items: 200, bytes: 131_072 }

/** Folds and commits a batch. Returns how many deliveries stay unacknowledged: they have to be delivered again. */
export const ingestRelays = Effect.fnUntraced(function* (deliveries: ReadonlyArray<Delivery>) {
  const { lease } = yield* SessionLedger
  const { enabled, step } = yield* StepTracer
  const startedAt = yield* Clock.monotonicTimeNanos
  const left = yield* ingestBatch(deliveries).pipe(
    step("IngestRelays.batch", {
      kind: "consumer",
      root: true,
      links: enabled ? deliveries.flatMap(({ trace }) => Option.toArray(trace)).slice(0, SAMPLED_RELAYS) : [],
      attributes: {
        "relaymill.supplier": lease.supplier,
        "messaging.operation.type": "receive",
        "messaging.batch.message_count": deliveries.length
      }
    })
  )
  const seconds = Number((yield* Clock.monotonicTimeNanos) - startedAt) / 1e9
  yield* Metric.update(Metrics.batchSeconds, seconds)
  return left
})

const ingestBatch = Effect.fnUntraced(function* (deliveries: ReadonlyArray<Delivery>) {
  const { lease } = yield* SessionLedger
  const { ingest } = yield* MinerSettings
  const { sessions, poison } = yield* readBatch(lease.supplier, deliveries)
  const leftBySession = yield* Effect.forEach(
    sessions,
    ([session, relays], index) => ingestSession(session, relays, index < SAMPLED_RELAYS),
    { concurrency: ingest.concurrentSessions }
  )
  const leftAside = yield* Effect.forEach(poison, ([reason, entries]) => setAside(entries, reason))
  yield* evict
  return [...leftBySession, ...leftAside].reduce((sum, left) => sum + left, 0)
})

/** Reads all entries, in turns, and sorts them by session and by reason to set them aside. */
const readBatch = Effect.fnUntraced(function* (supplier: string, deliveries: ReadonlyArray<Delivery>) {
  const sha256 = yield* BulkSha256
  const sessions = new Map<string, Array<MinedDelivery>>()
  const headers = new Map<string, SessionHeader>()
  const poison = new Map<Poison, Array<Delivery>>()
  for (const turn of slices(deliveries, TURN, ({ data }) => data.length)) {
    for (const delivery of turn) {
      const read = readDelivery(supplier, delivery, sha256, headers)
      if (Result.isSuccess(read)) into(sessions, read.success.header.sessionId, read.success)
      else into(poison, read.failure, delivery)
    }
    yield* Effect.yieldNow
  }
  return {
    sessions: Array.from(sessions, ([id, relays]) => [SessionId.make(id), relays] as const),
    poison: [...poison]
  }
})

/** One session's part, commit by commit. What stops it leaves its remaining deliveries to be delivered again. */
const ingestSession = Effect.fnUntraced(function* (
  session: SessionId,
  relays: ReadonlyArray<MinedDelivery>,
  isLinked: boolean
) {
  const { ingest } = yield* MinerSettings
  let left = relays.length
  const commit = Effect.forEach(
    commitSlices(relays, ingest),
    (slice) =>
      Effect.map(commitSlice(session, slice, isLinked), (remaining) => {
        left -= slice.length - remaining
      }),
    { discard: true }
  )
  yield* commit.pipe(
    Effect.catchTags({
      ServiceNotFound: () =>
        Effect.map(setAside(deliveriesOf(relays), "unknown_service"), (remaining) => {
          left = remaining
        }),
      CommitRefused: (refused) =>
        refused.reason === "foreign_root"
          ? Effect.logError("somebody else wrote this session's trie", refused)
          : Effect.logWarning("commit refused, session is loaded again", refused),
      StoreUnavailable: (unavailable) =>
        Effect.logWarning("commit not confirmed, relays are delivered again", unavailable),
      ChainUnavailable: (unavailable) => Effect.logWarning("session cannot be opened without the chain", unavailable)
    }),
    // It would meet the supplier again after every start, and its other sessions with it.
    Effect.catchDefect((defect) => Effect.logError("folding relays has a defect", defect)),
    Effect.annotateLogs({ session })
  )
  if (left > 0) yield* Metrics.add(Metrics.relaysFailed, supplierLabel(relays), left)
  return left
})

/** One commit; returns how many of its relays stay unacknowledged. */
const commitSlice = Effect.fnUntraced(function* (
  session: SessionId,
  slice: ReadonlyArray<MinedDelivery>,
  isLinked: boolean
) {
  const outcome = yield* foldRelays(session, slice).pipe(continueTraces(slice))
  if (isLinked) yield* linkSession(outcome.state)
  yield* countOutcome(outcome)
  return yield* setAside(deliveriesOf(outcome.foreign), "session_header_mismatch")
})

/** Sets entries aside; returns how many stay unacknowledged because the store did not confirm. */
const setAside = Effect.fnUntraced(function* (entries: ReadonlyArray<Delivery>, reason: Poison) {
  if (entries.length === 0) return 0
  const store = yield* SupplierStore
  const { lease } = yield* SessionLedger
  const confirmed = yield* store.setAside(lease, entries, reason).pipe(
    Effect.as(true),
    Effect.catchTag("StoreUnavailable", (unavailable) =>
      Effect.as(Effect.logWarning("entries not set aside, they are delivered again", unavailable), false)
    )
  )
  if (!confirmed) return entries.length
  yield* Metrics.add(Metrics.relaysRejected, { supplier: lease.supplier, reason }, entries.length)
  yield* Effect.logError("entries of the relay log set aside").pipe(
    Effect.annotateLogs({ supplier: lease.supplier, reason, entries: entries.length })
  )
  return 0
})

/** Tries beyond the bound leave memory, checkpointed first. One that cannot be stored now stays until the next batch. */
const evict = Effect.gen(function* () {
  const tries = yield* SessionTries
  for (const session of yield* tries.beyondBound) {
    yield* Effect.andThen(checkpoint(session), tries.drop(session)).pipe(
      Effect.catchTags({
        CommitRefused: (refused) => Effect.logWarning("checkpoint refused", refused),
        StoreUnavailable: (unavailable) => Effect.logWarning("checkpoint not confirmed", unavailable)
      })
    )
  }
})

/** The consumer's side of each sampled relay's trace. */
const continueTraces =
  (relays: ReadonlyArray<MinedDelivery>) =>
  <A, E, R>(fold: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(StepTracer, ({ enabled, step }) =>
      enabled
        ? relays
            .flatMap((relay) => Option.toArray(Option.map(relay.delivery.trace, (parent) => ({ relay, parent }))))
            .reduce((inner, { relay, parent }) => step("mine", mineOptions(relay, parent))(inner), fold)
        : fold
    )

const mineOptions = ({ delivery, header, relay }: MinedDelivery, parent: Tracer.ExternalSpan): StepOptions => ({
  kind: "consumer",
  parent,
  attributes: {
    ...sessionAttributes(header, relay.supplierOperatorAddress),
    "messaging.operation.type": "process",
    "messaging.message.id": delivery.id
  }
})

/** The batch's span leads to those of its sessions. */
const linkSession = ({ traceparent }: SessionState) =>
  Effect.flatMap(StepTracer, ({ note }) => note(() => ({ links: Option.toArray(parseTraceparent(traceparent)) })))

const countOutcome = ({ state, added, duplicates, late, mispriced }: FoldOutcome) => {
  const labels = Metrics.sessionLabels(state)
  return Effect.all([
    Metrics.add(Metrics.relaysConsumed, labels, added + duplicates + late + mispriced),
    Metrics.add(Metrics.relaysAdded, labels, added),
    Metrics.add(Metrics.relaysRejected, { ...labels, reason: "duplicate" }, duplicates),
    Metrics.add(Metrics.relaysRejected, { ...labels, reason: "session_sealed" }, late),
    Metrics.add(Metrics.relaysRejected, { ...labels, reason: "cupr_mismatch" }, mispriced)
  ])
}

const deliveriesOf = (relays: ReadonlyArray<MinedDelivery>) => relays.map(({ delivery }) => delivery)

const supplierLabel = (relays: ReadonlyArray<MinedDelivery>) => ({
  supplier: relays[0]?.relay.supplierOperatorAddress ?? ""
})

const into = <K, A>(groups: Map<K, Array<A>>, key: K, item: A): void => {
  const group = groups.get(key)
  if (group === undefined) groups.set(key, [item])
  else group.push(item)
}
