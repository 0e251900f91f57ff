/**
 * `RelayLog` on the streams of the Go fleet. Nothing is ever cut off a stream: above the high-water mark appends are
 * refused instead. What was appended lately is kept and appended again when Redis turns out to be another server, since a
 * replica may not have received it.
 */
import { Clock, Duration, Effect, Layer, Metric, Option, Result, Schedule, Stream, type Tracer } from "effect"
import { monotonicMillisOf } from "../../domain/lifecycle/MonotonicTime.ts"
import { fillGauge } from "../../domain/observability/FillGauge.ts"
import { RelayLog, RelayLogFull, RelayLogUnavailable } from "../../domain/ports/RelayLog.ts"
import { encodeMinedRelay } from "../../domain/relay/MinedRelay.ts"
import { formatTraceparent } from "../../domain/tracing/Traceparent.ts"
import type { ConnectionState } from "./ConnectionWatch.ts"
import { singleStream, twoStreams } from "./DeliveryIds.ts"
import { type KeptBounds, KeptRelays } from "./KeptRelays.ts"
import { announce } from "./LivingMembers.ts"
import { fullness, watchMemory } from "./MemoryPressure.ts"
import { RedisConnections } from "./RedisConnections.ts"
import { type RedisFailure, unexpectedReply } from "./RedisFailure.ts"
import { command, type RedisArgument } from "./RedisLink.ts"

/** Limits of the log. */
export interface RelayLogSettings {
  /** Entries that a supplier's stream may hold, acknowledged ones not counted (`stream_high_water`). */
  readonly highWater: number
  /** Share of the server's `maxmemory` above which nothing is appended, if it has one. */
  readonly memoryShare: number
  /** What is kept to be appended again. */
  readonly kept: KeptBounds
  /** Life of a spool announcement. */
  readonly announcementLife: Duration.Duration
}

/** Half a minute of 2 000 relays of 1 KB a second. */
export const defaultSettings: RelayLogSettings = {
  highWater: 1_000_000,
  memoryShare: 0.6,
  kept: { ageMillis: 30_000, entries: 100_000, bytes: 67_108_864 },
  announcementLife: Duration.seconds(15)
}

/** How often a stream that is appended to is made not to expire and its group is made sure of. */
const TENDING_MILLIS = 30_000

/** How often the length of a stream is looked at: other relayers append, miners delete. */
const LOOK_APPENDS = 64
const LOOK_MILLIS = 250

/** Least time between two hints for one supplier on a cluster. */
const HINT_MILLIS = 10

/** Relays that are appended again at once. */
const AGAIN_CHUNK = 200

/** Longest time for which a relayer without new announcements stays listed: above any life of an announcement. */
const LISTED_MILLIS = 60_000

/** Pauses between attempts to append again. */
const againRetry = Schedule.spaced("500 millis")

/** What is known of a supplier's stream. */
interface StreamState {
  /** Entries as of the last look, and those appended here since; nothing before the first look. */
  length: number | undefined
  /** Appends since the last look. */
  unseen: number
  /** Monotonic milliseconds. */
  lookedAt: number
  /** Appends under way. */
  inFlight: number
  /** Monotonic milliseconds. */
  tendedAt: number
  hintedAt: number
}

const appendedAgain = Metric.counter("relaymill_redis_relays_appended_again_total", {
  description: "Mined relays appended once more because Redis was restarted or failed over; doubles are dropped",
  incremental: true
})

