/**
 * The leader's part in the caches: reads what all replicas use from the chain and puts it into Redis, so that one
 * replica asks the chain and the others are told. Everything it writes is derived from the chain and may be repeated;
 * a mark in Redis keeps a leader that lags from undoing what another wrote at a later height.
 */
import { Clock, Duration, Effect, Metric, Option, Result, Stream } from "effect"
import { Blocks } from "../ports/Blocks.ts"
import { SharedCache } from "../ports/SharedCache.ts"
import { PLACEHOLDER, ringAddresses } from "../ring/RingMembers.ts"
import { textToBytes } from "../wire/ByteText.ts"
import { names } from "./CacheNames.ts"
import { ChainCaches } from "./ChainCaches.ts"
import type { ThreeTiers } from "./ThreeTiers.ts"

/** Blocks from one refresh to the next; the Go leader's. */
export const REFRESH_BLOCKS = 4n
/** Longest refresh; what is not done by then waits for the next. */
const REFRESH_LIMIT = Duration.seconds(30)
/** Records read from the chain at once. */
const CONCURRENCY = 16
/** Most applications, and most services, that are refreshed; further ones live by their own times. */
export const KNOWN_LIMIT = 10_000
/** Life of the mark: long enough for an overlap of leaders, short enough for a chain that begins anew. */
const MARK_LIFE = Duration.minutes(5)

const refreshes = Metric.counter("ha_cache_orchestrator_refreshes_total", {
  description: "Refreshes of the shared caches by this replica as leader: done, partial, superseded, unavailable",
  incremental: true
})
const refreshSeconds = Metric.histogram("ha_cache_orchestrator_refresh_duration_seconds", {
  description: "Time of one refresh of the shared caches",
  boundaries: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
})

/** What became of a refresh. `superseded`: a leader has refreshed at this height or a later one. */
export type RefreshOutcome = "done" | "partial" | "superseded" | "unavailable"

/** Warm-up at the start of a replica. */
export interface WarmUpSettings {
  /** Applications of the configuration, which may have no session yet. */
  readonly applications: ReadonlyArray<string>
  readonly concurrency: number
  readonly limit: Duration.Duration
}

type RefreshPorts = ChainCaches | SharedCache

/** Refreshes at the first block and then every 4, until it is interrupted: while this replica is the leader. */
export const keepCachesFresh: Effect.Effect<void, never, Blocks | RefreshPorts> = Effect.gen(function* () {
  const blocks = yield* Blocks
  let next = 0n
  yield* Stream.runForEach(blocks.changes, ({ height }) => {
    if (height < next) return Effect.void
    next = height + REFRESH_BLOCKS
    return refreshCaches(height)
  })
})

/** One refresh as of `height`; at most 30 s, never fails. */
export const refreshCaches = Effect.fnUntraced(function* (
  height: bigint
): Effect.fn.Return<RefreshOutcome, never, RefreshPorts> {
  const started = yield* Clock.monotonicTimeNanos
  const finished = yield* Effect.timeoutOption(refreshAll(height), REFRESH_LIMIT)
  const outcome = Option.getOrElse(finished, (): RefreshOutcome => "partial")
  yield* Metric.update(Metric.withAttributes(refreshes, { outcome }), 1)
  yield* Metric.update(refreshSeconds, Number((yield* Clock.monotonicTimeNanos) - started) / 1e9)
  if (outcome === "partial" || outcome === "unavailable") {
    yield* Effect.logWarning("shared caches not refreshed").pipe(Effect.annotateLogs({ height, outcome }))
  }
  return outcome
})

