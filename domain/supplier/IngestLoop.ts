/** Takes batch after batch from the log of one supplier until it is asked to stop; the batch in hand is finished. */
import { Clock, Deferred, Duration, Effect, Option } from "effect"
import { ingestRelays } from "../mining/IngestRelays.ts"
import * as Metrics from "../mining/MinerMetrics.ts"
import { MinerSettings } from "../mining/MinerSettings.ts"
import { SessionLedger } from "../mining/SessionLedger.ts"
import { SessionTries } from "../mining/SessionTries.ts"
import { type Delivery, SupplierStore } from "../ports/SupplierStore.ts"

/**
 * Ends when `stopping` is done; fails when the lease is lost. What a batch leaves unacknowledged is asked for again after
 * a pause; meanwhile the log is read on, so that a session that cannot be committed now holds up no other.
 */
export const ingestLoop = Effect.fnUntraced(function* (stopping: Deferred.Deferred<void>) {
  const { lease } = yield* SessionLedger
  const store = yield* SupplierStore
  const { ingest } = yield* MinerSettings
  const stop = Deferred.await(stopping)
  let pause = ingest.retryAfter
  let redeliverAt: bigint | undefined

  const longer = () => {
    pause = Duration.min(Duration.times(pause, 2), ingest.retryAtMost)
  }

  const next = Effect.gen(function* () {
    const now = yield* Clock.monotonicTimeNanos
    if (redeliverAt !== undefined && now >= redeliverAt) {
      yield* store.redeliver(lease)
      redeliverAt = undefined
    }
    const wait =
      redeliverAt === undefined
        ? ingest.deliveryWait
        : Duration.min(ingest.deliveryWait, Duration.nanos(redeliverAt - now))
    return yield* store.deliveries(lease, ingest.batchRelays, wait)
  }).pipe(
    Effect.catchTag("StoreUnavailable", (unavailable) =>
      Effect.logWarning("relay log cannot be read, it is tried again", unavailable).pipe(
        Effect.andThen(Effect.sleep(pause)),
        Effect.andThen(Clock.monotonicTimeNanos),
        Effect.map((now) => {
          // The answer may be what was lost: then its deliveries are ours and would never come again.
          redeliverAt = now
          longer()
        }),
        Effect.as<ReadonlyArray<Delivery>>([])
      )
    )
  )

  while (!Deferred.isDoneUnsafe(stopping)) {
    const deliveries = yield* Effect.raceFirst(next, Effect.as(stop, []))
    if (deliveries.length === 0) continue
    const left = yield* ingestRelays(deliveries)
    if (left > 0 && redeliverAt === undefined) {
      redeliverAt = (yield* Clock.monotonicTimeNanos) + Option.getOrElse(Duration.toNanos(pause), () => 0n)
      longer()
    }
    if (left === 0 && redeliverAt === undefined) pause = ingest.retryAfter
    const { tries, bytes } = yield* SessionTries.use((all) => all.resident)
    yield* Metrics.set(Metrics.sessionTrees, { supplier: lease.supplier }, tries)
    yield* Metrics.set(Metrics.sessionTreeBytes, { supplier: lease.supplier }, bytes)
  }
})
