/**
 * Work that one replica of a fleet does for all: it runs while this replica leads, and stops before anybody else can. A
 * call to the store that fails ends nothing; only time does, counted on the monotonic clock from when the last successful
 * renewal was sent. Two leaders may overlap all the same, so every piece of work is safe to repeat.
 */
import { Cause, Clock, Duration, Effect, Exit, Metric, Schedule, Scope } from "effect"
import { nanosOf } from "../lifecycle/MonotonicTime.ts"
import { Leadership, type LeadershipUnavailable } from "../ports/Leadership.ts"

/** Life of a leadership where nothing else is said. */
export const LEADER_TTL = Duration.seconds(30)
/** Between attempts and between renewals where nothing else is said. */
export const HEARTBEAT = Duration.seconds(10)

/** A leader stops this part of a life before its end, at most 5 s before. */
const MARGIN_PART = 1 / 6
const LONGEST_MARGIN = Duration.seconds(5)
/** Longest wait at the end of the process for the store to hear of it. */
const RELEASE_LIMIT = Duration.seconds(5)
/** Work that ended, with or without an error, begins again after so long. */
const AGAIN = Schedule.spaced("5 seconds")

const status = Metric.gauge("ha_miner_leader_status", { description: "Whether this replica leads: 1 yes, 0 no" })
const elections = Metric.counter("ha_miner_leader_elections_total", {
  description: "Times this replica became leader",
  incremental: true
})
const losses = Metric.counter("ha_miner_leader_losses_total", {
  description: "Times this replica stopped leading: taken, not_renewed, released",
  incremental: true
})
const failures = Metric.counter("ha_miner_leader_acquisition_failures_total", {
  description: "Calls about the leadership that were not answered: acquire, renew, release, timeout",
  incremental: true
})

/** A piece of work, by a name for the log. It runs until it is interrupted. */
export interface LeaderWork<R> {
  readonly name: string
  readonly run: Effect.Effect<unknown, unknown, R>
}

/** Who takes part, and how often it calls. */
export interface ElectionSettings {
  /** Id of this replica, unique among all: `{hostname}-{pid}`. */
  readonly replica: string
  /** Between attempts and between renewals; cut to a third of the TTL. */
  readonly heartbeat: Duration.Duration
}

/** A running election. */
export interface LeaderElection {
  readonly isLeader: Effect.Effect<boolean>
  /** Stops the work, gives the leadership up and takes part no more. Once; at most 5 s. */
  readonly resign: Effect.Effect<void>
}

/**
 * Takes part in the election in the present scope; the first attempt is immediate. While this replica leads, each piece
 * of work runs in a scope of its own; one that ends or fails begins again after 5 s and does not touch the others.
 */
export const startLeaderElection = Effect.fnUntraced(function* <R>(
  settings: ElectionSettings,
  work: ReadonlyArray<LeaderWork<R>>
): Effect.fn.Return<LeaderElection, never, Leadership | R | Scope.Scope> {
  const leadership = yield* Leadership
  const scope = yield* Effect.scope
  const context = yield* Effect.context<R>()
  const { replica } = settings
  const ttl = nanosOf(leadership.ttl)
  const life = ttl - nanosOf(Duration.min(LONGEST_MARGIN, Duration.times(leadership.ttl, MARGIN_PART)))
  const heartbeat = Duration.min(settings.heartbeat, Duration.times(leadership.ttl, 1 / 3))
  const instance = (metric: Metric.Counter<number>, labels: Readonly<Record<string, string>> = {}) =>
    Metric.update(Metric.withAttributes(metric, { instance: replica, ...labels }), 1)
  const say = (leads: 0 | 1) => Metric.update(Metric.withAttributes(status, { instance: replica }), leads)
  let tenure: { readonly scope: Scope.Closeable; renewedAt: bigint } | undefined
  yield* say(0)

  const failed = (unavailable: LeadershipUnavailable | Cause.TimeoutError) => {
    const reason = unavailable._tag === "TimeoutError" ? "timeout" : unavailable.operation
    return Effect.andThen(instance(failures, { reason }), Effect.logWarning("leadership not confirmed", unavailable))
  }

  const workOf = ({ name, run }: LeaderWork<R>) =>
    run.pipe(
      Effect.catchCauseIf(
        (cause) => !Cause.hasInterruptsOnly(cause),
        (cause) => Effect.annotateLogs(Effect.logError("leader's work failed, it begins again", cause), { work: name })
      ),
      Effect.repeat(AGAIN),
      Effect.provideContext(context)
    )

  const promote = Effect.fnUntraced(function* (sentAt: bigint) {
    const own = yield* Scope.fork(scope)
    tenure = { scope: own, renewedAt: sentAt }
    yield* say(1)
    yield* instance(elections)
    yield* Effect.annotateLogs(Effect.logInfo("leads the replicas"), { replica })
    for (const one of work) yield* Effect.forkIn(workOf(one), own)
  })

  const demote = Effect.fnUntraced(function* (reason: "taken" | "not_renewed" | "released") {
    if (tenure === undefined) return
    const { scope: own } = tenure
    tenure = undefined
    yield* say(0)
    yield* instance(losses, { reason })
    yield* Effect.annotateLogs(Effect.logWarning("does not lead the replicas any more"), { replica, reason })
    // Not awaited: work may hang in a call.
    yield* Effect.forkIn(Scope.close(own, Exit.void), scope)
  })

  const attempt = Effect.gen(function* () {
    const sentAt = yield* Clock.monotonicTimeNanos
    const known = tenure
    const leads = yield* known === undefined ? leadership.acquire(replica) : leadership.renew(replica)
    if (known === undefined) {
      // An answer that took too long says nothing about now.
      if (leads && (yield* Clock.monotonicTimeNanos) - sentAt < life) yield* promote(sentAt)
    } else if (tenure !== known) return
    else if (leads) known.renewedAt = sentAt
    else yield* demote("taken")
  }).pipe(Effect.timeout(heartbeat), Effect.catch(failed))

  /** Ends the tenure when its last renewal is too long ago, whatever the calls do. */
  const watch = Effect.gen(function* () {
    const now = yield* Clock.monotonicTimeNanos
    const left = tenure === undefined ? nanosOf(heartbeat) : tenure.renewedAt + life - now
    if (left <= 0n) yield* demote("not_renewed")
    else yield* Effect.sleep(Duration.nanos(left < nanosOf(heartbeat) ? left : nanosOf(heartbeat)))
  })

  const taking = yield* Effect.forkScoped(Effect.forever(Effect.andThen(attempt, Effect.sleep(heartbeat))))
  yield* Effect.forkScoped(Effect.forever(watch))
  const resign = Effect.gen(function* () {
    taking.interruptUnsafe()
    yield* demote("released")
    // Always: an acquisition may have been under way.
    yield* leadership.release(replica).pipe(Effect.catch(failed), Effect.timeoutOption(RELEASE_LIMIT))
  })
  return {
    isLeader: Effect.sync(() => tenure !== undefined),
    resign: yield* Effect.cached(resign)
  }
})
