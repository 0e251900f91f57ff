/**
 * Keeps suppliers from being taken while Go miners are alive beside us: those write without looking at their leases, so
 * two kinds never share a supplier. An operator may say that the keys of the two are disjoint.
 */
import { Effect, Metric } from "effect"
import { ForeignMiners } from "../ports/ForeignMiners.ts"

const seen = Metric.gauge("ha_miner_foreign_miners", {
  description: "Go miners that are alive in this namespace; -1 while it is not known"
})

/** What is known of Go miners beside us. */
export interface ForeignWatch {
  /** Looks, and says whether suppliers may be taken now. */
  readonly mayTake: Effect.Effect<boolean>
  /** Ids as of the last look that was answered; undefined before the first one. */
  readonly known: Effect.Effect<ReadonlyArray<string> | undefined>
}

/**
 * `disjointKeys`: suppliers are taken all the same, and nothing is said but the metric. A look that is not answered leaves
 * what was known; before the first answer nothing is taken.
 */
export const makeForeignWatch = Effect.fnUntraced(function* (
  disjointKeys: boolean
): Effect.fn.Return<ForeignWatch, never, ForeignMiners> {
  const foreign = yield* ForeignMiners
  let known: ReadonlyArray<string> | undefined

  const note = Effect.fnUntraced(function* (alive: ReadonlyArray<string>) {
    const before = known?.join() ?? ""
    known = alive
    yield* Metric.update(seen, alive.length)
    if (disjointKeys || before === alive.join()) return
    yield* (
      alive.length === 0
        ? Effect.logInfo("no Go miner is alive any more, suppliers are taken")
        : Effect.logError(
            "Go miners are alive in this namespace, so no supplier is taken: stop them, or set " +
              "supplier_claiming.beside_go_miners if they hold other keys"
          )
    ).pipe(Effect.annotateLogs({ miners: alive.join(", ") }))
  })

  return {
    mayTake: foreign.alive.pipe(
      Effect.flatMap(note),
      Effect.catchTag("ForeignMinersUnknown", (unknown) =>
        Effect.andThen(
          known === undefined ? Metric.update(seen, -1) : Effect.void,
          Effect.logWarning("Go miners cannot be looked for", unknown)
        )
      ),
      Effect.map(() => disjointKeys || known?.length === 0)
    ),
    known: Effect.sync(() => known)
  }
})
