/** How full the caches of ring verification are, summed over threads. Their bounds are in `docs/metrics.md`. */
import { Effect, type Scope } from "effect"
import { fillGauge } from "../../domain/observability/FillGauge.ts"
import type { RingVerifierFill } from "../../domain/ring/RingVerifierPure.ts"

/** Registers the gauge of each cache until the scope ends. */
export const ringCacheGauges = (fill: () => RingVerifierFill): Effect.Effect<void, never, Scope.Scope> =>
  Effect.all(
    [
      cacheGauge("members", () => fill().members),
      cacheGauge("member_tables", () => fill().memberTables),
      cacheGauge("image_tables", () => fill().imageTables)
    ],
    { discard: true }
  )

const cacheGauge = (cache: "members" | "member_tables" | "image_tables", read: () => number) =>
  fillGauge("ha_relayer_ring_cache_entries", "Entries in the caches of ring verification", read, { cache })
