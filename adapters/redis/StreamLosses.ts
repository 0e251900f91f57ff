/** Entries of relay streams that are known to have been lost: the stream vanished, or they were deleted while pending. */
import { Context, Effect, Layer, Metric } from "effect"

const lostEntries = Metric.counter("ha_miner_stream_entries_lost_total", {
  description: "Entries of relay streams that somebody removed before they were settled",
  incremental: true
})

/** Counts losses since the start, for readiness; also a metric. */
export class StreamLosses extends Context.Service<
  StreamLosses,
  {
    /** Notes `entries` lost of a supplier. Logs what has to be done. */
    readonly note: (supplier: string, entries: number, reason: "vanished" | "deleted") => Effect.Effect<void>
    /** Entries lost since the start by supplier; suppliers without loss are absent. */
    readonly lost: Effect.Effect<ReadonlyMap<string, number>>
  }
>()("relaymill/adapters/redis/StreamLosses") {
  /** No losses yet. */
  static readonly layer = Layer.sync(StreamLosses, () => {
    const lost = new Map<string, number>()
    return {
      note: (supplier, entries, reason) =>
        Effect.gen(function* () {
          if (entries <= 0) return
          lost.set(supplier, (lost.get(supplier) ?? 0) + entries)
          yield* Metric.update(Metric.withAttributes(lostEntries, { supplier, reason }), entries)
          yield* Effect.logError(
            "relay stream lost entries: find out what deletes or expires it (a Go miner trims by age), " +
              "and check that Redis evicts nothing"
          ).pipe(Effect.annotateLogs({ supplier, entries, reason }))
        }),
      lost: Effect.sync(() => lost)
    }
  })
}
