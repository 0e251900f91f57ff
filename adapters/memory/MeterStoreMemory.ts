/** `MeterStore` over the shared memory stores. */
import { Effect, Layer } from "effect"
import { type MeterKey, MeterStore } from "../../domain/ports/MeterStore.ts"
import { MemoryStores } from "./MemoryStores.ts"

export const layer = Layer.effect(
  MeterStore,
  Effect.gen(function* () {
    const { meters } = yield* MemoryStores
    const name = ({ session, supplier }: MeterKey) => `${session}|${supplier}`
    const consumed = (key: MeterKey) => meters.get(name(key)) ?? 0n
    return MeterStore.of({
      take: ({ key, unit, wanted, limit }) =>
        Effect.sync(() => {
          const room = limit - consumed(key)
          if (unit <= 0n || room < unit) return 0n
          const taken = wanted <= room ? wanted : (room / unit) * unit
          meters.set(name(key), consumed(key) + taken)
          return taken
        }),
      giveBack: (key, amount) =>
        Effect.sync(() => {
          const left = consumed(key) - amount
          meters.set(name(key), left > 0n ? left : 0n)
        }),
      consumed: (key) => Effect.sync(() => consumed(key)),
      drop: (key) => Effect.sync(() => void meters.delete(name(key)))
    })
  })
)
