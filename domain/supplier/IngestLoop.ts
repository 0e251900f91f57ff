/** Takes batch after batch from the log of one supplier until it is asked to stop; the batch in hand is finished. */
import { Clock, Deferred, Duration, Effect } from "effect"
import { nanosOf } from "../lifecycle/MonotonicTime.ts"
import { ingestRelays } from "../mining/IngestRelays.ts"
import * as Metrics from "../mining/MinerMetrics.ts"
import { MinerSettings } from "../mining/MinerSettings.ts"
import { SessionLedger } from "../mining/SessionLedger.ts"
import { SessionTries } from "../mining/SessionTries.ts"
import { type Delivery, SupplierStore } from "../ports/SupplierStore.ts"

/**
 * Ends when `stopping` is done; fails when the lease is lost. What a batch leaves unacknowledged is asked for again after
 * a pause; meanwhile the log is read on, so that a session that cannot be committed now holds up no other. Between two
 * batches nothing is in hand: whatever is still handed out to this owner then got lost on the way.
 */
export const ingestLoop = Effect.fnUntraced(function* (stopping: Deferred.Deferred<void>) {
  const { lease } = yield* SessionLedger
  const store = yield* SupplierStore
  const { ingest } = yield* MinerSettings
  const stop = Deferred.await(stopping)
  let pause = ingest.retryAfter
  let calm = ingest.redeliverEvery
  let redeliverAt = (yield* Clock.monotonicTimeNanos) + nanosOf(calm)

  const redeliverWithin = (wait: Duration.Duration, now: bigint) => {
    calm = ingest.redeliverEvery
    const at = now + nanosOf(wait)
    if (at < redeliverAt) redeliverAt = at
  }

  /** Asks for everything again after a pause that grows until a batch is settled in full. */
  const retrySoon = Effect.map(Clock.monotonicTimeNanos, (now) => {
    const wait = pause
    redeliverWithin(wait, now)
    pause = Duration.min(Duration.times(wait, 2), ingest.retryAtMost)
    return wait
  })

  const next = Effect.gen(function* () {
    const now = yield* Clock.monotonicTimeNanos
    if (now >= redeliverAt) {
      yield* store.redeliver(lease)
      calm = Duration.min(Duration.times(calm, 2), Duration.max(ingest.deliveryWait, ingest.redeliverEvery))
      redeliverAt = now + nanosOf(calm)
    }
    const wait = Duration.min(ingest.deliveryWait, Duration.nanos(redeliverAt - now))
    return yield* store.deliveries(lease, ingest.batchRelays, wait)
  }).pipe(
    Effect.catchTag("StoreUnavailable", (unavailable) =>
      Effect.logWarning("relay log cannot be read, it is tried again", unavailable).pipe(
        Effect.andThen(retrySoon),
        Effect.flatMap(Effect.sleep),
        Effect.as<ReadonlyArray<Delivery>>([])
      )
    )
  )

  while (!Deferred.isDoneUnsafe(stopping)) {
    const deliveries = yield* Effect.raceFirst(next, Effect.as(stop, []))
    if (deliveries.length === 0) continue
    redeliverWithin(ingest.redeliverEvery, yield* Clock.monotonicTimeNanos)
    const left = yield* ingestRelays(deliveries)
    if (left > 0) yield* retrySoon
    else pause = ingest.retryAfter
    const { tries, bytes } = yield* SessionTries.use((all) => all.resident)
    yield* Metrics.set(Metrics.sessionTrees, { supplier: lease.supplier }, tries)
    yield* Metrics.set(Metrics.sessionTreeBytes, { supplier: lease.supplier }, bytes)
  }
})
