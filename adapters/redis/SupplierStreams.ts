/**
 * The owner's side of relay streams, for all leases of a process: waits for what comes, one read of a supplier at a time,
 * hands out again what was not acknowledged, and looks at what other consumers hold.
 */
import { Duration, Effect, Fiber, Result, type Scope, Semaphore } from "effect"
import type { Lease, LeaseLost } from "../../domain/ports/Leases.ts"
import type { Backlog, Delivery, StoreUnavailable } from "../../domain/ports/SupplierStore.ts"
import { monotonicMillis } from "../../domain/lifecycle/MonotonicTime.ts"
import { singleStream, type StreamOrigin, twoStreams } from "./DeliveryIds.ts"
import { makeFenceChecks } from "./FenceChecks.ts"
import { RedisConnections } from "./RedisConnections.ts"
import type { RedisFailure } from "./RedisFailure.ts"
import { command } from "./RedisLink.ts"
import { integerOf, itemsOf, textOf } from "./StoreReplies.ts"
import type { StreamArrivals } from "./StreamArrivals.ts"
import { makeBacklogReader } from "./StreamBacklog.ts"
import type { StreamLosses } from "./StreamLosses.ts"
import { makeStreamReading, type Reading, type Source } from "./StreamReading.ts"

/** How often the owner looks for entries that other consumers hold: a former owner's read may have run late. */
const OTHERS_EVERY = Duration.seconds(2)

/** Looks in which a new lease's stream is always among them: reads of former owners end long before. */
const YOUNG_LOOKS = 15

/** Later a stream in which nothing was pending is among every so many looks: only strangers could hold something. */
const CALM_LOOKS = 15

/** Streams whose holders are asked for in one pipeline. */
const SWEEP_CHUNK = 100

/** What is known of one lease's reading. */
interface Reader extends Reading {
  readonly supplier: string
  readonly lock: Semaphore.Semaphore
  /** Keys of the sources. */
  readonly keys: ReadonlyArray<string>
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

  /** A supplier's new lease has taken over: nothing is read for its earlier ones any more. */
  const dropOthers = ({ nonce, supplier }: Lease) => {
    for (const [other, reader] of readers) if (reader.supplier === supplier && other !== nonce) drop(other)
  }
  const reading = yield* makeStreamReading(arrivals, dropOthers)

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

  /** What is pending at whom; nothing for a stream of which that cannot be told. */
  const summariesOf = (keys: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<unknown>, RedisFailure> =>
    topology === "cluster"
      ? Effect.forEach(keys, (key) => Effect.orElseSucceed(commands.callBytes("xpending", key, group), () => []), {
          concurrency: "unbounded"
        })
      : Effect.map(commands.pipeline(keys.map((key) => command("xpending", key, group))), (replies) =>
          replies.map(Result.getOrUndefined)
        )

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
      yield* reading.checkFence(lease)
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
        const taken = yield* Semaphore.withPermit(reader.lock)(counted(reader, reading.take(lease, reader, max)))
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
    yield* reading.checkFence(lease)
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
