/**
 * The owner's side of relay streams: what earlier owners left first, then new entries, each lease as a consumer of its
 * own. One read of a supplier runs at a time. After a full batch the next one is read ahead, so that it arrives while the
 * first one is folded and committed.
 */
import { Duration, Effect, Fiber, Option, Result, type Scope, Semaphore } from "effect"
import { type Lease, LeaseLost } from "../../domain/ports/Leases.ts"
import type { Backlog, Delivery, StoreUnavailable } from "../../domain/ports/SupplierStore.ts"
import { parseTraceparent } from "../../domain/tracing/Traceparent.ts"
import { monotonicMillis } from "../../domain/lifecycle/MonotonicTime.ts"
import { singleStream, type StreamOrigin, twoStreams } from "./DeliveryIds.ts"
import { makeFenceChecks } from "./FenceChecks.ts"
import { fenceScript } from "./FencedScripts.ts"
import { RedisConnections } from "./RedisConnections.ts"
import type { RedisFailure } from "./RedisFailure.ts"
import { command } from "./RedisLink.ts"
import { bytesOf, integerOf, itemsOf, runFenced, textOf, unavailable, utf8Of } from "./StoreReplies.ts"
import type { StreamArrivals } from "./StreamArrivals.ts"
import { makeBacklogReader } from "./StreamBacklog.ts"
import { StreamLosses } from "./StreamLosses.ts"
import {
  claimOthersScript,
  dropConsumersScript,
  readScript,
  type StreamScript,
  takeOverScript
} from "./StreamScripts.ts"

/** How often the owner looks for entries that other consumers hold: a former owner's read may have run late. */
const OTHERS_EVERY = Duration.seconds(2)

/** Looks in which a new lease's stream is always among them: reads of former owners end long before. */
const YOUNG_LOOKS = 15

/** Later a stream in which nothing was pending is among every so many looks: only strangers could hold something. */
const CALM_LOOKS = 5

/** Streams whose holders are asked for in one pipeline. */
const SWEEP_CHUNK = 100

/** Batches from this size on are read ahead; small reads are not worth it. */
const READ_AHEAD_FROM = 256

/** Entries read ahead that are older are not handed out before the fence was looked at again. */
const FRESH_MILLIS = 500

/** Entries taken over at most in one look at other consumers. */
const OTHERS_AT_ONCE = 1_000

/** One stream of a supplier, as its owner reads it. */
interface Source {
  readonly origin: StreamOrigin
  readonly key: string
  /** Id after which entries that this consumer holds already are handed out again; undefined: only new ones. */
  again: string | undefined
  /** Entries in the stream at the last look, less those settled since. */
  known: number
  /** Deliveries read ahead. */
  ahead: Fiber.Fiber<ReadAhead, LeaseLost | StoreUnavailable> | undefined
}

interface ReadAhead {
  readonly entries: ReadonlyArray<Delivery>
  readonly at: number
}

/** What is known of one lease's reading. */
interface Reader {
  readonly supplier: string
  readonly lock: Semaphore.Semaphore
  readonly sources: ReadonlyArray<Source>
  /** Keys of the sources. */
  readonly keys: ReadonlyArray<string>
  isBegun: boolean
  /** Whether other consumers are to be looked at before the next read: some time has passed, or one holds something. */
  areOthersDue: boolean
  /** Begins and ends of reads so far, and how many there had been when nothing was pending: nothing can come again since. */
  reads: number
  emptyAfter: number
  /** Looks at other consumers that this reader was due for. */
  looks: number
}

/** Deliveries of suppliers whose leases are held. */
export interface SupplierStreams {
  readonly deliveries: (
    lease: Lease,
    max: number,
    wait: Duration.Duration
  ) => Effect.Effect<ReadonlyArray<Delivery>, LeaseLost | StoreUnavailable>
  readonly redeliver: (lease: Lease) => Effect.Effect<void, LeaseLost | StoreUnavailable>
  readonly backlog: (lease: Lease) => Effect.Effect<Backlog, StoreUnavailable>
  /** Notes that so many entries are out of the stream, so that they are not taken for lost. */
  readonly settled: (lease: Lease, entries: number) => void
  /** Leases read for. */
  readonly size: () => number
}

