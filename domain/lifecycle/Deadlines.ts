/**
 * Time bounds of many calls at the price of one timer: calls past their deadline are found by a look every few
 * milliseconds. A fiber and a timer for each call cost more than the rest of a call's book-keeping.
 */
import { Clock, Duration, Effect, type Scope } from "effect"
import { monotonicMillisOf } from "./MonotonicTime.ts"
import { type Member, Roster } from "./Roster.ts"

/** How late a call for a waiting client may be ended. */
export const DEADLINE_STEP = Duration.millis(20)

/** The same for calls of seconds, which nobody counts in milliseconds: fewer looks while nothing happens. */
export const COARSE_STEP = Duration.millis(100)

/** One call under way. */
export interface Deadline extends Member {
  /** Milliseconds of the monotonic clock. */
  readonly at: number
  /** Ends the call. Called at most once. */
  readonly expire: () => void
}

/** The calls under way, looked at every `step`; one leaves when it has ended. As many as there are calls. */
export const watchDeadlines = Effect.fnUntraced(function* (
  step: Duration.Duration
): Effect.fn.Return<Roster<Deadline>, never, Scope.Scope> {
  const watched = new Roster<Deadline>()
  const look = Clock.clockWith((clock) => {
    const now = monotonicMillisOf(clock)
    for (const deadline of watched) {
      if (deadline.at > now) continue
      watched.delete(deadline)
      deadline.expire()
    }
    return Effect.void
  })
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(step), look)))
  return watched
})
