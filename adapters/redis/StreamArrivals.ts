/**
 * Tells idle suppliers that something was added to their streams, over one connection for all of them: XREAD blocks on
 * every stream that was read to its end. On a cluster, where one read cannot span slots, appends are hinted at on a
 * channel, and lengths are looked at each second for what nobody hints at.
 */
import { Effect, type Scope } from "effect"
import { COARSE_STEP, type Deadline, watchDeadlines } from "../../domain/lifecycle/Deadlines.ts"
import { RedisConnections } from "./RedisConnections.ts"
import { watchLengths, watchStreams } from "./StreamWatch.ts"

/** Waits for what is appended to streams. */
export interface StreamArrivals {
  /** The stream was read up to `lastId`, and everything up to it is handed out: look for what comes after. */
  readonly watch: (stream: string, lastId: string) => void
  /** Whether the stream is watched and nothing came. */
  readonly isQuiet: (stream: string) => boolean
  /** Looks no more. */
  readonly forget: (stream: string) => void
  /** Wakes those who wait for the stream. */
  readonly wake: (stream: string) => void
  /**
   * Completes at the next arrival or `wake` of one of the streams, at once when one is not quiet, and a tenth of a second
   * after `until` at the latest (milliseconds of the monotonic clock).
   */
  readonly arrival: (streams: ReadonlyArray<string>, until: number) => Effect.Effect<void>
  /** Streams watched. */
  readonly size: () => number
}

/** Starts watching in the present scope. */
export const makeStreamArrivals: Effect.Effect<StreamArrivals, never, RedisConnections | Scope.Scope> = Effect.gen(
  function* () {
    const connections = yield* RedisConnections
    /** Last id that was read, by stream. */
    const watched = new Map<string, string>()
    const waiting = new Map<string, Set<() => void>>()
    const deadlines = yield* watchDeadlines(COARSE_STEP)

    const wake = (stream: string) => {
      const woken = waiting.get(stream)
      if (woken === undefined) return
      waiting.delete(stream)
      for (const each of woken) each()
    }
    const arrived = (stream: string) => {
      watched.delete(stream)
      wake(stream)
    }
    const changed = yield* connections.topology === "cluster"
      ? watchLengths(watched, arrived)
      : watchStreams(watched, arrived)

    return {
      watch: (stream, lastId) => {
        if (watched.get(stream) === lastId) return
        watched.set(stream, lastId)
        changed()
      },
      isQuiet: (stream) => watched.has(stream),
      forget: (stream) => {
        watched.delete(stream)
        wake(stream)
      },
      wake,
      arrival: (streams, until) =>
        Effect.callback<void>((resume) => {
          if (streams.some((stream) => !watched.has(stream))) return resume(Effect.void)
          const withdraw = () => {
            deadlines.delete(deadline)
            for (const stream of streams) {
              const others = waiting.get(stream)
              others?.delete(done)
              if (others?.size === 0) waiting.delete(stream)
            }
          }
          const done = () => {
            withdraw()
            resume(Effect.void)
          }
          const deadline: Deadline = { place: -1, at: until, expire: done }
          deadlines.add(deadline)
          for (const stream of streams) {
            const others = waiting.get(stream)
            if (others === undefined) waiting.set(stream, new Set([done]))
            else others.add(done)
          }
          return Effect.sync(withdraw)
        }),
      size: () => watched.size
    }
  }
)
