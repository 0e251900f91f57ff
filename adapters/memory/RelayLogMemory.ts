/** `RelayLog` over the shared memory stores. */
import { Clock, Effect, Layer, Option } from "effect"
import { RelayLog, RelayLogFull } from "../../domain/ports/RelayLog.ts"
import { encodeMinedRelay } from "../../domain/relay/MinedRelay.ts"
import { LOG_HIGH_WATER, MemoryStores } from "./MemoryStores.ts"

/** Life of a spool announcement (`design.md`, Seal). */
const SPOOL_ANNOUNCEMENT_MILLIS = 15_000

export const layer = Layer.effect(
  RelayLog,
  Effect.gen(function* () {
    const stores = yield* MemoryStores
    return RelayLog.of({
      append: ({ relay, trace }) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          const { log } = stores.supplier(relay.supplierOperatorAddress)
          return log.size >= LOG_HIGH_WATER
            ? Effect.fail(
                new RelayLogFull({ supplier: relay.supplierOperatorAddress, entries: log.size, limit: LOG_HIGH_WATER })
              )
            : Effect.succeed(log.append({ data: encodeMinedRelay(relay), trace }, now))
        }),
      announceSpool: (relayer, lowestSessionEnd) =>
        Effect.map(Clock.currentTimeMillis, (now) =>
          Option.match(lowestSessionEnd, {
            onNone: () => void stores.spools.delete(relayer),
            onSome: (value) => void stores.spools.set(relayer, { value, expiresAt: now + SPOOL_ANNOUNCEMENT_MILLIS })
          })
        )
    })
  })
)
