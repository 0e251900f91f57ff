/** `SharedCache` in the database; values are bounded, the one set longest ago makes room. */
import { Duration, Effect, Layer, Option } from "effect"
import { SharedCache, SharedCacheUnavailable } from "../../domain/ports/SharedCache.ts"
import { SqliteStores } from "./SqliteStores.ts"

/** Values kept; beyond it the one set longest ago goes. */
export const CACHE_CAPACITY = 100_000

/** A cache of at most `capacity` values. */
export const layerWith = (capacity: number): Layer.Layer<SharedCache, never, SqliteStores> =>
  Layer.effect(
    SharedCache,
    Effect.map(SqliteStores, ({ call }) => {
      const unavailable = (operation: SharedCacheUnavailable["operation"]) => (cause: unknown) =>
        new SharedCacheUnavailable({ operation, cause })

      const set = (key: string, value: Uint8Array, timeToLive: Duration.Duration, onlyIfAbsent: boolean) =>
        call(
          "cacheSet",
          { key, life: Duration.isFinite(timeToLive) ? Duration.toMillis(timeToLive) : null, onlyIfAbsent, capacity },
          [value]
        )

      return SharedCache.of({
        get: (key) =>
          call("cacheGet", { key }).pipe(
            Effect.mapError(unavailable("get")),
            // A copy: what is kept for long must not keep the whole answer.
            Effect.map(({ bytes: [found], value }) => (value ? Option.fromUndefinedOr(found?.slice()) : Option.none()))
          ),
        set: (key, value, timeToLive) =>
          set(key, value, timeToLive, false).pipe(Effect.mapError(unavailable("set")), Effect.asVoid),
        setIfAbsent: (key, value, timeToLive) =>
          set(key, value, timeToLive, true).pipe(
            Effect.mapError(unavailable("setIfAbsent")),
            Effect.map(({ value: isSet }) => isSet)
          ),
        remove: (key) => call("cacheRemove", { key }).pipe(Effect.mapError(unavailable("remove")), Effect.asVoid),
        removeIf: (key, value) =>
          call("cacheRemoveIf", { key }, [value]).pipe(
            Effect.mapError(unavailable("removeIf")),
            Effect.map(({ value: isRemoved }) => isRemoved)
          ),
        members: (key) =>
          call("cacheMembers", { key }).pipe(
            Effect.mapError(unavailable("members")),
            Effect.map(({ value }) => value)
          ),
        changeMembers: (key, change) =>
          call("cacheChangeMembers", { key, ...change }).pipe(
            Effect.mapError(unavailable("changeMembers")),
            Effect.asVoid
          )
      })
    })
  )

/** `layerWith` at `CACHE_CAPACITY` values. */
export const layer = layerWith(CACHE_CAPACITY)