/** The log with these limits. */
export const layerWith = (settings: RelayLogSettings) =>
  Layer.effect(
    RelayLog,
    Effect.gen(function* () {
      const connections = yield* RedisConnections
      const { commands, names } = connections
      const clock = yield* Clock.Clock
      const scope = yield* Effect.scope
      const memory = yield* watchMemory
      const ids = names.topology === "cluster" ? twoStreams : singleStream
      const streams = new Map<string, StreamState>()
      const kept = new KeptRelays(settings.kept)
      const now = () => monotonicMillisOf(clock)
      const isCertain = ({ connected, identified }: ConnectionState) => connected && identified

      const stateOf = (supplier: string): StreamState => {
        let state = streams.get(supplier)
        if (state === undefined) {
          state = { length: undefined, unseen: 0, lookedAt: 0, inFlight: 0, tendedAt: -Infinity, hintedAt: -Infinity }
          streams.set(supplier, state)
        }
        return state
      }

      const full = (supplier: string, entries: number, bytes = {}) =>
        new RelayLogFull({ supplier, entries, limit: settings.highWater, ...bytes })

      /** Fails when the stream or the memory is full. Asks for the length only where it may matter. */
      const ensureRoom = Effect.fnUntraced(function* (supplier: string, state: StreamState) {
        const held = memory()
        if (held !== undefined && fullness(held) > settings.memoryShare) {
          const bytes = { bytes: held.used, bytesLimit: Math.floor(held.most * settings.memoryShare) }
          return yield* full(supplier, state.length ?? 0, bytes)
        }
        if (state.length === undefined || state.length + state.inFlight < settings.highWater) return
        state.length = yield* Effect.flatMap(commands.call("xlen", names.relays(supplier)), asLength).pipe(
          Effect.mapError(unavailable("append"))
        )
        if (state.length >= settings.highWater) return yield* full(supplier, state.length)
      })

      /** What keeps a stream alive: Go's relayers let it expire, and a group that begins late passes nothing over. */
      const tending = (stream: string) => [
        command("persist", stream),
        command("xgroup", "create", stream, names.group, "0", "mkstream")
      ]

      /** An append with the length behind it, which others change too; and with tending, when that is due. */
      const addAndLook = Effect.fnUntraced(function* (
        stream: string,
        state: StreamState,
        fields: ReadonlyArray<RedisArgument>
      ) {
        state.unseen = 0
        state.lookedAt = now()
        const tends = now() - state.tendedAt >= TENDING_MILLIS
        if (tends) state.tendedAt = now()
        const [added, length] = yield* commands.pipeline([
          command("xadd", stream, "*", ...fields),
          command("xlen", stream),
          ...(tends ? tending(stream) : [])
        ])
        const id = yield* added === undefined ? unexpectedReply("xadd", "no reply") : Effect.fromResult(added)
        if (length !== undefined && Result.isSuccess(length) && typeof length.success === "number") {
          state.length = length.success
        }
        return id
      })
      const add = Effect.fnUntraced(function* (
        supplier: string,
        state: StreamState,
        fields: ReadonlyArray<RedisArgument>
      ) {
        const stream = names.relays(supplier)
        const isDue =
          state.length === undefined || ++state.unseen >= LOOK_APPENDS || now() - state.lookedAt >= LOOK_MILLIS
        const id = yield* isDue
          ? addAndLook(stream, state, fields)
          : commands.callBytes("xadd", stream, "*", ...fields).pipe(
              Effect.tap(() =>
                Effect.sync(() => {
                  if (state.length !== undefined) state.length++
                })
              )
            )
        return id instanceof Uint8Array ? String(id) : yield* unexpectedReply("xadd", "no id")
      })

      /** On a cluster no connection waits at a stream, so the owner is told. Lost hints cost a second. */
      const hint = (supplier: string, state: StreamState) =>
        Effect.suspend(() => {
          if (names.topology !== "cluster" || now() - state.hintedAt < HINT_MILLIS) return Effect.void
          state.hintedAt = now()
          return Effect.asVoid(Effect.forkIn(Effect.ignore(commands.call("publish", names.hints, supplier)), scope))
        })

      const append = Effect.fnUntraced(function* (
        supplier: string,
        data: Uint8Array,
        trace: Option.Option<Tracer.ExternalSpan>
      ) {
        const state = stateOf(supplier)
        yield* ensureRoom(supplier, state)
        const parent = Option.match(trace, {
          onNone: () => [],
          onSome: (span) => (span.sampled ? ["traceparent", formatTraceparent(span)] : [])
        })
        const fields: ReadonlyArray<RedisArgument> = ["data", data, ...parent]
        state.inFlight++
        const id = yield* add(supplier, state, fields).pipe(
          Effect.ensuring(Effect.sync(() => state.inFlight--)),
          Effect.mapError(unavailable("append"))
        )
        kept.add({ supplier, fields, bytes: data.length, at: now() }, isCertain(yield* connections.state))
        yield* hint(supplier, state)
        return ids.encode("own", id)
      })

      /** Appends all that is kept once more, whether there is room or not: it was accepted already. */
      const appendAgain = Effect.gen(function* () {
        const entries = kept.all()
        for (let from = 0; from < entries.length; from += AGAIN_CHUNK) {
          const chunk = entries.slice(from, from + AGAIN_CHUNK)
          yield* Effect.forEach(
            chunk,
            ({ supplier, fields }) => commands.call("xadd", names.relays(supplier), "*", ...fields),
            { concurrency: "unbounded", discard: true }
          )
          // The server that has them now may fail over too.
          for (const entry of chunk) entry.at = now()
        }
        for (const state of streams.values()) state.tendedAt = -Infinity
        if (entries.length === 0) return
        yield* Metric.update(appendedAgain, entries.length)
        yield* Effect.logWarning("relays appended again: redis was restarted or failed over").pipe(
          Effect.annotateLogs({ relays: entries.length })
        )
      })
      yield* connections.reconnects.pipe(
        Stream.filter(({ replaced }) => replaced),
        Stream.runForEach(() => Effect.retry(appendAgain, againRetry)),
        Effect.ignore,
        Effect.forkScoped({ startImmediately: true })
      )
      yield* Effect.forkScoped(
        Effect.forever(
          Effect.andThen(
            Effect.sleep("1 second"),
            Effect.map(connections.state, (state) => (isCertain(state) ? kept.expire(now()) : undefined))
          )
        )
      )
      yield* fillGauge("relaymill_redis_kept_relays", "Mined relays kept to be appended again", () => kept.size)
      yield* fillGauge(
        "relaymill_redis_kept_bytes",
        "Bytes of mined relays kept to be appended again",
        () => kept.bytes
      )

      return RelayLog.of({
        append: ({ relay, trace }) => append(relay.supplierOperatorAddress, encodeMinedRelay(relay), trace),
        announceSpool: (relayer, lowestSessionEnd) =>
          Option.match(lowestSessionEnd, {
            onNone: () => Effect.asVoid(commands.call("del", names.spool(relayer))),
            onSome: (height) =>
              // Listed first: an announcement that is not listed would not be found.
              Effect.andThen(
                commands.run(announce, [names.spools], [relayer, LISTED_MILLIS]),
                Effect.asVoid(
                  commands.call("set", names.spool(relayer), height, "px", Duration.toMillis(settings.announcementLife))
                )
              )
          }).pipe(Effect.mapError(unavailable("announce")))
      })
    })
  )

/** `layerWith` at the defaults. */
export const layer = layerWith(defaultSettings)

const asLength = (reply: unknown) =>
  typeof reply === "number" ? Effect.succeed(reply) : Effect.fail(unexpectedReply("xlen", "no integer"))

const unavailable = (operation: RelayLogUnavailable["operation"]) => (cause: RedisFailure) =>
  new RelayLogUnavailable({ operation, cause })
