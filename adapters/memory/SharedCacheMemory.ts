/** `SharedCache` over the shared memory stores; bounded, the entry set longest ago makes room. */
import { Duration, Effect, Layer, Option } from "effect"
import { SharedCache } from "../../domain/ports/SharedCache.ts"
import { MemoryStores, monotonicMillis } from "./MemoryStores.ts"

/** Entries kept; beyond it the one set longest ago goes. */
export const CACHE_CAPACITY = 100_000

/** A cache of at most `capacity` entries. */
export const layerWith = (capacity: number) =>
  Layer.effect(
    SharedCache,
    Effect.gen(function* () {
      const { cache } = yield* MemoryStores
      return SharedCache.of({
        get: (key) =>
          Effect.map(monotonicMillis, (now) => {
            const entry = cache.get(key)
            if (entry === undefined) return Option.none()
            if (entry.expiresAt > now) return Option.some(entry.value)
            cache.delete(key)
            return Option.none()
          }),
        set: (key, value, timeToLive) =>
          Effect.map(monotonicMillis, (now) => {
            cache.delete(key)
            cache.set(key, { value, expiresAt: now + Duration.toMillis(timeToLive) })
            for (const oldest of cache.keys()) {
              if (cache.size <= capacity) break
              cache.delete(oldest)
            }
          }),
        remove: (key) => Effect.sync(() => void cache.delete(key))
      })
    })
  )

/** `layerWith` at `CACHE_CAPACITY` entries. */
export const layer = layerWith(CACHE_CAPACITY)
