/**
 * Look-ups whose outcome is kept for a time, successes and failures alike: the first cache tier. Concurrent callers of
 * one key share a look-up; a kept value is read without an effect. Bounded, the least recently used goes.
 *
 * What is invalidated is gone at once: a look-up that began before answers those who wait for it already, and is neither
 * kept nor joined by later callers. An older look-up never replaces the outcome of a newer refresh.
 */
import { Cache, Cause, Clock, Duration, Effect, Exit } from "effect"

/** One look-up under way. */
export interface Ticket {
  /** Whether its outcome may still be kept: nothing was invalidated or refreshed since it began. */
  readonly isCurrent: () => boolean
}

/** Kept outcomes by key. */
export interface KeptLookups<A, E> {
  /** The kept success at `now` (milliseconds of Effect's clock); `undefined` if none is kept. */
  readonly peek: (key: string, now: number) => A | undefined
  /** The kept outcome, else that of a look-up. Interrupting the last waiting caller interrupts the look-up. */
  readonly get: (key: string) => Effect.Effect<A, E>
  /** Looks up again whatever is kept; a failure leaves the kept outcome in force and is returned. */
  readonly refresh: (key: string) => Effect.Effect<A, E>
  /** The same by other means than the look-up of the cache. */
  readonly refreshWith: <E2>(key: string, lookup: (ticket: Ticket) => Effect.Effect<A, E2>) => Effect.Effect<A, E2>
  /** Forgets the key; says whether a value was kept that could have been served. */
  readonly invalidate: (key: string) => Effect.Effect<boolean>
  /** Forgets everything. */
  readonly clear: Effect.Effect<void>
  /** Outcomes kept now, expired ones included until they are pushed out. */
  readonly size: () => number
}

interface Kept<A, E> {
  readonly exit: Exit.Exit<A, E>
  readonly expiresAt: number
  /** Until when an expired success answers for a look-up that fails. */
  readonly staleUntil: number
}

/** How much is kept and how long, in milliseconds; 0: not at all. Interruptions and defects are never kept. */
export interface KeepOptions<A, E> {
  readonly capacity: number
  readonly success: (value: A) => number
  readonly failure: (error: E) => number
  /**
   * How long after its time a success may answer for a look-up that fails; asked again after `failure` of the error.
   * Left out: not at all.
   */
  readonly stale?: number
}

