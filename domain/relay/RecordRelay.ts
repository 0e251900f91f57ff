/**
 * Puts a mined relay where it cannot be lost: into the log, or into the spool when the log does not confirm in time.
 * Both may then hold it; the trie drops the double. The spool is replayed here too, announced before its first append.
 */
import { Clock, Context, Duration, Effect, Exit, Fiber, Layer, Option, Schedule, Semaphore } from "effect"
import { fillGauge } from "../observability/FillGauge.ts"
import { RelayLog, type RelayLogEntry, type RelayLogFull, type RelayLogUnavailable } from "../ports/RelayLog.ts"
import { RelaySpool, type SpoolFull, SpoolUnavailable } from "../ports/RelaySpool.ts"
import { RelayPolicyRef } from "./RelayPolicy.ts"

/** Entries read from the spool, announced and sent to the log at a time. */
const REPLAY_BATCH = 32
/** Longest wait for a call of the spool; it is local. A removal that was not waited for leaves a double behind. */
const SPOOL_WAIT = Duration.seconds(5)
/**
 * Longest wait in a replay for the log to confirm: nobody waits for an answer, and an append that is given up is sent
 * again. Announcement and appends of a batch together take less than announcements live, 15 s.
 */
const REPLAY_WAIT = Duration.seconds(4)
/** How often a non-empty spool is tried and announced; announcements live 15 s. */
const REPLAY_INTERVAL = Duration.seconds(1)
/** Rest after a replay that left something, in multiples of its time: one that passes over much is not repeated at once. */
const REPLAY_REST = 5
/** Longest rest; less than announcements live. */
const LONGEST_PAUSE = Duration.seconds(10)
/** How often the spool is tried while the process drains. */
const FLUSH_INTERVAL = Duration.millis(100)
/** How long relays go straight to the spool after one that the log did not confirm in time: each would wait for it. */
const SILENT_NANOS = 1_000_000_000n
const NANOS_PER_SECOND = 1e9

/** Something that an operator should know about recording. */
export interface RecordingReason {
  /** `spooling`: relays wait for the log in the spool. `not_recordable`: the spool took none either, so relays are refused. */
  readonly name: "spooling" | "not_recordable"
  readonly text: string
  /** Whether relays are refused because of it. */
  readonly isBlocking: boolean
}

/** What became of an append. */
type AppendExit = Exit.Exit<string, RelayLogUnavailable | RelayLogFull>

/** Law: what `record` returned for is in the log or the spool, and what left the spool is in the log. */
export class RecordRelay extends Context.Service<
  RecordRelay,
  {
    /** Returns once the entry is in the log or in the spool; a spool that does not answer counts as unavailable. */
    readonly record: (entry: RelayLogEntry) => Effect.Effect<void, SpoolFull | SpoolUnavailable>
    /** Appends what is spooled as far as the log takes it; returns whether the spool is empty now. */
    readonly replay: Effect.Effect<boolean>
    /** Replays until the spool is empty; what is left when it is interrupted is told to the operator. */
    readonly flush: Effect.Effect<void>
    /** Replays whenever the spool is not empty, for ever. */
    readonly keepReplaying: Effect.Effect<never>
    /** What is wrong with recording now; empty when relays go into the log. No I/O. */
    readonly reasons: Effect.Effect<ReadonlyArray<RecordingReason>>
  }
