/** `RelaySpool` in memory: survives the log being away, not the end of the process. */
import { Effect, Layer, Option } from "effect"
import type { RelayLogEntry } from "../../domain/ports/RelayLog.ts"
import { RelaySpool, SpoolFull, type SpooledEntry } from "../../domain/ports/RelaySpool.ts"

/** Entries kept; a relay that finds no room is refused. */
export const SPOOL_LIMIT = 10_000

/** Bytes of relays kept; a relay that finds no room is refused. */
export const SPOOL_LIMIT_BYTES = 268_435_456

/** A spool over `kept`, in the order of its ids, which a simulated crash can hand to the next incarnation. */
export const layerWith = (
  kept: Map<number, RelayLogEntry>,
  limit = SPOOL_LIMIT,
  bytesLimit = SPOOL_LIMIT_BYTES
): Layer.Layer<RelaySpool> =>
  Layer.sync(RelaySpool, () => {
    let last = 0
    let bytes = 0
    /** Entries by session end height: few heights, so the lowest is found without a look at the entries. */
    const heights = new Map<bigint, number>()

    const count = ({ relay }: RelayLogEntry, change: 1 | -1) => {
      bytes += change * relay.relayBytes.length
      const entries = (heights.get(relay.sessionEndHeight) ?? 0) + change
      if (entries > 0) heights.set(relay.sessionEndHeight, entries)
      else heights.delete(relay.sessionEndHeight)
    }

    for (const [id, entry] of kept) {
      last = Math.max(last, id)
      count(entry, 1)
    }

    return RelaySpool.of({
      offer: (entry) =>
        Effect.suspend(() => {
          if (kept.size >= limit || bytes + entry.relay.relayBytes.length > bytesLimit) {
            return Effect.fail(new SpoolFull({ entries: kept.size, limit, bytes, bytesLimit }))
          }
          kept.set(++last, entry)
          count(entry, 1)
          return Effect.void
        }),
      peek: (max, after = 0) =>
        Effect.sync(() => {
          const oldest: Array<SpooledEntry> = []
          for (const [id, entry] of kept) {
            if (oldest.length >= max) break
            if (id <= after) continue
            oldest.push({ id, entry })
          }
          return oldest
        }),
      remove: (ids) =>
        Effect.sync(() => {
          for (const id of ids) {
            const entry = kept.get(id)
            if (entry === undefined) continue
            kept.delete(id)
            count(entry, -1)
          }
        }),
      size: Effect.sync(() => kept.size),
      lowestSessionEnd: Effect.sync(() => {
        let lowest: bigint | undefined
        for (const height of heights.keys()) if (lowest === undefined || height < lowest) lowest = height
        return Option.fromUndefinedOr(lowest)
      })
    })
  })

/** An empty spool. */
export const layer = Layer.suspend(() => layerWith(new Map()))
