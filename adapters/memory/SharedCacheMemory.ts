/** `SharedCache` over the shared memory stores; bounded, the oldest entry makes room. */
import { Clock, Duration, Effect, Layer, Option } from "effect"
import { SharedCache } from "../../domain/ports/SharedCache.ts"
import { MemoryStores } from "./MemoryStores.ts"

/** Entries kept; beyond it the one set longest ago goes. */
const CAPACITY = 100_000

export const layer = Layer.effect(
  SharedCache,
  Effect.gen(function* () {
    const { cache } = yield* MemoryStores
    return SharedCache.of({
      get: (key) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          const entry = cache.get(key)
          return entry !== undefined && entry.expiresAt > now ? Option.some(entry.value) : Option.none()
        }),
      set: (key, value, timeToLive) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          cache.delete(key)
          cache.set(key, { value, expiresAt: now + Duration.toMillis(timeToLive) })
          if (cache.size > CAPACITY) {
            for (const oldest of cache.keys()) {
              cache.delete(oldest)
              break
            }
          }
        }),
      remove: (key) => Effect.sync(() => void cache.delete(key))
    })
  })
)
