/**
 * What one lease reads of its supplier's streams: first what earlier owners left, then new entries, as a consumer of its
 * own and under its fence. After a full batch the next one is read ahead, so that it arrives while the first one is folded
 * and committed.
 */
import { Effect, Fiber, Option, Result, type Scope } from "effect"
import { monotonicMillis } from "../../domain/lifecycle/MonotonicTime.ts"
import { type Lease, LeaseLost } from "../../domain/ports/Leases.ts"
import type { Delivery, StoreUnavailable } from "../../domain/ports/SupplierStore.ts"
import { parseTraceparent } from "../../domain/tracing/Traceparent.ts"
import { singleStream, type StreamOrigin, twoStreams } from "./DeliveryIds.ts"
import { fenceScript } from "./FencedScripts.ts"
import { RedisConnections } from "./RedisConnections.ts"
import type { RedisFailure } from "./RedisFailure.ts"
import { command } from "./RedisLink.ts"
import { bytesOf, integerOf, itemsOf, runFenced, textOf, unavailable, utf8Of } from "./StoreReplies.ts"
import type { StreamArrivals } from "./StreamArrivals.ts"
import { StreamLosses } from "./StreamLosses.ts"
import {
  claimOthersScript,
  dropConsumersScript,
  readScript,
  type StreamScript,
  takeOverScript
} from "./StreamScripts.ts"

/** Batches from this size on are read ahead; small reads are not worth it. */
const READ_AHEAD_FROM = 256

/** Entries read ahead that are older are not handed out before the fence was looked at again. */
const FRESH_MILLIS = 500

/** Entries taken over at most in one look at other consumers. */
const OTHERS_AT_ONCE = 1_000

/** One stream of a supplier, as its owner reads it. */
export interface Source {
  readonly origin: StreamOrigin
  readonly key: string
  /** Id after which entries that this consumer holds already are handed out again; undefined: only new ones. */
  again: string | undefined
  /** Entries in the stream at the last look, less those settled since. */
  known: number
  /** Deliveries read ahead. */
  ahead: Fiber.Fiber<ReadAhead, LeaseLost | StoreUnavailable> | undefined
}

/** A batch that was read ahead, and when in monotonic milliseconds. */
export interface ReadAhead {
  readonly entries: ReadonlyArray<Delivery>
  readonly at: number
}

/** How far one lease has read. */
export interface Reading {
  readonly sources: ReadonlyArray<Source>
  isBegun: boolean
  /** Whether other consumers are to be looked at before the next read: some time has passed, or one holds something. */
  areOthersDue: boolean
}

/** Reads for leases; one read of a lease at a time. */
export interface StreamReading {
  /** Up to `max` deliveries that can be had now. */
  readonly take: (
    lease: Lease,
    reading: Reading,
    max: number
  ) => Effect.Effect<ReadonlyArray<Delivery>, LeaseLost | StoreUnavailable>
  /** Fails when the lease is not held any more. */
  readonly checkFence: (lease: Lease) => Effect.Effect<void, LeaseLost | StoreUnavailable>
}

