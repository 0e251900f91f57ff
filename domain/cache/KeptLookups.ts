/**
 * Look-ups whose outcome is kept for a time, successes and failures alike: the first cache tier of serving. Concurrent
 * callers of one key share a look-up; a kept value is read without an effect. Bounded, the least recently used goes.
 */
import { Cache, Cause, Clock, Duration, Effect, Exit } from "effect"

/** Kept outcomes by key. */
export interface KeptLookups<A, E> {
  /** The kept success at `now` (milliseconds of Effect's clock); `undefined` if none is kept. */
  readonly peek: (key: string, now: number) => A | undefined
  /** The kept outcome, else that of a look-up. Interrupting the last waiting caller interrupts the look-up. */
  readonly get: (key: string) => Effect.Effect<A, E>
  /** Looks up again whatever is kept; a failure leaves the kept outcome in force and is returned. */
  readonly refresh: (key: string) => Effect.Effect<A, E>
  /** Outcomes kept now, expired ones included until they are pushed out. */
  readonly size: () => number
}

interface Kept<A, E> {
  readonly exit: Exit.Exit<A, E>
  readonly expiresAt: number
}

/** How much is kept and how long, in milliseconds; 0: not at all. Interruptions and defects are never kept. */
export interface KeepOptions<A, E> {
  readonly capacity: number
  readonly success: (value: A) => number
  readonly failure: (error: E) => number
}

/** Nothing is kept at first. */
export const makeKeptLookups = <A, E>(
  lookup: (key: string) => Effect.Effect<A, E>,
  options: KeepOptions<A, E>
): Effect.Effect<KeptLookups<A, E>> =>
  Effect.gen(function* () {
    const kept = new Map<string, Kept<A, E>>()

    const keep = (key: string, exit: Exit.Exit<A, E>, now: number): void => {
      kept.delete(key)
      const millis = keptMillis(exit, options)
      if (millis <= 0) return
      kept.set(key, { exit, expiresAt: now + millis })
      if (kept.size > options.capacity) {
        for (const oldest of kept.keys()) {
          kept.delete(oldest)
          break
        }
      }
    }

    const read = (key: string, now: number): Exit.Exit<A, E> | undefined => {
      const found = kept.get(key)
      if (found === undefined) return undefined
      const isExpired = found.expiresAt <= now
      // The order of use only matters when something may have to go.
      if (!isExpired && kept.size * 2 <= options.capacity) return found.exit
      kept.delete(key)
      if (isExpired) return undefined
      kept.set(key, found)
      return found.exit
    }

    // Holds an entry only while its look-up runs: this is the sharing, `kept` is the keeping.
    const running = yield* Cache.makeWith(
      (key: string) =>
        Effect.onExit(lookup(key), (exit) => Effect.map(Clock.currentTimeMillis, (now) => keep(key, exit, now))),
      { capacity: options.capacity, timeToLive: () => Duration.zero }
    )

    return {
      peek: (key, now) => {
        const exit = read(key, now)
        return exit !== undefined && Exit.isSuccess(exit) ? exit.value : undefined
      },
      get: (key) => Effect.flatMap(Clock.currentTimeMillis, (now) => read(key, now) ?? Cache.get(running, key)),
      refresh: (key) =>
        Effect.flatMap(Effect.exit(lookup(key)), (exit) =>
          Effect.flatMap(Clock.currentTimeMillis, (now) => {
            if (Exit.isSuccess(exit)) keep(key, exit, now)
            return exit
          })
        ),
      size: () => kept.size
    }
  })

const keptMillis = <A, E>(exit: Exit.Exit<A, E>, options: KeepOptions<A, E>): number => {
  if (Exit.isSuccess(exit)) return options.success(exit.value)
  const [reason] = exit.cause.reasons
  return exit.cause.reasons.length === 1 && reason !== undefined && Cause.isFailReason(reason)
    ? options.failure(reason.error)
    : 0
}
