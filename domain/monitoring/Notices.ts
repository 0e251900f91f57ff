/**
 * What an operator has to know and what stops nothing: each monitor keeps its own sentences here, which readiness shows
 * without being refused for them. Gone with the monitor: another leader says them then.
 */
import { Effect } from "effect"

/** Sentences by the monitor that keeps them. */
export interface Notices {
  /** Replaces the monitor's sentences. */
  readonly set: (monitor: string, sentences: ReadonlyArray<string>) => Effect.Effect<void>
  /** All sentences, those of each monitor together; at most `MOST` of one. */
  readonly all: Effect.Effect<ReadonlyArray<string>>
}

/** Sentences kept of one monitor; a last one says how many more there are. */
const MOST = 20

/** No sentence yet. */
export const makeNotices = (): Notices => {
  const kept = new Map<string, ReadonlyArray<string>>()
  return {
    set: (monitor, sentences) =>
      Effect.sync(() => {
        const more = sentences.length - MOST
        kept.set(monitor, more > 0 ? [...sentences.slice(0, MOST), `${monitor}: ${more} more`] : sentences)
      }),
    all: Effect.sync(() => [...kept.values()].flat())
  }
}

/** Runs a monitor's program and takes its sentences back when it ends. */
export const whileNoticing =
  (notices: Notices, monitor: string) =>
  <A, E, R>(program: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.ensuring(program, notices.set(monitor, []))
