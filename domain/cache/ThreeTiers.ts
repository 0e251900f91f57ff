/**
 * One kind of cached values in three tiers: the process, Redis, the chain. Look-ups of one key are shared, absence and
 * failure are kept for a short time each, and an invalidation leaves nothing older than itself in the process.
 */
import { Clock, Effect, Exit, Option, type Scope } from "effect"
import { fillGauge } from "../observability/FillGauge.ts"
import type { SharedCache } from "../ports/SharedCache.ts"
import { type CacheType, type TypeMetrics, typeMetrics } from "./CacheMetrics.ts"
import { isReadFresh } from "./FreshRead.ts"
import { type KeepOptions, makeKeptLookups } from "./KeptLookups.ts"
import { makeSharedTier, type SharedCodec } from "./SharedTier.ts"

/** How one kind of values is cached. */
export interface TierOptions<A, E> extends KeepOptions<A, E> {
  readonly type: CacheType
  /** None: not in Redis. */
  readonly shared: Option.Option<SharedCodec<A>>
  /** Whether look-ups trust what is in Redis; left out: yes. If not, only refreshes write there, for others. */
  readonly isSharedRead?: false
  /** Reads the chain. */
  readonly load: (key: string) => Effect.Effect<A, E>
  /** Called once a value that the chain has was put into Redis for the others. */
  readonly noted?: (key: string, value: A) => Effect.Effect<void>
  /** Tells other processes that the key has another value; left out: nobody listens. */
  readonly announce?: (key: string) => Effect.Effect<void>
}

/** The cache of one kind of values. */
export interface ThreeTiers<A, E> {
  readonly metrics: TypeMetrics
  /** What this process keeps, without I/O. `now` in milliseconds of Effect's clock. */
  readonly peek: (key: string, now: number) => A | undefined
  /** From the nearest tier that has it. Inside of `readFresh`: from the chain, kept in this process. */
  readonly get: (key: string) => Effect.Effect<A, E>
  /**
   * From the chain into Redis and this process, then told to the others: always, or only what differs. `mayWrite` is
   * asked between reading and writing; none when it says no, and when Redis did not take the value. Refreshes of one key follow
   * one another: of two at once the older could be the last to write.
   */
  readonly refresh: (
    key: string,
    how: { readonly announce: "always" | "changes"; readonly mayWrite: Effect.Effect<boolean> }
  ) => Effect.Effect<Option.Option<A>, E>
  /** Another process changed it: forgets it, and reads it again from Redis if it was in use here. */
  readonly invalidate: (key: string) => Effect.Effect<void>
  /** Forgets everything in this process. */
  readonly clear: Effect.Effect<void>
  /** Entries in this process. */
  readonly size: () => number
}

/** Builds the tiers and registers the gauge of their fill. */
export const makeThreeTiers = Effect.fnUntraced(function* <A, E>(
  options: TierOptions<A, E>
): Effect.fn.Return<ThreeTiers<A, E>, never, SharedCache | Scope.Scope> {
  const metrics = yield* typeMetrics(options.type)
  const shared = Option.getOrUndefined(
    Option.isSome(options.shared) ? Option.some(yield* makeSharedTier(options.shared.value, metrics)) : Option.none()
  )

  const load = (key: string): Effect.Effect<A, E> =>
    Effect.gen(function* () {
      const started = yield* Clock.monotonicTimeNanos
      const exit = yield* Effect.exit(options.load(key))
      metrics.took("l3", Number((yield* Clock.monotonicTimeNanos) - started) / 1e9)
      metrics.queried(Exit.isSuccess(exit))
      metrics[Exit.isSuccess(exit) ? "hit" : "missed"]("l3")
      return yield* exit
    })

  const kept = yield* makeKeptLookups<A, E>(
    Effect.fnUntraced(function* (key, ticket) {
      metrics.missed("l1")
      if (shared === undefined || options.isSharedRead === false) return yield* load(key)
      const found = yield* shared.read(key)
      if (found._tag === "Value") return found.value
      if (found._tag === "Away") return yield* load(key)
      return yield* shared.locked(
        key,
        Effect.tap(load(key), (value) =>
          Effect.andThen(shared.fill(key, value, ticket.isCurrent), options.noted?.(key, value) ?? Effect.void)
        )
      )
    }),
    options
  )
  yield* fillGauge("ha_cache_entries", "Entries kept in this process, by kind", kept.size, {
    cache_type: options.type
  })

  return {
    metrics,
    peek: kept.peek,
    get: (key) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const value = kept.peek(key, now)
        return Effect.flatMap(isReadFresh, (fresh) => {
          if (fresh) return kept.refreshWith(key, () => load(key))
          if (value === undefined) return kept.get(key)
          metrics.hit("l1")
          return Effect.succeed(value)
        })
      }),
    refresh: Effect.fnUntraced(function* (key, { announce, mayWrite }) {
      let isOther = Option.some(true)
      const refreshed = kept.refreshWith(key, () =>
        Effect.gen(function* () {
          const value = yield* Effect.mapError(load(key), (error) => ({ _tag: "Unread", error }) as const)
          if (!(yield* mayWrite)) return yield* Effect.fail({ _tag: "Superseded" } as const)
          if (shared !== undefined) isOther = yield* shared.replace(key, value)
          return value
        })
      )
      const value = yield* refreshed.pipe(
        Effect.asSome,
        Effect.catch((refused) => (refused._tag === "Unread" ? Effect.fail(refused.error) : Effect.succeedNone))
      )
      // Nobody is told of a value that is not in Redis: they would read the old one.
      if (Option.isNone(value) || Option.isNone(isOther)) return Option.none()
      if (announce === "always" || isOther.value) yield* options.announce?.(key) ?? Effect.void
      return value
    }),
    invalidate: Effect.fnUntraced(function* (key) {
      const wasKept = yield* kept.invalidate(key)
      if (!wasKept || shared === undefined || options.isSharedRead === false) return
      yield* Effect.ignore(
        kept.refreshWith(key, () =>
          Effect.flatMap(shared.read(key), (found) =>
            found._tag === "Value" ? Effect.succeed(found.value) : Effect.fail(found)
          )
        )
      )
    }),
    clear: kept.clear,
    size: kept.size
  }
})