/** Nothing is kept at first. */
export const makeKeptLookups = <A, E>(
  lookup: (key: string, ticket: Ticket) => Effect.Effect<A, E>,
  options: KeepOptions<A, E>
): Effect.Effect<KeptLookups<A, E>> =>
  Effect.gen(function* () {
    const kept = new Map<string, Kept<A, E>>()
    const tickets = new Tickets()

    const put = (key: string, entry: Kept<A, E>): void => {
      kept.delete(key)
      kept.set(key, entry)
      if (kept.size > options.capacity) {
        for (const oldest of kept.keys()) {
          kept.delete(oldest)
          break
        }
      }
    }

    const keep = (key: string, exit: Exit.Exit<A, E>, now: number): void => {
      const millis = keptMillis(exit, options)
      const expiresAt = now + millis
      const stale = kept.get(key)
      if (Exit.isFailure(exit) && stale !== undefined && Exit.isSuccess(stale.exit) && stale.staleUntil > now) {
        if (millis > 0) put(key, { ...stale, expiresAt: Math.min(expiresAt, stale.staleUntil) })
        return
      }
      kept.delete(key)
      if (millis <= 0) return
      put(key, { exit, expiresAt, staleUntil: Exit.isSuccess(exit) ? expiresAt + (options.stale ?? 0) : expiresAt })
    }

    const read = (key: string, now: number): Exit.Exit<A, E> | undefined => {
      const found = kept.get(key)
      if (found === undefined) return undefined
      if (found.expiresAt <= now) {
        if (found.staleUntil <= now) kept.delete(key)
        return undefined
      }
      // The order of use only matters when something may have to go.
      if (kept.size * 2 > options.capacity) put(key, found)
      return found.exit
    }

    /** Runs a look-up with a ticket of its own and keeps what came of it, if it still may. */
    const keeping = <E2>(
      key: string,
      run: (ticket: Ticket) => Effect.Effect<A, E2>,
      settle: (exit: Exit.Exit<A, E2>, now: number, ticket: Numbered) => void
    ): Effect.Effect<A, E2> =>
      Effect.suspend(() => {
        const ticket = tickets.open(key)
        return Effect.onExit(run(ticket), (exit) =>
          Effect.map(Clock.currentTimeMillis, (now) => {
            if (ticket.isCurrent()) settle(exit, now, ticket)
            tickets.close(key, ticket)
          })
        )
      })

    // Holds an entry only while its look-up runs: this is the sharing, `kept` is the keeping.
    const running = yield* Cache.makeWith(
      (key: string) => {
        const found = keeping<E>(
          key,
          (ticket) => lookup(key, ticket),
          (exit, now) => keep(key, exit, now)
        )
        return options.stale === undefined
          ? found
          : Effect.catch(found, (error) =>
              Effect.flatMap(Clock.currentTimeMillis, (now) => read(key, now) ?? Effect.fail(error))
            )
      },
      { capacity: options.capacity, timeToLive: () => Duration.zero }
    )

    const refreshWith = <E2>(key: string, run: (ticket: Ticket) => Effect.Effect<A, E2>): Effect.Effect<A, E2> =>
      keeping<E2>(key, run, (exit, now, ticket) => {
        if (Exit.isFailure(exit)) return
        tickets.voidBefore(key, ticket)
        keep(key, Exit.succeed(exit.value), now)
      })

    return {
      peek: (key, now) => {
        const exit = read(key, now)
        return exit !== undefined && Exit.isSuccess(exit) ? exit.value : undefined
      },
      get: (key) => Effect.flatMap(Clock.currentTimeMillis, (now) => read(key, now) ?? Cache.get(running, key)),
      refresh: (key) => refreshWith(key, (ticket) => lookup(key, ticket)),
      refreshWith,
      invalidate: (key) =>
        Effect.map(Cache.invalidate(running, key), () => {
          tickets.void(key)
          const found = kept.get(key)
          kept.delete(key)
          return found !== undefined && Exit.isSuccess(found.exit)
        }),
      clear: Effect.map(Cache.invalidateAll(running), () => {
        tickets.voidAll()
        kept.clear()
      }),
      size: () => kept.size
    }
  })

/** Look-ups under way by key: an entry lives as long as its look-up. */
class Tickets {
  readonly #open = new Map<string, Set<Numbered>>()
  #last = 0

  open(key: string): Numbered {
    const ticket = new Numbered(++this.#last)
    const others = this.#open.get(key)
    if (others === undefined) this.#open.set(key, new Set([ticket]))
    else others.add(ticket)
    return ticket
  }

  close(key: string, ticket: Numbered): void {
    const others = this.#open.get(key)
    others?.delete(ticket)
    if (others?.size === 0) this.#open.delete(key)
  }

  void(key: string): void {
    for (const ticket of this.#open.get(key) ?? []) ticket.isVoid = true
  }

  voidAll(): void {
    for (const key of this.#open.keys()) this.void(key)
  }

  /** Look-ups that began before this one may have read what it replaces. */
  voidBefore(key: string, newer: Numbered): void {
    for (const ticket of this.#open.get(key) ?? []) {
      if (ticket.number < newer.number) ticket.isVoid = true
    }
  }
}

class Numbered implements Ticket {
  readonly number: number
  isVoid = false

  constructor(number: number) {
    this.number = number
  }

  isCurrent = (): boolean => !this.isVoid
}

const keptMillis = <A, E>(exit: Exit.Exit<A, E>, options: KeepOptions<A, E>): number => {
  if (Exit.isSuccess(exit)) return options.success(exit.value)
  const [reason] = exit.cause.reasons
  return exit.cause.reasons.length === 1 && reason !== undefined && Cause.isFailReason(reason)
    ? options.failure(reason.error)
    : 0
}
