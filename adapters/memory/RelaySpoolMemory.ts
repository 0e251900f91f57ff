/** `RelaySpool` in memory: survives the log being away, not the end of the process. */
import { Effect, Layer, Option } from "effect"
import type { RelayLogEntry } from "../../domain/ports/RelayLog.ts"
import { RelaySpool, SpoolFull } from "../../domain/ports/RelaySpool.ts"

/** Entries kept; about 20 MB of 1 KB relays. */
export const SPOOL_LIMIT = 10_000

/** A spool over `kept`, which a simulated crash can hand to the next incarnation. */
export const layerWith = (kept: Map<number, RelayLogEntry>, limit = SPOOL_LIMIT) =>
  Layer.sync(RelaySpool, () => {
    let next = Math.max(0, ...kept.keys()) + 1
    return RelaySpool.of({
      offer: (entry) =>
        Effect.suspend(() => {
          if (kept.size >= limit) return Effect.fail(new SpoolFull({ entries: kept.size, limit }))
          kept.set(next++, entry)
          return Effect.void
        }),
      peek: (max) => Effect.sync(() => [...kept].slice(0, max).map(([id, entry]) => ({ id, entry }))),
      remove: (ids) =>
        Effect.sync(() => {
          for (const id of ids) kept.delete(id)
        }),
      size: Effect.sync(() => kept.size),
      lowestSessionEnd: Effect.sync(() => {
        let lowest: bigint | undefined
        for (const { relay } of kept.values()) {
          if (lowest === undefined || relay.sessionEndHeight < lowest) lowest = relay.sessionEndHeight
        }
        return Option.fromUndefinedOr(lowest)
      })
    })
  })

/** An empty spool. */
export const layer = Layer.suspend(() => layerWith(new Map()))