>()("relaymill/domain/relay/RecordRelay") {
  static readonly layer = Layer.effect(
    RecordRelay,
    Effect.gen(function* () {
      const log = yield* RelayLog
      const spool = yield* RelaySpool
      const { relayer, appendTimeout } = yield* RelayPolicyRef
      const clock = yield* Clock.Clock
      const replaying = yield* Semaphore.make(1)
      let spooled = yield* spool.size
      /** When the oldest spooled relay was published, in Unix nanoseconds. */
      let oldest: bigint | undefined
      /** Monotonic time until which the log is not asked. */
      let silentUntil: bigint | undefined
      /** Why the last relay could not be recorded, until one can again. */
      let refusing: string | undefined
      const age = () =>
        spooled === 0 || oldest === undefined
          ? 0
          : Math.max(0, Number(clock.currentTimeNanosUnsafe() - oldest) / NANOS_PER_SECOND)
      yield* fillGauge("ha_relayer_spool_entries", "Mined relays that wait for the relay log", () => spooled)
      yield* fillGauge("ha_relayer_spool_oldest_seconds", "Age of the oldest relay that waits for the relay log", age)

      const confirmed = () => {
        silentUntil = undefined
        refusing = undefined
      }

      /**
       * What became of an append; none if the log did not answer in time. A log that confirms at once, as an embedded one
       * does, costs no timer. The fiber is detached: an append that is stuck must not keep the relay from its answer, nor
       * the replay from its end.
       */
      const attempt = (entry: RelayLogEntry, wait: Duration.Duration) =>
        Effect.flatMap(Effect.forkDetach(log.append(entry), { startImmediately: true }), (appending) => {
          const exit = appending.pollUnsafe()
          if (exit === undefined) return Effect.flatMap(awaited(appending, wait), noted)
          if (Exit.isSuccess(exit)) confirmed()
          return Effect.succeed(exit)
        })

      const noted = (exit: AppendExit | undefined): Effect.Effect<AppendExit | undefined> => {
        if (exit === undefined) {
          return Effect.map(Clock.monotonicTimeNanos, (now) => void (silentUntil = now + SILENT_NANOS))
        }
        if (Exit.isSuccess(exit)) confirmed()
        return Effect.succeed(exit)
      }

      /** Its exit within the time for it. Beyond it the append may still take effect. */
      const awaited = (appending: Fiber.Fiber<string, RelayLogUnavailable | RelayLogFull>, wait: Duration.Duration) =>
        Effect.map(Effect.timeoutOption(Fiber.await(appending), wait), (confirmation) => {
          if (Option.isSome(confirmation)) return confirmation.value
          appending.interruptUnsafe()
          return undefined
        })

      /** Into the log, or into the spool where the log did not confirm in time. A defect is no outage: it is for the caller. */
      const append = (entry: RelayLogEntry) =>
        Effect.flatMap(attempt(entry, appendTimeout), (exit) => {
          if (exit === undefined) return keep(entry)
          if (Exit.isSuccess(exit)) return Effect.void
          return Exit.hasDies(exit) ? Effect.orDie(Effect.asVoid(exit)) : keep(entry)
        })

      /** While the log is silent, one relay in a while asks it and the others do not. */
      const appendToSilent = (entry: RelayLogEntry, until: bigint) =>
        Effect.flatMap(Clock.monotonicTimeNanos, (now) => {
          if (now < until) return keep(entry)
          silentUntil = now + SILENT_NANOS
          return append(entry)
        })

      /** Keeps the entry in the spool. Detached, so that a disk that hangs does not hold the relay. */
      const keep = Effect.fnUntraced(function* (entry: RelayLogEntry) {
        const offering = yield* Effect.forkDetach(spool.offer(entry), { startImmediately: true })
        const exit =
          offering.pollUnsafe() ??
          Option.getOrElse(yield* Effect.timeoutOption(Fiber.await(offering), SPOOL_WAIT), () => Exit.fail(noAnswer()))
        yield* Effect.tapError(exit, ({ message }) => Effect.sync(() => void (refusing = message)))
        refusing = undefined
        oldest ??= entry.relay.publishedAtUnixNano
        yield* look
      })

      const look = Effect.map(spool.size, (size) => {
        if (size === 0) oldest = undefined
        return (spooled = size)
      })

      /** Announces the spool; none if that was not confirmed. Miners wait for what it holds. */
      const announce = Effect.gen(function* () {
        return yield* Effect.timeoutOption(
          log.announceSpool(relayer, yield* local(spool.lowestSessionEnd)),
          REPLAY_WAIT
        )
      })

      /**
       * Appends the next entries after an id; returns the last id looked at, none where the replay ends. Those of suppliers
       * whose log is full stay behind, in their order.
       */
      const replayBatch = Effect.fnUntraced(function* (after: number, full: Set<string>) {
        // Read first: what is spooled meanwhile may be of an earlier session than what is announced.
        const entries = yield* local(spool.peek(REPLAY_BATCH, after))
        const [first] = entries
        if (first === undefined) return undefined
        if (after === 0) oldest = first.entry.relay.publishedAtUnixNano
        // A failed announcement stops the replay: miners must know before an old relay arrives late.
        if (Option.isNone(yield* announce)) return undefined
        const tried = entries.filter(({ entry }) => !full.has(entry.relay.supplierOperatorAddress))
        // All under way at once, sent in their order: one for each round trip would be slower than new ones may come.
        const exits = yield* Effect.forEach(tried, ({ entry }) => attempt(entry, REPLAY_WAIT), {
          concurrency: "unbounded"
        })
        const appended: Array<number> = []
        let isStopped = false
        for (const [index, { id, entry }] of tried.entries()) {
          const exit = exits[index]
          if (exit !== undefined && Exit.isSuccess(exit)) appended.push(id)
          else if (exit !== undefined && isFull(exit)) full.add(entry.relay.supplierOperatorAddress)
          else isStopped = true
        }
        yield* local(spool.remove(appended))
        if (isStopped) return undefined
        return entries.at(-1)?.id
      })

      /** Where nothing is spooled, an answer to this is how it is seen that the log is back. */
      const withdraw = Effect.gen(function* () {
        // Expires by itself if the withdrawal is lost.
        const withdrawn = yield* Effect.option(Effect.timeout(log.announceSpool(relayer, Option.none()), REPLAY_WAIT))
        if (Option.isSome(withdrawn)) confirmed()
      })

      const replay = replaying.withPermits(1)(
        Effect.gen(function* () {
          if ((yield* local(look)) === 0) {
            if (refusing !== undefined) yield* withdraw
            return true
          }
          const full = new Set<string>()
          let last: number | undefined = 0
          while (last !== undefined) last = yield* replayBatch(last, full)
          if ((yield* local(look)) > 0) return false
          yield* withdraw
          return true
        }).pipe(
          Effect.catchTags({
            TimeoutError: (cause) => Effect.as(Effect.logWarning("relay spool did not answer", cause), false),
            SpoolUnavailable: (cause) => Effect.as(Effect.logWarning("relay spool cannot be read", cause), false)
          }),
          Effect.catch((cause) => Effect.as(Effect.logDebug("relay spool was not replayed", cause), false)),
          Effect.interruptible
        )
      )

      const tellLeft = Effect.flatMap(spool.size, (entries) =>
        entries === 0
          ? Effect.void
          : Effect.logError("mined relays are left in the spool").pipe(Effect.annotateLogs({ entries }))
      )

      return RecordRelay.of({
        record: (entry) => (silentUntil === undefined ? append(entry) : appendToSilent(entry, silentUntil)),
        replay,
        flush: Effect.repeat(replay, { until: (isEmpty) => isEmpty, schedule: Schedule.spaced(FLUSH_INTERVAL) }).pipe(
          Effect.onInterrupt(() => tellLeft),
          Effect.asVoid
        ),
        keepReplaying: Effect.gen(function* () {
          let pause = REPLAY_INTERVAL
          while (true) {
            yield* Effect.sleep(pause)
            // One that fails by a defect is not the last.
            const [took, isEmpty] = yield* Effect.timed(
              Effect.catchDefect(replay, (cause) =>
                Effect.as(Effect.logError("relay spool was not replayed", cause), false)
              )
            )
            pause = isEmpty
              ? REPLAY_INTERVAL
              : Duration.clamp(Duration.times(took, REPLAY_REST), {
                  minimum: REPLAY_INTERVAL,
                  maximum: LONGEST_PAUSE
                })
          }
        }),
        reasons: Effect.sync(() => [
          ...(refusing === undefined
            ? []
            : [{ name: "not_recordable", text: `relays cannot be recorded: ${refusing}`, isBlocking: true } as const]),
          ...(spooled === 0
            ? []
            : [
                {
                  name: "spooling",
                  text: `${spooled} mined relays wait in the spool, the oldest for ${Math.round(age())} s`,
                  isBlocking: false
                } as const
              ])
        ])
      })
    })
  )
}

/** A call of the spool within the time for it. */
const local = <A, E>(call: Effect.Effect<A, E>) => Effect.timeout(call, SPOOL_WAIT)

const noAnswer = () =>
  new SpoolUnavailable({ operation: "offer", code: "TIMEOUT", cause: new Error("the disk did not answer in time") })

const isFull = (exit: Exit.Exit<unknown, { readonly _tag: string }>): boolean =>
  Exit.isFailure(exit) &&
  exit.cause.reasons.some((reason) => reason._tag === "Fail" && reason.error._tag === "RelayLogFull")
