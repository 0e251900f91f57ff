/** `RelayLog` over the shared memory stores. */
import { Clock, Effect, Layer, Option } from "effect"
import { monotonicMillis } from "../../domain/lifecycle/MonotonicTime.ts"
import { RelayLog, RelayLogFull } from "../../domain/ports/RelayLog.ts"
import { encodeMinedRelay } from "../../domain/relay/MinedRelay.ts"
import { living, MemoryStores } from "./MemoryStores.ts"

/** Entries a supplier's log may hold before appends are refused. */
export const LOG_HIGH_WATER = 1_000_000

/** Bytes a supplier's log may hold before appends are refused: at 1 KB a relay both limits are met together. */
export const LOG_HIGH_WATER_BYTES = 1_073_741_824

/** Life of a spool announcement (`RelayLog.announceSpool`). */
const SPOOL_ANNOUNCEMENT_MILLIS = 15_000

/** Logs of at most `limit` entries and `bytesLimit` bytes for each supplier, acknowledged ones not counted. */
export const layerWith = (limit: number, bytesLimit = LOG_HIGH_WATER_BYTES) =>
  Layer.effect(
    RelayLog,
    Effect.gen(function* () {
      const stores = yield* MemoryStores
      const clock = yield* Clock.Clock
      return RelayLog.of({
        append: ({ relay, trace }) =>
          Effect.suspend(() => {
            const { log } = stores.supplier(relay.supplierOperatorAddress)
            return log.size >= limit || log.bytes >= bytesLimit
              ? Effect.fail(
                  new RelayLogFull({
                    supplier: relay.supplierOperatorAddress,
                    entries: log.size,
                    limit,
                    bytes: log.bytes,
                    bytesLimit
                  })
                )
              : Effect.succeed(log.append({ data: encodeMinedRelay(relay), trace }, clock.currentTimeMillisUnsafe()))
          }),
        announceSpool: (relayer, lowestSessionEnd) =>
          Effect.map(monotonicMillis, (now) => {
            living(stores.spools, now)
            Option.match(lowestSessionEnd, {
              onNone: () => void stores.spools.delete(relayer),
              onSome: (value) => void stores.spools.set(relayer, { value, expiresAt: now + SPOOL_ANNOUNCEMENT_MILLIS })
            })
          })
      })
    })
  )

/** `layerWith` at `LOG_HIGH_WATER`. */
export const layer = layerWith(LOG_HIGH_WATER)
