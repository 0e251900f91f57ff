/** Time that corrections of the wall clock neither shorten nor prolong: what lives, leases and deadlines are counted in. */
import { Clock, Duration, Effect, Option } from "effect"

/** Milliseconds of a clock's monotonic time, since some start of the process's own. */
export const monotonicMillisOf = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6

/** The same of the present clock, as an effect. */
export const monotonicMillis: Effect.Effect<number> = Effect.map(Clock.Clock, monotonicMillisOf)

/** Nanoseconds of a duration, to be added to and compared with monotonic time; 0 of an infinite one. */
export const nanosOf = (duration: Duration.Duration): bigint => Option.getOrElse(Duration.toNanos(duration), () => 0n)