/** Reading for the present scope. */
export const makeSupplierStreams = Effect.fnUntraced(function* (
  arrivals: StreamArrivals
): Effect.fn.Return<SupplierStreams, never, RedisConnections | StreamLosses | Scope.Scope> {
  const { commands, names, topology } = yield* RedisConnections
  const losses = yield* StreamLosses
  const scope = yield* Effect.scope
  const ids = topology === "cluster" ? twoStreams : singleStream
  const readBacklog = yield* makeBacklogReader(ids)
  const checkSoon = yield* makeFenceChecks
  const { group } = names
  /** By nonce of the lease; one goes when its lease turns out to be lost, or another one of its supplier begins. */
  const readers = new Map<string, Reader>()

  const source = (origin: StreamOrigin, key: string): Source => ({
    origin,
    key,
    again: undefined,
    known: 0,
    ahead: undefined
  })

  const drop = (nonce: string) => {
    const reader = readers.get(nonce)
    readers.delete(nonce)
    for (const key of reader?.keys ?? []) arrivals.forget(key)
  }

  const readerOf = ({ nonce, supplier }: Lease): Reader => {
    const present = readers.get(nonce)
    if (present !== undefined) return present
    const own = source("own", names.relays(supplier))
    const sources = topology === "cluster" ? [own, source("go", names.stream(supplier))] : [own]
    const reader: Reader = {
      supplier,
      lock: Semaphore.makeUnsafe(1),
      sources,
      keys: sources.map(({ key }) => key),
      isBegun: false,
      areOthersDue: false,
      reads: 0,
      emptyAfter: -1,
      looks: 0
    }
    readers.set(nonce, reader)
    return reader
  }

  const checkFence = (lease: Lease) =>
    Effect.asVoid(runFenced(lease, "fence", commands.run(fenceScript, [names.fence(lease.supplier)], [lease.nonce])))

  /** What is pending at whom; nothing for a stream of which that cannot be told. */
  const summariesOf = (keys: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<unknown>, RedisFailure> =>
    topology === "cluster"
      ? Effect.forEach(keys, (key) => Effect.orElseSucceed(commands.callBytes("xpending", key, group), () => []), {
          concurrency: "unbounded"
        })
      : Effect.map(commands.pipeline(keys.map((key) => command("xpending", key, group))), (replies) =>
          replies.map(Result.getOrUndefined)
        )

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
  const begin = Effect.fnUntraced(function* (lease: Lease, reader: Reader) {
    for (const of of reader.sources) {
      let cursor = "0-0"
      do {
        const [next, deleted] = yield* fenced(lease, of, takeOverScript, [group, cursor])
        yield* losses.note(lease.supplier, integerOf(deleted), "deleted")
        cursor = textOf(next)
      } while (cursor !== "0-0" && cursor !== "")
      yield* fenced(lease, of, dropConsumersScript, [group])
      of.again = "0-0"
    }
    for (const [nonce, { supplier }] of readers) if (supplier === lease.supplier && nonce !== lease.nonce) drop(nonce)
    reader.isBegun = true
  })

  /** What other consumers got after the takeover. */
  const takeFromOthers = Effect.fnUntraced(function* (lease: Lease, reader: Reader, max: number) {
    reader.areOthersDue = false
    const taken: Array<Delivery> = []
    for (const of of reader.sources) {
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

  const take = Effect.fnUntraced(function* (lease: Lease, reader: Reader, max: number) {
    if (!reader.isBegun) yield* begin(lease, reader)
    if (reader.areOthersDue) {
      const taken = yield* takeFromOthers(lease, reader, max)
      if (taken.length > 0) return taken
    }
    const taken: Array<Delivery> = []
    for (const of of reader.sources) {
      while (of.again !== undefined && taken.length < max) {
        const wanted = max - taken.length
        const { deliveries, count, lastId } = yield* read(lease, of, wanted, of.again)
        of.again = count < wanted ? undefined : lastId
        taken.push(...deliveries)
      }
    }
    for (const of of reader.sources) {
      if (of.again === undefined && taken.length < max) taken.push(...(yield* takeNew(lease, of, max - taken.length)))
    }
    return taken
  })

  /** Counts a read as it begins and again as it ends, so that one under way is seen. */
  const counted = <A, E>(reader: Reader, read: Effect.Effect<A, E>) =>
    Effect.suspend(() => {
      reader.reads++
      return Effect.ensuring(
        read,
        Effect.sync(() => void reader.reads++)
      )
    })

  /** A reader whose lease is lost is forgotten: its supplier may never be held here again. */
  const forgetting = <A>(lease: Lease, call: Effect.Effect<A, LeaseLost | StoreUnavailable>) =>
    Effect.tapError(call, (error) =>
      Effect.sync(() => {
        if (error._tag === "LeaseLost") drop(lease.nonce)
      })
    )

  const deliveries = Effect.fnUntraced(function* (lease: Lease, max: number, wait: Duration.Duration) {
    if (max <= 0) {
      yield* checkFence(lease)
      return []
    }
    const millis = Duration.toMillis(wait)
    const deadline = (yield* monotonicMillis) + millis
    let mustRead = millis <= 0
    for (;;) {
      const reader = readerOf(lease)
      const isQuiet =
        !reader.areOthersDue && reader.sources.every((of) => of.again === undefined && arrivals.isQuiet(of.key))
      if (mustRead || !isQuiet) {
        const taken = yield* Semaphore.withPermit(reader.lock)(counted(reader, take(lease, reader, max)))
        if (taken.length > 0) return taken
      }
      const left = deadline - (yield* monotonicMillis)
      if (left <= 0) {
        if (isQuiet && !mustRead) yield* checkSoon(lease)
        return []
      }
      mustRead = false
      yield* arrivals.arrival(reader.keys, deadline)
    }
  })

  const redeliver = Effect.fnUntraced(function* (lease: Lease) {
    const reader = readers.get(lease.nonce)
    // Asked of each idle supplier every few seconds.
    if (reader !== undefined && reader.emptyAfter === reader.reads) return yield* checkSoon(lease)
    yield* checkFence(lease)
    if (reader?.isBegun !== true) return
    yield* Semaphore.withPermit(reader.lock)(
      Effect.gen(function* () {
        for (const of of reader.sources) {
          // What was read ahead is pending, too, and comes again with the rest.
          if (of.ahead !== undefined) yield* Fiber.await(of.ahead)
          of.ahead = undefined
          of.again = "0-0"
          arrivals.wake(of.key)
        }
      })
    )
  })

  const backlog = Effect.fnUntraced(function* (lease: Lease) {
    const { holders, ...backlog } = yield* readBacklog(lease.supplier)
    // Before the seal waits for what others hold, the owner takes it.
    const reader = readers.get(lease.nonce)
    if (reader !== undefined && holders.some((name) => name !== lease.nonce)) {
      reader.areOthersDue = true
      for (const key of reader.keys) arrivals.wake(key)
    }
    return backlog
  })

  /** Busy readers look at other consumers with their next read; for quiet ones it is done here, for many at once. */
  const sweep = Effect.gen(function* () {
    yield* Effect.sleep(OTHERS_EVERY)
    const quiet: Array<{
      readonly nonce: string
      readonly reader: Reader
      readonly key: string
      readonly reads: number
    }> = []
    for (const [nonce, reader] of readers) {
      const isCalm = reader.looks++ >= YOUNG_LOOKS && reader.emptyAfter === reader.reads
      if (!reader.keys.every(arrivals.isQuiet)) reader.areOthersDue = true
      else if (isCalm && reader.looks % CALM_LOOKS !== 0) continue
      else for (const key of reader.keys) quiet.push({ nonce, reader, key, reads: reader.reads })
    }
    for (let from = 0; from < quiet.length; from += SWEEP_CHUNK) {
      const asked = quiet.slice(from, from + SWEEP_CHUNK)
      const summaries = yield* summariesOf(asked.map(({ key }) => key))
      for (const [index, { nonce, reader, key, reads }] of asked.entries()) {
        const summary = itemsOf(summaries[index])
        const holders = itemsOf(summary[3])
        const isEmpty = summary.length > 0 && integerOf(summary[0]) === 0 && reader.sources.length === 1
        // An odd number of begins and ends: a read is under way.
        if (isEmpty && reads % 2 === 0 && reader.sources[0]?.ahead === undefined) reader.emptyAfter = reads
        if (holders.every((holder) => textOf(itemsOf(holder)[0]) === nonce)) continue
        reader.areOthersDue = true
        arrivals.wake(key)
      }
    }
  }).pipe(Effect.ignore)
  yield* Effect.forkScoped(Effect.forever(sweep))

  return {
    deliveries: (lease, max, wait) => forgetting(lease, deliveries(lease, max, wait)),
    redeliver: (lease) => forgetting(lease, redeliver(lease)),
    backlog,
    settled: ({ nonce }, entries) => {
      const own = readers.get(nonce)?.sources[0]
      if (own !== undefined) own.known = Math.max(0, own.known - entries)
    },
    size: () => readers.size
  }
})

const NOTHING = new Uint8Array(0)
const NO_REPLY: Result.Result<unknown, RedisFailure> = Result.succeed(undefined)
