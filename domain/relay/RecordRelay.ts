/**
 * Puts a mined relay where it cannot be lost: into the log, or into the spool when the log does not confirm in time.
 * Both may then hold it; the trie drops the double. The spool is replayed here too, announced before its first append.
 */
import { Clock, Context, Duration, Effect, Exit, Fiber, Layer, Option, Schedule, Semaphore } from "effect"
import { fillGauge } from "../observability/FillGauge.ts"
import { RelayLog, type RelayLogEntry, type RelayLogFull, type RelayLogUnavailable } from "../ports/RelayLog.ts"
import { RelaySpool, type SpoolFull } from "../ports/RelaySpool.ts"
import { RelayPolicyRef } from "./RelayPolicy.ts"

/** Entries read from the spool at a time. */
const REPLAY_BATCH = 32
/** Age in nanoseconds at which an announcement, which lives 15 s, is repeated before the next append. */
const ANNOUNCED_FOR = 5_000_000_000n
/** Longest wait for a call of the spool; it is local. A removal that was not waited for leaves a double behind. */
const SPOOL_WAIT = Duration.seconds(5)
/** How often a non-empty spool is tried and announced; announcements live 15 s. */
const REPLAY_INTERVAL = Duration.seconds(1)
/** How often the spool is tried while the process drains. */
const FLUSH_INTERVAL = Duration.millis(100)

/** Law: what `record` returned for is in the log or the spool, and what left the spool is in the log. */
export class RecordRelay extends Context.Service<
  RecordRelay,
  {
    /** Returns once the entry is in the log or in the spool. */
    readonly record: (entry: RelayLogEntry) => Effect.Effect<void, SpoolFull>
    /** Appends what is spooled as far as the log takes it; returns whether the spool is empty now. */
    readonly replay: Effect.Effect<boolean>
    /** Replays until the spool is empty; what is left when it is interrupted is told to the operator. */
    readonly flush: Effect.Effect<void>
    /** Replays whenever the spool is not empty, for ever. */
    readonly keepReplaying: Effect.Effect<never>
  }
>()("relaymill/domain/relay/RecordRelay") {
  static readonly layer = Layer.effect(
    RecordRelay,
    Effect.gen(function* () {
      const log = yield* RelayLog
      const spool = yield* RelaySpool
      const { relayer, appendTimeout } = yield* RelayPolicyRef
      const replaying = yield* Semaphore.make(1)
      let spooled = yield* spool.size
      yield* fillGauge("ha_relayer_spool_entries", "Mined relays that wait for the relay log", () => spooled)

      /**
       * Whether the log confirmed in time. A log that confirms at once, as an embedded one does, costs no timer. The fiber
       * is detached: an append that is stuck must not keep the relay from its answer.
       */
      const append = Effect.fnUntraced(function* (entry: RelayLogEntry) {
        const appending = yield* Effect.forkDetach(log.append(entry), { startImmediately: true })
        const exit = appending.pollUnsafe() ?? (yield* awaited(appending))
        if (exit === undefined) return false
        // A defect is no outage: it is for whoever serves the relay.
        if (Exit.hasDies(exit)) yield* Effect.orDie(exit)
        return Exit.isSuccess(exit)
      })

      /** Its exit within the time for appends. Beyond it the append may still take effect. */
      const awaited = (appending: Fiber.Fiber<string, RelayLogUnavailable | RelayLogFull>) =>
        Effect.map(Effect.timeoutOption(Fiber.await(appending), appendTimeout), (confirmed) => {
          if (Option.isSome(confirmed)) return confirmed.value
          appending.interruptUnsafe()
          return undefined
        })

      const look = Effect.map(spool.size, (size) => (spooled = size))

      /** Announces the spool; returns when that was sent, on the monotonic clock. Miners wait for what it holds. */
      const announce = Effect.gen(function* () {
        const sentAt = yield* Clock.monotonicTimeNanos
        const announced = yield* Effect.timeoutOption(
          log.announceSpool(relayer, yield* local(spool.lowestSessionEnd)),
          appendTimeout
        )
        return Option.map(announced, () => sentAt)
      })

      /** Whether every entry of the batch is in the log now; those of a supplier whose log is full wait behind the others. */
      const replayBatch = Effect.fnUntraced(function* (skipped: Set<number>) {
        // Read first: what is spooled meanwhile may be of an earlier session than what is announced.
        const entries = yield* local(spool.peek(REPLAY_BATCH + skipped.size))
        // A failed announcement stops the replay: miners must know before an old relay arrives late.
        let announced = yield* announce
        if (Option.isNone(announced)) return "log is away"
        const full = new Set<string>()
        for (const { id, entry } of entries) {
          const supplier = entry.relay.supplierOperatorAddress
          if (skipped.has(id) || full.has(supplier)) {
            skipped.add(id)
            continue
          }
          if ((yield* Clock.monotonicTimeNanos) - announced.value > ANNOUNCED_FOR) {
            announced = yield* announce
            if (Option.isNone(announced)) return "log is away"
          }
          const exit = yield* Effect.exit(Effect.timeoutOption(log.append(entry), appendTimeout))
          if (Exit.isSuccess(exit) && Option.isSome(exit.value)) {
            yield* local(spool.remove([id]))
            continue
          }
          if (!isFull(exit)) return "log is away"
          full.add(supplier)
          skipped.add(id)
        }
        return (yield* local(look)) > skipped.size && entries.length > 0 ? "more" : "done"
      })

      const replay = replaying.withPermits(1)(
        Effect.gen(function* () {
          if ((yield* local(look)) === 0) return true
          const skipped = new Set<number>()
          while ((yield* replayBatch(skipped)) === "more");
          if ((yield* local(look)) > 0) return false
          // Expires by itself if the withdrawal is lost.
          yield* Effect.ignore(Effect.timeoutOption(log.announceSpool(relayer, Option.none()), appendTimeout))
          return true
        }).pipe(
          Effect.catchTag("TimeoutError", (cause) =>
            Effect.as(Effect.logWarning("relay spool did not answer", cause), false)
          ),
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
        record: (entry) =>
          Effect.flatMap(append(entry), (isAppended) =>
            isAppended ? Effect.void : Effect.andThen(spool.offer(entry), Effect.asVoid(look))
          ),
        replay,
        flush: Effect.repeat(replay, { until: (isEmpty) => isEmpty, schedule: Schedule.spaced(FLUSH_INTERVAL) }).pipe(
          Effect.onInterrupt(() => tellLeft),
          Effect.asVoid
        ),
        keepReplaying: Effect.forever(
          Effect.andThen(
            Effect.sleep(REPLAY_INTERVAL),
            // One that fails by a defect is not the last.
            Effect.catchDefect(replay, (cause) => Effect.logError("relay spool was not replayed", cause))
          )
        )
      })
    })
  )
}

/** A call of the spool within the time for it. */
const local = <A>(call: Effect.Effect<A>) => Effect.timeout(call, SPOOL_WAIT)

const isFull = (exit: Exit.Exit<unknown, { readonly _tag: string }>): boolean =>
  Exit.isFailure(exit) &&
  exit.cause.reasons.some((reason) => reason._tag === "Fail" && reason.error._tag === "RelayLogFull")
