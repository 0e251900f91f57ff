/** `MeterStore` over the shared memory stores; bounded, a counter of the session that ends first makes room. */
import { Effect, Layer } from "effect"
import { type MeterKey, MeterStore } from "../../domain/ports/MeterStore.ts"
import { MemoryStores } from "./MemoryStores.ts"

/** Counters kept: far more than sessions can be open for the suppliers of one process, unless nobody drops any. */
export const METER_CAPACITY = 250_000

/** Counters for at most `capacity` pairs of session and supplier. */
export const layerWith = (capacity: number) =>
  Layer.effect(
    MeterStore,
    Effect.gen(function* () {
      const { meters } = yield* MemoryStores
      const name = ({ session, supplier }: MeterKey) => `${session}|${supplier}`
      const consumed = (key: MeterKey) => meters.get(name(key)) ?? 0n

      /** Counters begun here by their session's end height: few heights. */
      const byEnd = new Map<bigint, Set<string>>()

      const forget = (counter: string, sessionEnd: bigint) => {
        meters.delete(counter)
        const counters = byEnd.get(sessionEnd)
        counters?.delete(counter)
        if (counters?.size === 0) byEnd.delete(sessionEnd)
      }

      /** The session that ends first is the least likely to be served still; of its counters the one begun first goes. */
      const makeRoom = () => {
        while (meters.size > capacity) {
          let earliest: bigint | undefined
          for (const end of byEnd.keys()) if (earliest === undefined || end < earliest) earliest = end
          const [oldest] = earliest === undefined ? meters.keys() : (byEnd.get(earliest) ?? [])
          if (oldest === undefined) return
          forget(oldest, earliest ?? 0n)
        }
      }

      const begin = (counter: string, sessionEnd: bigint) => {
        const counters = byEnd.get(sessionEnd) ?? new Set()
        byEnd.set(sessionEnd, counters.add(counter))
      }

      return MeterStore.of({
        take: ({ key, unit, wanted, limit, sessionEnd }) =>
          Effect.sync(() => {
            const room = limit - consumed(key)
            const most = wanted < room ? wanted : room
            if (unit <= 0n || most < unit) return 0n
            const taken = (most / unit) * unit
            if (!meters.has(name(key))) begin(name(key), sessionEnd)
            meters.set(name(key), consumed(key) + taken)
            makeRoom()
            return taken
          }),
        giveBack: (key, amount) =>
          Effect.sync(() => {
            // A counter that was dropped is not begun again by what comes back late.
            if (amount <= 0n || !meters.has(name(key))) return
            const left = consumed(key) - amount
            meters.set(name(key), left > 0n ? left : 0n)
          }),
        consumed: (key) => Effect.sync(() => consumed(key)),
        drop: (key) =>
          Effect.sync(() => {
            const counter = name(key)
            for (const [end, counters] of byEnd) if (counters.has(counter)) return forget(counter, end)
            meters.delete(counter)
          })
      })
    })
  )

/** `layerWith` at `METER_CAPACITY` counters. */
export const layer = layerWith(METER_CAPACITY)
