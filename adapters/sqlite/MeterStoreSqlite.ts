/** `MeterStore` in the database. Counters go when they are dropped, or long after their session's end. */
import { Effect, Layer } from "effect"
import { type MeterKey, MeterStore, MeterUnavailable } from "../../domain/ports/MeterStore.ts"
import { SqliteStores } from "./SqliteStores.ts"

/** Counters kept: far more than sessions can be open for the suppliers of one process. Beyond it the first to end goes. */
export const METER_CAPACITY = 250_000

/** Counters for at most `capacity` pairs of session and supplier. */
export const layerWith = (capacity: number): Layer.Layer<MeterStore, never, SqliteStores> =>
  Layer.effect(
    MeterStore,
    Effect.map(SqliteStores, ({ call }) => {
      const unavailable = (operation: MeterUnavailable["operation"]) => (cause: unknown) =>
        new MeterUnavailable({ operation, cause })
      const nameOf = ({ session, supplier }: MeterKey) => ({ session, supplier })
      return MeterStore.of({
        take: ({ key, limit, sessionEnd, unit, wanted }) =>
          call("meterTake", {
            ...nameOf(key),
            unit: String(unit),
            wanted: String(wanted),
            limit: String(limit),
            sessionEnd: String(sessionEnd),
            capacity
          }).pipe(
            Effect.mapError(unavailable("take")),
            Effect.map(({ value }) => BigInt(value))
          ),
        giveBack: (key, amount) =>
          call("meterGiveBack", { ...nameOf(key), amount: String(amount) }).pipe(
            Effect.mapError(unavailable("giveBack")),
            Effect.asVoid
          ),
        consumed: (key) =>
          call("meterConsumed", nameOf(key)).pipe(
            Effect.mapError(unavailable("consumed")),
            Effect.map(({ value }) => BigInt(value))
          ),
        drop: (key) => call("meterDrop", nameOf(key)).pipe(Effect.mapError(unavailable("drop")), Effect.asVoid)
      })
    })
  )

/** `layerWith` at `METER_CAPACITY` counters. */
export const layer = layerWith(METER_CAPACITY)
