/** Where a supplier's streams stand, as the seal has to know it. */
import { Effect, Option, Result } from "effect"
import { type Backlog, compareLogId, type StoreUnavailable } from "../../domain/ports/SupplierStore.ts"
import type { DeliveryIds, StreamOrigin } from "./DeliveryIds.ts"
import { RedisConnections } from "./RedisConnections.ts"
import type { RedisFailure } from "./RedisFailure.ts"
import { command } from "./RedisLink.ts"
import { fieldsOf, integerOf, itemsOf, textOf, unavailable, utf8Of } from "./StoreReplies.ts"

/** The backlog, with the consumers that hold something. */
export interface HeldBacklog extends Backlog {
  readonly holders: ReadonlyArray<string>
}

/** Reads backlogs of suppliers. */
export const makeBacklogReader = Effect.fnUntraced(function* (
  ids: DeliveryIds
): Effect.fn.Return<(supplier: string) => Effect.Effect<HeldBacklog, StoreUnavailable>, never, RedisConnections> {
  const { commands, names, topology } = yield* RedisConnections
  const { group } = names

  /** Lowest session end that a relayer has announced. Few relayers have a spool at once. */
  const lowestSpooled = Effect.gen(function* () {
    const relayers = yield* commands.callBytes("zrange", names.spools, 0, -1)
    const ends = yield* Effect.forEach(
      itemsOf(relayers),
      (relayer) => commands.callBytes("get", names.spool(utf8Of(relayer))),
      { concurrency: "unbounded" }
    )
    let lowest: bigint | undefined
    for (const end of ends) {
      const text = textOf(end)
      if (!/^\d{1,19}$/.test(text)) continue
      if (lowest === undefined || BigInt(text) < lowest) lowest = BigInt(text)
    }
    return Option.fromUndefinedOr(lowest)
  })

  /** One stream. The group's position is read before what is pending: an entry is handed out, then settled. */
  const positionOf = Effect.fnUntraced(function* (origin: StreamOrigin, key: string) {
    const [groups, pending, info] = yield* commands.pipeline([
      command("xinfo", "GROUPS", key),
      command("xpending", key, group),
      command("xinfo", "STREAM", key)
    ])
    const own = itemsOf(yield* absentAs(groups, []))
      .map(fieldsOf)
      .find((fields) => textOf(fields.get("name")) === group)
    const summary = itemsOf(yield* absentAs(pending, []))
    const stream = fieldsOf(yield* absentAs(info, []))
    const id = (entryId: unknown) => ids.encode(origin, textOf(entryId) || "0-0")
    return {
      generated: id(stream.get("last-generated-id")),
      delivered: id(own?.get("last-delivered-id")),
      oldestPending: integerOf(summary[0]) > 0 ? [id(summary[1])] : [],
      holders: itemsOf(summary[3]).map((holder) => textOf(itemsOf(holder)[0]))
    }
  })

  return (supplier) =>
    Effect.gen(function* () {
      // Spools first: what one held is appended before its announcement is withdrawn.
      const lowestSpooledSessionEnd = yield* lowestSpooled
      const own = yield* positionOf("own", names.relays(supplier))
      const positions = topology === "cluster" ? [own, yield* positionOf("go", names.stream(supplier))] : [own]
      const backlog: HeldBacklog = {
        ...joinPositions(positions),
        oldestPending: Option.fromUndefinedOr(
          positions.flatMap(({ oldestPending }) => oldestPending).sort(compareLogId)[0]
        ),
        lowestSpooledSessionEnd,
        holders: positions.flatMap(({ holders }) => holders)
      }
      return backlog
    }).pipe(Effect.mapError(unavailable("backlog")))
})

/** A key or group that does not exist is no failure here. */
const absentAs = (
  result: Result.Result<unknown, RedisFailure> | undefined,
  absent: unknown
): Effect.Effect<unknown, RedisFailure> => {
  if (result === undefined) return Effect.succeed(absent)
  if (Result.isSuccess(result)) return Effect.succeed(result.success)
  const { kind, detail } = result.failure
  return kind === "nogroup" || (kind === "rejected" && detail.includes("no such key"))
    ? Effect.succeed(absent)
    : Effect.fail(result.failure)
}

/** Position of one stream, by ids of deliveries. */
export interface StreamPosition {
  readonly generated: string
  readonly delivered: string
}

/**
 * Positions of several streams as one. A stream that is not delivered to its end holds the common position back at its
 * own, so that a mark is passed only when everything that was there when it was taken is delivered.
 */
export const joinPositions = (
  positions: ReadonlyArray<StreamPosition>
): Pick<Backlog, "lastGenerated" | "lastDelivered"> => {
  const [only] = positions
  if (positions.length === 1 && only !== undefined)
    return { lastGenerated: only.generated, lastDelivered: only.delivered }
  const ascending = (all: ReadonlyArray<string>) => all.toSorted(compareLogId)
  const behind = positions.filter(({ generated, delivered }) => compareLogId(delivered, generated) < 0)
  return {
    lastGenerated: ascending(positions.map(({ generated }) => generated)).at(-1) ?? "0-0",
    lastDelivered:
      (behind.length === 0
        ? ascending(positions.map(({ delivered }) => delivered)).at(-1)
        : ascending(behind.map(({ delivered }) => delivered))[0]) ?? "0-0"
  }
}
