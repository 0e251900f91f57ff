/** Milliseconds of the monotonic clock as an effect: corrections of the wall clock neither shorten nor prolong anything. */
import { Clock, Effect } from "effect"

/** Now, since some start of the process's own. */
export const monotonicMillis: Effect.Effect<number> = Effect.map(
  Clock.monotonicTimeNanos,
  (nanos) => Number(nanos) / 1e6
)
