/**
 * Puts a mined relay where it cannot be lost: into the log, or into the spool when the log does not confirm in time.
 * Both may then hold it; the trie drops the double. The spool is replayed here too, announced before its first append.
 */
import { Context, Duration, Effect, Layer, Metric, Option } from "effect"
import { RelayLog, type RelayLogEntry } from "../ports/RelayLog.ts"
import { RelaySpool, type SpoolFull } from "../ports/RelaySpool.ts"
import { RelayPolicyRef } from "./RelayPolicy.ts"

/** Entries appended between two looks at the spool's lowest session. */
const REPLAY_BATCH = 100
/** How often a non-empty spool is tried and announced; announcements live 15 s. */
const REPLAY_INTERVAL = Duration.seconds(1)

const spooled = Metric.gauge("ha_relayer_spool_entries", { description: "Mined relays that wait for the relay log" })

export class RecordRelay extends Context.Service<
  RecordRelay,
  {
    /** Returns once the entry is in the log or in the spool. */
    readonly record: (entry: RelayLogEntry) => Effect.Effect<void, SpoolFull>
    /** Appends what is spooled as far as the log takes it; returns whether the spool is empty now. */
    readonly replay: Effect.Effect<boolean>
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

      const append = (entry: RelayLogEntry) =>
        log.append(entry).pipe(Effect.interruptible, Effect.timeoutOption(appendTimeout))

      const replayBatch = Effect.gen(function* () {
        // A failed announcement stops the replay: miners must know before an old relay arrives late.
        yield* log.announceSpool(relayer, yield* spool.lowestSessionEnd)
        const entries = yield* spool.peek(REPLAY_BATCH)
        for (const { id, entry } of entries) {
          if (Option.isNone(yield* append(entry))) return false
          yield* spool.remove([id])
        }
        return entries.length > 0
      }).pipe(Effect.catch((cause) => Effect.as(Effect.logDebug("relay spool was not replayed", cause), false)))

      const replay = Effect.gen(function* () {
        if ((yield* spool.size) === 0) return true
        while (yield* replayBatch) {
          if ((yield* spool.size) > 0) continue
          // Expires by itself if the withdrawal is lost.
          yield* Effect.ignore(log.announceSpool(relayer, Option.none()))
          return true
        }
        return (yield* spool.size) === 0
      }).pipe(Effect.tap(Effect.flatMap(spool.size, (size) => Metric.update(spooled, size))))

      return RecordRelay.of({
        record: (entry) =>
          append(entry).pipe(
            Effect.catch(() => Effect.succeedNone),
            Effect.flatMap((id) => (Option.isSome(id) ? Effect.void : spool.offer(entry)))
          ),
        replay,
        keepReplaying: Effect.forever(Effect.andThen(Effect.sleep(REPLAY_INTERVAL), replay))
      })
    })
  )
}