const refreshAll = Effect.fnUntraced(function* (height: bigint): Effect.fn.Return<RefreshOutcome, never, RefreshPorts> {
  const cache = yield* SharedCache
  const caches = yield* ChainCaches
  const markKey = names.own("refreshed_at")
  /** Height of the latest refresh; fails when Redis is away. */
  const mark = Effect.map(cache.get(markKey), (bytes) => Option.getOrElse(Option.flatMap(bytes, heightOf), () => 0n))

  const before = yield* Effect.option(mark)
  if (Option.isNone(before)) return "unavailable"
  if (before.value >= height) return "superseded"
  const marked = yield* Effect.option(cache.set(markKey, textToBytes(height.toString()), MARK_LIFE))
  if (Option.isNone(marked)) return "unavailable"

  /** Asked right before each write: nobody else has begun at a later height. */
  const mayWrite = Effect.orElseSucceed(
    Effect.map(mark, (latest) => latest <= height),
    () => false
  )
  const always = { announce: "always", mayWrite } as const
  const changes = { announce: "changes", mayWrite } as const
  /** False: the chain did not answer, or somebody else has begun. */
  const isDone = <A, E>(refresh: Effect.Effect<Option.Option<A>, E>) =>
    Effect.map(Effect.option(refresh), (done) => Option.isSome(Option.flatten(done)))

  const params = yield* Effect.all(
    [
      // Told each time: Go's relayers keep them until they are told.
      isDone(caches.sharedParams.refresh("", always)),
      isDone(caches.proofParams.refresh("", always)),
      isDone(caches.sessionParams.refresh("", changes))
    ],
    { concurrency: "unbounded" }
  )
  const refreshKnown = Effect.fnUntraced(function* <A, E>(set: string, { refresh }: ThreeTiers<Option.Option<A>, E>) {
    const members = yield* Effect.result(cache.members(set))
    if (Result.isFailure(members)) {
      yield* Effect.logWarning("what is known cannot be read: delete the key if it is no set", members.failure).pipe(
        Effect.annotateLogs({ key: set })
      )
      return [false]
    }
    const known = members.success
    const outcomes = yield* Effect.forEach(
      known.slice(0, KNOWN_LIMIT),
      (id) => Effect.map(Effect.option(refresh(id, changes)), (found) => ({ id, found: Option.flatten(found) })),
      { concurrency: CONCURRENCY }
    )
    // The chain itself said that there is none: no failure says so.
    const gone = outcomes.filter(({ found }) => Option.isSome(found) && Option.isNone(found.value)).map(({ id }) => id)
    if (gone.length > 0) yield* Effect.ignore(cache.changeMembers(set, { add: [], remove: gone }))
    return outcomes.map(({ found }) => Option.isSome(found))
  })
  const records = [
    ...(yield* refreshKnown(names.knownApplications, caches.applications)),
    ...(yield* refreshKnown(names.knownServices, caches.services))
  ]
  if ([...params, ...records].every((done) => done)) return "done"
  return (yield* mayWrite) ? "partial" : "superseded"
})

/**
 * Fills this process before it serves: params, known applications with the keys of their rings, known services. The
 * applications of the configuration become known. Bounded by `limit`; what is missing then is read when it is asked for.
 */
export const warmUp = (settings: WarmUpSettings): Effect.Effect<void, never, RefreshPorts> =>
  Effect.gen(function* () {
    const cache = yield* SharedCache
    const caches = yield* ChainCaches
    const { applications, services, publicKeys } = caches
    const knownOf = (set: string) => Effect.orElseSucceed(cache.members(set), (): ReadonlyArray<string> => [])
    const each = { concurrency: settings.concurrency, discard: true } as const
    const [params, listed, ids] = yield* Effect.all(
      [
        Effect.option(caches.sharedParams.get("")),
        knownOf(names.knownApplications),
        knownOf(names.knownServices),
        Effect.ignore(caches.proofParams.get("")),
        Effect.ignore(caches.sessionParams.get(""))
      ],
      { concurrency: settings.concurrency }
    )
    const known = new Set([...settings.applications, ...listed])
    yield* Effect.forEach(
      [...known].slice(0, KNOWN_LIMIT),
      Effect.fnUntraced(function* (address) {
        const record = Option.flatten(yield* Effect.option(applications.get(address)))
        if (Option.isNone(record) || Option.isNone(params)) return
        const members = ringAddresses(record.value, caches.height()).filter((member) => member !== PLACEHOLDER.address)
        yield* Effect.forEach(members, (member) => Effect.ignore(publicKeys.get(member)), { discard: true })
      }),
      each
    )
    yield* Effect.forEach(ids.slice(0, KNOWN_LIMIT), (id) => Effect.ignore(services.get(id)), each)
  }).pipe(Effect.timeoutOption(settings.limit), Effect.asVoid)

const heightOf = (bytes: Uint8Array): Option.Option<bigint> => {
  const text = String.fromCharCode(...bytes.subarray(0, 20))
  return /^[0-9]{1,19}$/.test(text) ? Option.some(BigInt(text)) : Option.none()
}
