/** `SharedCache` over the shared memory stores; values are bounded, the entry set longest ago makes room. */
import { equalBytes } from "@noble/curves/utils.js"
import { Duration, Effect, Layer, Option } from "effect"
import { monotonicMillis } from "../../domain/lifecycle/MonotonicTime.ts"
import { SharedCache } from "../../domain/ports/SharedCache.ts"
import { MemoryStores } from "./MemoryStores.ts"

/** Entries kept; beyond it the one set longest ago goes. */
export const CACHE_CAPACITY = 100_000

/** A cache of at most `capacity` entries. */
export const layerWith = (capacity: number) =>
  Layer.effect(
    SharedCache,
    Effect.gen(function* () {
      const { cache, cacheSets } = yield* MemoryStores

      const read = (key: string, now: number): Uint8Array | undefined => {
        const entry = cache.get(key)
        if (entry === undefined || entry.expiresAt > now) return entry?.value
        cache.delete(key)
        return undefined
      }

      const write = (key: string, value: Uint8Array, timeToLive: Duration.Duration, now: number): void => {
        cache.delete(key)
        cache.set(key, { value, expiresAt: now + Duration.toMillis(timeToLive) })
        for (const oldest of cache.keys()) {
          if (cache.size <= capacity) break
          cache.delete(oldest)
        }
      }

      return SharedCache.of({
        get: (key) => Effect.map(monotonicMillis, (now) => Option.fromUndefinedOr(read(key, now))),
        set: (key, value, timeToLive) => Effect.map(monotonicMillis, (now) => write(key, value, timeToLive, now)),
        setIfAbsent: (key, value, timeToLive) =>
          Effect.map(monotonicMillis, (now) => {
            if (read(key, now) !== undefined) return false
            write(key, value, timeToLive, now)
            return true
          }),
        remove: (key) => Effect.sync(() => void cache.delete(key)),
        removeIf: (key, value) =>
          Effect.map(monotonicMillis, (now) => {
            const found = read(key, now)
            return found !== undefined && equalBytes(found, value) && cache.delete(key)
          }),
        members: (key) => Effect.sync(() => [...(cacheSets.get(key) ?? [])]),
        changeMembers: (key, { add, remove }) =>
          Effect.sync(() => {
            const members = new Set([...(cacheSets.get(key) ?? []), ...add])
            for (const member of remove) members.delete(member)
            if (members.size > 0) cacheSets.set(key, members)
            else cacheSets.delete(key)
          })
      })
    })
  )

/** `layerWith` at `CACHE_CAPACITY` entries. */
export const layer = layerWith(CACHE_CAPACITY)
