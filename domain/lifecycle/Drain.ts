/**
 * The orderly end of a process: named phases, one after the other, run before any finalizer and within one deadline.
 * A phase that fails or runs out of time does not keep the next ones from running, and cannot use up their time: each
 * has a part of the deadline that no earlier one gets. What a phase leaves goes to the next.
 */
import { Cause, Clock, Duration, Effect, Exit, Fiber, Option } from "effect"

/** One phase. Idempotent. */
export interface DrainPhase {
  /** Past participle, for the log: "stopped accepting relays". */
  readonly name: string
  /** What is done; a function is told the time it has, to end by itself what it cannot finish. */
  readonly run: Effect.Effect<unknown, unknown> | ((budget: Duration.Duration) => Effect.Effect<unknown, unknown>)
}

/** How one phase ended. */
export interface PhaseReport {
  readonly name: string
  /** `cut`: it had no more time. */
  readonly outcome: "done" | "cut" | "failed"
  /** Why it is not done; empty if it is. */
  readonly reason: string
  readonly took: Duration.Duration
}

/** The part of the deadline that is kept for phases to come, in equal parts: a half. */
const KEPT_PARTS = 2
/** Least time for a phase, however short the deadline: enough for a local write, so that leases are released. */
const LEAST_MILLIS = 250
/** Time at the end of a phase's budget for what it does when it is interrupted. */
const ENDING_MILLIS = 250
const ENDING_PARTS = 10

/** Names of the phases that are not done. */
export const unfinished = (reports: ReadonlyArray<PhaseReport>): ReadonlyArray<string> =>
  reports.filter(({ outcome }) => outcome !== "done").map(({ name }) => name)

/** Runs the phases in order and reports on each. Takes no longer than the deadline, or 250 ms for each phase. */
export const drain = Effect.fnUntraced(function* (phases: ReadonlyArray<DrainPhase>, deadline: Duration.Duration) {
  const end = (yield* Clock.currentTimeMillis) + Duration.toMillis(deadline)
  const kept = Math.max(LEAST_MILLIS, Duration.toMillis(deadline) / KEPT_PARTS / Math.max(1, phases.length))
  const reports: Array<PhaseReport> = []
  for (const [index, phase] of phases.entries()) {
    const started = yield* Clock.currentTimeMillis
    const budget = Math.max(kept, end - started - kept * (phases.length - 1 - index))
    const outcome = yield* runPhase(phase, budget)
    const took = Duration.millis((yield* Clock.currentTimeMillis) - started)
    reports.push({ name: phase.name, took, ...outcome })
    if (outcome.outcome === "done") continue
    yield* Effect.logWarning(outcome.outcome === "cut" ? "drain phase ran out of time" : "drain phase failed").pipe(
      Effect.annotateLogs({ phase: phase.name, reason: outcome.reason, millis: Duration.toMillis(took) })
    )
  }
  return reports
})

const runPhase = Effect.fnUntraced(function* ({ run }: DrainPhase, budget: number) {
  const ending = Math.min(ENDING_MILLIS, budget / ENDING_PARTS)
  const time = budget - ending
  // Detached: a phase that does not heed its interruption must not hold the next ones.
  const running = yield* Effect.forkDetach(typeof run === "function" ? run(Duration.millis(time - ending)) : run, {
    startImmediately: true
  })
  return yield* Effect.gen(function* () {
    const ended = running.pollUnsafe() ?? Option.getOrUndefined(yield* Effect.timeoutOption(Fiber.await(running), time))
    if (ended !== undefined) return outcomeOf(ended)
    running.interruptUnsafe()
    const stopped = yield* Effect.timeoutOption(Fiber.await(running), ending)
    const how = Option.isSome(stopped) ? "" : ", and goes on after its interruption"
    return { outcome: "cut", reason: `not done within ${Math.round(time)} ms${how}` } as const
  }).pipe(Effect.onInterrupt(() => Fiber.interrupt(running)))
})

const outcomeOf = (exit: Exit.Exit<unknown, unknown>): Pick<PhaseReport, "outcome" | "reason"> =>
  Exit.isSuccess(exit) ? { outcome: "done", reason: "" } : { outcome: "failed", reason: Cause.pretty(exit.cause) }
