/**
 * Service factors in the shared cache. The leader publishes them again and again before they expire, so that relayers
 * do not fall back to the plain share; relayers keep what they read, absence too, until told or for a minute.
 */
import { Clock, Context, Duration, Effect, Layer, Option, Random } from "effect"
import { fillGauge } from "../observability/FillGauge.ts"
import { Broadcast } from "../ports/Broadcast.ts"
import { SharedCache, SharedCacheUnavailable } from "../ports/SharedCache.ts"
import type { Decimal } from "../protocol/Decimal.ts"
import { typeMetrics } from "./CacheMetrics.ts"
import { names } from "./CacheNames.ts"
import { encodeInvalidation } from "./Invalidation.ts"
import { makeKeptLookups } from "./KeptLookups.ts"
import { listenForInvalidations, oneOrAll } from "./ListenForInvalidations.ts"
import { decodeServiceFactor, encodeServiceFactor } from "./ServiceFactor.ts"

/** Services known to a relayer are configured, those in messages are not. */
const CAPACITY = 1_000
const FACTOR_MILLIS = Duration.toMillis("60 seconds")
const UNAVAILABLE_MILLIS = 250
/** How long a factor stays in force that Redis does not confirm. */
const STALE_MILLIS = Duration.toMillis("2 hours")
const REPLY_LIMIT = Duration.millis(250)
/** The key of the default among the services' ids, none of which is empty. */
const DEFAULT = ""

/** Factors as a leader's configuration has them. */
export interface FactorSettings {
  readonly factors: ReadonlyMap<string, Decimal>
  readonly defaultFactor: Decimal | undefined
  /** Life of a published factor; it is published again after a third of it. Go's `cache_ttl`. */
  readonly life: Duration.Duration
}

/** What relayers read. */
export class ServiceFactors extends Context.Service<
  ServiceFactors,
  {
    /**
     * The service's factor, else the default; none where neither is published. Fails only if neither Redis nor what
     * was read before can tell.
     */
    readonly factor: (service: string) => Effect.Effect<Option.Option<Decimal>, SharedCacheUnavailable>
  }
>()("relaymill/domain/cache/ServiceFactors") {
  /** Over the shared cache of the context; listens until its scope ends. */
  static readonly layer = Layer.effect(
    ServiceFactors,
    Effect.gen(function* () {
      const cache = yield* SharedCache
      const metrics = yield* typeMetrics("service_factor")

      const read = Effect.fnUntraced(function* (service: string) {
        metrics.missed("l1")
        const found = yield* cache.get(keyOf(service)).pipe(
          Effect.timeout(REPLY_LIMIT),
          Effect.catchTag("TimeoutError", (cause) =>
            Effect.fail(new SharedCacheUnavailable({ operation: "get", cause }))
          )
        )
        const factor = Option.flatMap(found, (bytes) => decodeServiceFactor(new TextDecoder().decode(bytes)))
        if (Option.isSome(found) && Option.isNone(factor)) metrics.contaminated()
        metrics[Option.isSome(factor) ? "hit" : "missed"]("l2")
        return factor
      })
      const kept = yield* makeKeptLookups(read, {
        capacity: CAPACITY,
        success: () => FACTOR_MILLIS,
        failure: () => UNAVAILABLE_MILLIS,
        stale: STALE_MILLIS
      })
      yield* fillGauge("ha_cache_entries", "Entries kept in this process, by kind", kept.size, {
        cache_type: "service_factor"
      })
      yield* listenForInvalidations([
        {
          ...oneOrAll(names.invalidations("service_factor"), "service_id", {
            metrics,
            invalidate: (service) => Effect.asVoid(kept.invalidate(service)),
            // No service named: the default.
            clear: Effect.asVoid(kept.invalidate(DEFAULT))
          }),
          forgetAll: kept.clear
        }
      ])

      const lookUp = (service: string) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          const known = kept.peek(service, now)
          if (known === undefined) return kept.get(service)
          metrics.hit("l1")
          return Effect.succeed(known)
        })

      return ServiceFactors.of({
        factor: (service) => Effect.filterOrElse(lookUp(service), Option.isSome, () => lookUp(DEFAULT))
      })
    })
  )
}

/** Publishes every factor once and tells the relayers. Factors that are not above 0 are left out. */
export const publishServiceFactors = Effect.fnUntraced(function* ({
  factors,
  defaultFactor,
  life
}: FactorSettings): Effect.fn.Return<void, SharedCacheUnavailable, Broadcast | SharedCache> {
  const cache = yield* SharedCache
  const broadcast = yield* Broadcast
  const now = Math.floor((yield* Clock.currentTimeMillis) / 1_000)
  const all = new Map(factors)
  if (defaultFactor !== undefined) all.set(DEFAULT, defaultFactor)
  for (const [service, factor] of all) {
    if (factor.numerator <= 0n) continue
    yield* cache.set(keyOf(service), new TextEncoder().encode(encodeServiceFactor(factor, now)), life)
    yield* Effect.ignore(
      // Unheard, the new factor is found within a minute.
      broadcast.publish(
        names.invalidations("service_factor"),
        encodeInvalidation("service_id", service === DEFAULT ? Option.none() : Option.some(service))
      )
    )
  }
})

/**
 * Publishes the factors now, then after each third of their life, ± a tenth of that; sooner after a failure. Runs until
 * it is interrupted: while this replica is the leader.
 */
export const keepServiceFactorsPublished = (
  settings: FactorSettings
): Effect.Effect<never, never, Broadcast | SharedCache> =>
  Effect.forever(
    Effect.gen(function* () {
      const published = yield* Effect.result(publishServiceFactors(settings))
      if (published._tag === "Failure") yield* Effect.logWarning("service factors not published", published.failure)
      const third = Duration.times(settings.life, 1 / 3)
      const pause = published._tag === "Failure" ? Duration.min(third, Duration.seconds(30)) : third
      yield* Effect.sleep(Duration.times(pause, 0.9 + 0.2 * (yield* Random.next)))
    })
  )

const keyOf = (service: string): string =>
  service === DEFAULT ? names.defaultServiceFactor : names.serviceFactor(service)
