/**
 * What the caches count, under the names of the Go fleet. Labels: kinds of cached values and tiers, closed sets both;
 * never a key.
 */
import { Effect, Metric } from "effect"

/** Kinds of cached values. */
export type CacheType =
  | "application"
  | "service"
  | "account"
  | "account_key"
  | "supplier"
  | "supplier_state"
  | "service_factor"
  | "session"
  | "shared_params"
  | "shared_params_at"
  | "session_params"
  | "proof_params"
  | "compute_units"
  | "difficulty"
  | "unsettled_params"
  | "unsettled_compute_units"
  | "unsettled_difficulty"

/** The process, Redis, the chain. */
export type CacheLevel = "l1" | "l2" | "l3"

const hits = Metric.counter("ha_cache_hits_total", {
  description: "Look-ups answered by a tier; negative and shared answers of l1 count for neither",
  incremental: true
})
const misses = Metric.counter("ha_cache_misses_total", {
  description: "Look-ups that a tier could not answer",
  incremental: true
})
const latencies = Metric.histogram("ha_cache_get_latency_seconds", {
  description: "Time of one read of a tier; l1 is a map and not timed",
  boundaries: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
})
const invalidations = Metric.counter("ha_cache_invalidations_total", {
  description: "Values forgotten before their time: pubsub one, pubsub_all and missed every one of the kind",
  incremental: true
})
const ignored = Metric.counter("ha_cache_invalidations_ignored_total", {
  description: "Messages on channels of invalidations that are no such message",
  incremental: true
})
const contaminated = Metric.counter("ha_cache_contaminated_total", {
  description: "Values in Redis that do not read as what their key says, or cannot be",
  incremental: true
})
const queries = Metric.counter("ha_cache_chain_queries_total", {
  description: "Chain reads made for a cache",
  incremental: true
})
const queryErrors = Metric.counter("ha_cache_chain_query_errors_total", {
  description: "Chain reads made for a cache that found no value",
  incremental: true
})
const locks = Metric.counter("ha_cache_lock_acquisitions_total", {
  description: "Attempts to be the one replica that reads a value from the chain: acquired, lost, unavailable",
  incremental: true
})

/** The series of one kind; each call updates at once. */
export interface TypeMetrics {
  readonly hit: (level: CacheLevel) => void
  readonly missed: (level: CacheLevel) => void
  /** A read of a tier took so many seconds. */
  readonly took: (level: "l2" | "l3", seconds: number) => void
  readonly queried: (found: boolean) => void
  readonly locked: (result: "acquired" | "lost" | "unavailable") => void
  readonly invalidated: (source: "pubsub" | "pubsub_all" | "missed") => void
  readonly ignored: () => void
  readonly contaminated: () => void
}

/** The series of a kind in the registry of the calling context. */
export const typeMetrics = (type: CacheType): Effect.Effect<TypeMetrics> =>
  Effect.map(Effect.context<never>(), (context) => {
    const levels = <Input, State>(metric: Metric.Metric<Input, State>) => ({
      l1: Metric.withAttributes(metric, { cache_type: type, level: "l1" }),
      l2: Metric.withAttributes(metric, { cache_type: type, level: "l2" }),
      l3: Metric.withAttributes(metric, { cache_type: type, level: "l3" })
    })
    const [hit, miss, latency] = [levels(hits), levels(misses), levels(latencies)]
    const query = Metric.withAttributes(queries, { query_type: type })
    const queryError = Metric.withAttributes(queryErrors, { query_type: type })
    const [acquired, lost, unavailable] = [
      Metric.withAttributes(locks, { cache_type: type, result: "acquired" }),
      Metric.withAttributes(locks, { cache_type: type, result: "lost" }),
      Metric.withAttributes(locks, { cache_type: type, result: "unavailable" })
    ]
    const byResult = { acquired, lost, unavailable }
    const bySource = {
      pubsub: Metric.withAttributes(invalidations, { cache_type: type, source: "pubsub" }),
      pubsub_all: Metric.withAttributes(invalidations, { cache_type: type, source: "pubsub_all" }),
      missed: Metric.withAttributes(invalidations, { cache_type: type, source: "missed" })
    }
    const garbage = Metric.withAttributes(ignored, { cache_type: type })
    const corrupt = Metric.withAttributes(contaminated, { cache_type: type })
    return {
      hit: (level) => hit[level].updateUnsafe(1, context),
      missed: (level) => miss[level].updateUnsafe(1, context),
      took: (level, seconds) => latency[level].updateUnsafe(seconds, context),
      queried: (found) => {
        query.updateUnsafe(1, context)
        if (!found) queryError.updateUnsafe(1, context)
      },
      locked: (result) => byResult[result].updateUnsafe(1, context),
      invalidated: (source) => bySource[source].updateUnsafe(1, context),
      ignored: () => garbage.updateUnsafe(1, context),
      contaminated: () => corrupt.updateUnsafe(1, context)
    }
  })