/** Reading for the present scope. `began` hears of each lease's first read. */
export const makeStreamReading = Effect.fnUntraced(function* (
  arrivals: StreamArrivals,
  began: (lease: Lease) => void
): Effect.fn.Return<StreamReading, never, RedisConnections | StreamLosses | Scope.Scope> {
  const { commands, names, topology } = yield* RedisConnections
  const losses = yield* StreamLosses
  const scope = yield* Effect.scope
  const ids = topology === "cluster" ? twoStreams : singleStream
  const { group } = names

  const checkFence = (lease: Lease) =>
    Effect.asVoid(runFenced(lease, "fence", commands.run(fenceScript, [names.fence(lease.supplier)], [lease.nonce])))

  /** A read under the fence. Go's stream on a cluster is in another slot: the fence is looked at right before. */
  const fenced = (
    lease: Lease,
    { key, origin }: Source,
    script: StreamScript,
    args: ReadonlyArray<string | number>
  ): Effect.Effect<ReadonlyArray<unknown>, LeaseLost | StoreUnavailable> => {
    const fence = names.fence(lease.supplier)
    if (origin === "own") {
      return runFenced(lease, script.name, commands.run(script.fenced, [fence, key], [lease.nonce, ...args]))
    }
    return Effect.andThen(
      checkFence(lease),
      runFenced(lease, script.name, commands.run(script.unfenced, [key], [lease.nonce, ...args]))
    )
  }

  const toDelivery = (origin: StreamOrigin, entryId: string, fields: ReadonlyArray<unknown>): Delivery => {
    let data: Uint8Array = NOTHING
    let trace: Delivery["trace"] = Option.none()
    for (let i = 0; i + 1 < fields.length; i += 2) {
      const name = textOf(fields[i])
      if (name === "data") data = bytesOf(fields[i + 1]) ?? NOTHING
      else if (name === "traceparent") trace = parseTraceparent(utf8Of(fields[i + 1]))
    }
    return { id: ids.encode(origin, entryId), data, trace }
  }

  /** Entries with contents as deliveries; those whose contents are gone are acknowledged and counted. */
  const readable = Effect.fnUntraced(function* (lease: Lease, { key, origin }: Source, reply: unknown) {
    const deliveries: Array<Delivery> = []
    const gone: Array<string> = []
    for (const entry of itemsOf(reply)) {
      const [entryId, fields] = itemsOf(entry)
      if (Array.isArray(fields)) deliveries.push(toDelivery(origin, textOf(entryId), fields))
      else if (entryId !== undefined && entryId !== null) gone.push(textOf(entryId))
    }
    if (gone.length > 0) {
      yield* Effect.mapError(commands.call("xack", key, group, ...gone), unavailable("deliveries"))
      yield* losses.note(lease.supplier, gone.length, "deleted")
    }
    return deliveries
  })

  /** Reads up to `max` entries from `from` on. */
  const read = Effect.fnUntraced(function* (lease: Lease, of: Source, max: number, from: string) {
    const [entries, last, length, created] = yield* fenced(lease, of, readScript, [group, max, from])
    if (integerOf(created) === 1) yield* losses.note(lease.supplier, of.known, "vanished")
    of.known = integerOf(length)
    const count = itemsOf(entries).length
    const lastId = textOf(itemsOf(itemsOf(entries).at(-1))[0])
    const deliveries = yield* readable(lease, of, entries)
    return { deliveries, count, lastId, endOfStream: textOf(last) }
  })

  /** First read of a lease: what other consumers hold becomes this one's, and is handed out first. */
  const begin = Effect.fnUntraced(function* (lease: Lease, reading: Reading) {
    for (const of of reading.sources) {
      let cursor = "0-0"
      do {
        const [next, deleted] = yield* fenced(lease, of, takeOverScript, [group, cursor])
        yield* losses.note(lease.supplier, integerOf(deleted), "deleted")
        cursor = textOf(next)
      } while (cursor !== "0-0" && cursor !== "")
      yield* fenced(lease, of, dropConsumersScript, [group])
      of.again = "0-0"
    }
    reading.isBegun = true
    began(lease)
  })

  /** What other consumers got after the takeover. */
  const takeFromOthers = Effect.fnUntraced(function* (lease: Lease, reading: Reading, max: number) {
    reading.areOthersDue = false
    const taken: Array<Delivery> = []
    for (const of of reading.sources) {
      const room = Math.min(max - taken.length, OTHERS_AT_ONCE)
      if (room <= 0) continue
      const [entries, deleted] = yield* fenced(lease, of, claimOthersScript, [group, room])
      yield* losses.note(lease.supplier, integerOf(deleted), "deleted")
      taken.push(...(yield* readable(lease, of, entries)))
    }
    return taken
  })

  /** Reads the next batch without waiting for the fence; it is looked at after the read, and by every commit. */
  const readAhead = Effect.fnUntraced(function* (lease: Lease, of: Source, max: number) {
    const [, read, fence] = yield* Effect.mapError(
      commands.pipeline([
        command("persist", of.key),
        command("xreadgroup", "GROUP", group, lease.nonce, "COUNT", max, "STREAMS", of.key, ">"),
        command("get", names.fence(lease.supplier))
      ]),
      unavailable("deliveries")
    )
    const entries = Result.getOrUndefined(read ?? NO_REPLY)
    if (textOf(Result.getOrUndefined(fence ?? NO_REPLY)) !== lease.nonce) {
      return yield* new LeaseLost({ supplier: lease.supplier, owner: lease.owner })
    }
    const deliveries = yield* readable(lease, of, itemsOf(itemsOf(entries)[0])[1])
    const ahead: ReadAhead = { entries: deliveries, at: yield* monotonicMillis }
    return ahead
  })

  /** New entries: those read ahead, else read now. */
  const takeNew = Effect.fnUntraced(function* (lease: Lease, of: Source, max: number) {
    const { ahead } = of
    let entries: ReadonlyArray<Delivery> = []
    if (ahead !== undefined) {
      const found = yield* Effect.option(Fiber.join(ahead))
      of.ahead = undefined
      if (Option.isSome(found)) {
        entries = found.value.entries
        if ((yield* monotonicMillis) - found.value.at > FRESH_MILLIS) yield* checkFence(lease)
      }
    }
    if (entries.length === 0) {
      const fresh = yield* read(lease, of, max, ">")
      entries = fresh.deliveries
      if (fresh.count === 0) arrivals.watch(of.key, fresh.endOfStream)
    }
    if (topology !== "cluster" && entries.length >= READ_AHEAD_FROM && entries.length === max) {
      of.ahead = yield* Effect.forkIn(readAhead(lease, of, max), scope)
    }
    return entries
  })

  const take = Effect.fnUntraced(function* (lease: Lease, reading: Reading, max: number) {
    if (!reading.isBegun) yield* begin(lease, reading)
    if (reading.areOthersDue) {
      const taken = yield* takeFromOthers(lease, reading, max)
      if (taken.length > 0) return taken
    }
    const taken: Array<Delivery> = []
    for (const of of reading.sources) {
      while (of.again !== undefined && taken.length < max) {
        const wanted = max - taken.length
        const { deliveries, count, lastId } = yield* read(lease, of, wanted, of.again)
        of.again = count < wanted ? undefined : lastId
        taken.push(...deliveries)
      }
    }
    for (const of of reading.sources) {
      if (of.again === undefined && taken.length < max) taken.push(...(yield* takeNew(lease, of, max - taken.length)))
    }
    return taken
  })

  const reading: StreamReading = { take, checkFence }
  return reading
})

const NOTHING = new Uint8Array(0)
const NO_REPLY: Result.Result<unknown, RedisFailure> = Result.succeed(undefined)
