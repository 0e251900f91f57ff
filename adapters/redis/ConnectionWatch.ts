/** Follows one client: is it connected, since when, and do the servers hold the same history as before. */
import { Cluster } from "ioredis"
import { Effect, PubSub, Queue, Schedule, type Scope, Stream } from "effect"
import { monotonicMillis } from "../../domain/lifecycle/MonotonicTime.ts"
import type { RedisFailure } from "./RedisFailure.ts"
import { type BoundedCall, readIdentities, type RedisClient } from "./RedisServers.ts"

/** The connection came back, or a cluster has other masters than before. */
export interface Reconnected {
  /** Monotonic milliseconds. */
  readonly at: number
  /** Whether a server holds another history than before: restarted, failed over, or it does not say. */
  readonly replaced: boolean
}

/** What the connection does at this moment. */
export interface ConnectionState {
  readonly connected: boolean
  /** Monotonic milliseconds of the last change of `connected`. */
  readonly since: number
  /** Whether it is known which servers answer: false from a loss until they were asked. */
  readonly identified: boolean
}

/** What `watchConnection` learns. */
export interface ConnectionWatch {
  readonly state: () => ConnectionState
  /** From now on; a slow reader misses the oldest. */
  readonly reconnects: Stream.Stream<Reconnected>
}

/** Reconnects a slow reader may lag behind. */
const RECONNECTS_BUFFER = 16

/** Pauses between attempts to learn who answers. */
const identityRetry = Schedule.spaced("200 millis")

/** Watches until the scope ends. `reason` is the last refusal, for the log; `onReplaced` runs before it is announced. */
export const watchConnection = Effect.fnUntraced(function* (
  client: RedisClient,
  within: BoundedCall,
  reason: () => RedisFailure | undefined,
  onReplaced: () => void
): Effect.fn.Return<ConnectionWatch, never, Scope.Scope> {
  const wake = yield* Queue.sliding<void>(1)
  const reconnects = yield* PubSub.sliding<Reconnected>(RECONNECTS_BUFFER)
  let state: ConnectionState = { connected: false, since: yield* monotonicMillis, identified: false }
  let servers: ReadonlySet<string> | undefined
  let readied = 0
  let handled = 0

  /** Which servers answer now, and whether one of them was not there before. */
  const identify = Effect.gen(function* () {
    const found = yield* readIdentities(client, within, `unknown since ${yield* monotonicMillis}`)
    const before = servers
    servers = found
    const replaced = before !== undefined && [...found].some((name) => !before.has(name))
    if (replaced) onReplaced()
    return { first: before === undefined, replaced }
  })

  const noteLost = Effect.gen(function* () {
    if (!state.connected) return
    state = { connected: false, since: yield* monotonicMillis, identified: false }
    yield* Effect.logWarning("redis connection lost").pipe(
      Effect.annotateLogs({ reason: reason()?.detail ?? "closed by the server" })
    )
  })

  const noteReady = Effect.gen(function* () {
    const at = yield* monotonicMillis
    state = { connected: true, since: at, identified: false }
    const { first, replaced } = yield* Effect.retry(identify, {
      schedule: identityRetry,
      while: () => client.status === "ready" && readied === handled
    })
    state = { ...state, identified: true }
    if (first) return
    yield* Effect.logInfo("redis connected again").pipe(Effect.annotateLogs({ replaced }))
    yield* PubSub.publish(reconnects, { at, replaced })
  })

  /** A cluster changes its masters without the loss of a connection of ours. */
  const noteChange = Effect.gen(function* () {
    const { replaced } = yield* identify
    if (!replaced) return
    yield* Effect.logInfo("redis cluster has another master than before")
    yield* PubSub.publish(reconnects, { at: yield* monotonicMillis, replaced })
  })

  const look = Effect.suspend(() => {
    if (client.status !== "ready") return noteLost
    if (readied === handled) return state.identified && client instanceof Cluster ? noteChange : Effect.void
    handled = readied
    return noteReady
  })

  const nudge = () => void Queue.offerUnsafe(wake, undefined)
  client.on("ready", () => {
    readied++
    nudge()
  })
  for (const event of ["close", "refresh", "-node"]) client.on(event, nudge)
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Queue.take(wake), Effect.ignore(look))))
  return { state: () => state, reconnects: Stream.fromPubSub(reconnects) }
})
