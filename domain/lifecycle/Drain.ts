/**
 * The orderly end of a process: named phases, one after the other, run before any finalizer and within one deadline.
 * A phase that fails or runs out of time does not keep the next ones from running.
 */
import { Clock, Duration, Effect, Option } from "effect"

/** One phase. `run` is idempotent. */
export interface DrainPhase {
  /** Past participle, for the log: "stopped accepting relays". */
  readonly name: string
  readonly run: Effect.Effect<unknown, unknown>
}

/** Least time for each phase once the deadline has passed: enough for a local write, so that leases are released. */
const LEAST = Duration.millis(250)

/** Runs the phases in order and returns the names of those that did not finish. */
export const drain = Effect.fnUntraced(function* (phases: ReadonlyArray<DrainPhase>, deadline: Duration.Duration) {
  const end = (yield* Clock.currentTimeMillis) + Duration.toMillis(deadline)
  const unfinished: Array<string> = []
  for (const { name, run } of phases) {
    const left = Duration.max(Duration.millis(end - (yield* Clock.currentTimeMillis)), LEAST)
    const done = yield* Effect.exit(Effect.timeoutOption(run, left))
    if (done._tag === "Failure") {
      yield* Effect.logWarning("drain phase failed", done.cause).pipe(Effect.annotateLogs({ phase: name }))
      unfinished.push(name)
    } else if (Option.isNone(done.value)) {
      yield* Effect.logWarning("drain phase ran out of time").pipe(Effect.annotateLogs({ phase: name }))
      unfinished.push(name)
    }
  }
  return unfinished
})
