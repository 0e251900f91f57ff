/** `RelayLog` in the database: an append returns once it is on the disk, with all that came while the disk was busy. */
import { Duration, Effect, Layer, Option } from "effect"
import { RelayLog, RelayLogFull, RelayLogUnavailable } from "../../domain/ports/RelayLog.ts"
import { encodeMinedRelay } from "../../domain/relay/MinedRelay.ts"
import { formatTraceparent } from "../../domain/tracing/Traceparent.ts"
import { logId } from "./LogId.ts"
import { SqliteStores } from "./SqliteStores.ts"

/** Entries a supplier's log may hold before appends are refused. */
export const LOG_HIGH_WATER = 1_000_000

/** Bytes a supplier's log may hold before appends are refused: at 1 KB a relay both limits are met together. */
export const LOG_HIGH_WATER_BYTES = 1_073_741_824

/** Life of a spool announcement (`RelayLog.announceSpool`). */
const SPOOL_ANNOUNCEMENT = Duration.seconds(15)

/** Limits of each supplier's log, acknowledged entries not counted, and how long an announcement lives. */
export interface RelayLogSqliteOptions {
  readonly limit?: number
  readonly bytesLimit?: number
  readonly announcementLife?: Duration.Duration
}

/** Logs within these limits. */
export const layerWith = ({
  limit = LOG_HIGH_WATER,
  bytesLimit = LOG_HIGH_WATER_BYTES,
  announcementLife = SPOOL_ANNOUNCEMENT
}: RelayLogSqliteOptions): Layer.Layer<RelayLog, never, SqliteStores> =>
  Layer.effect(
    RelayLog,
    Effect.map(SqliteStores, ({ call }) => {
      const unavailable = (operation: RelayLogUnavailable["operation"]) => (cause: unknown) =>
        new RelayLogUnavailable({ operation, cause })
      return RelayLog.of({
        append: ({ relay, trace }) =>
          call(
            "append",
            {
              supplier: relay.supplierOperatorAddress,
              traceparent: Option.isNone(trace) ? null : formatTraceparent(trace.value),
              limit,
              bytesLimit
            },
            [encodeMinedRelay(relay)]
          ).pipe(
            Effect.mapError(unavailable("append")),
            Effect.flatMap(({ value }) =>
              "sequence" in value
                ? Effect.succeed(logId(value))
                : Effect.fail(
                    new RelayLogFull({ supplier: relay.supplierOperatorAddress, ...value, limit, bytesLimit })
                  )
            )
          ),
        announceSpool: (relayer, lowestSessionEnd) =>
          call("announceSpool", {
            relayer,
            lowestSessionEnd: Option.getOrNull(lowestSessionEnd)?.toString() ?? null,
            life: Duration.toMillis(announcementLife)
          }).pipe(Effect.mapError(unavailable("announce")), Effect.asVoid)
      })
    })
  )

/** `layerWith` at `LOG_HIGH_WATER`. */
export const layer = layerWith({})
