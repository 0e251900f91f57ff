/** `MeterStore` over the shared memory stores; bounded, the counter begun longest ago makes room. */
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

      const makeRoom = () => {
        for (const oldest of meters.keys()) {
          if (meters.size <= capacity) return
          meters.delete(oldest)
        }
      }

      return MeterStore.of({
        take: ({ key, unit, wanted, limit }) =>
          Effect.sync(() => {
            const room = limit - consumed(key)
            const most = wanted < room ? wanted : room
            if (unit <= 0n || most < unit) return 0n
            const taken = (most / unit) * unit
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
        drop: (key) => Effect.sync(() => void meters.delete(name(key)))
      })
    })
  )

/** `layerWith` at `METER_CAPACITY` counters. */
export const layer = layerWith(METER_CAPACITY)
