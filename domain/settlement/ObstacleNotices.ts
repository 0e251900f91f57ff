/**
 * What keeps claims and proofs of a process's suppliers from the chain, in sentences for an operator: said once in the log
 * when it begins and when it is over, and by `/ready` meanwhile.
 */
import { Effect } from "effect"
import type { SupplierAddress } from "../protocol/Identifiers.ts"
import type { Obstacle } from "./SubmissionMemory.ts"

/** Kept for the suppliers that are owned. */
export interface ObstacleNotices {
  /** Replaces what is known of a supplier: one obstacle for each session that has one. */
  readonly set: (supplier: SupplierAddress, obstacles: ReadonlyArray<Obstacle>) => Effect.Effect<void>
  /** Somebody else has the supplier now, or nobody. */
  readonly forget: (supplier: SupplierAddress) => Effect.Effect<void>
  /** Sentences, of at most `MOST` suppliers; a last one says how many more there are. */
  readonly all: Effect.Effect<ReadonlyArray<string>>
}

/** Suppliers told of. */
const MOST = 20

/** Characters of a detail: one may name every node and what each of them said. */
const MAX_DETAIL = 300

/** Nothing is in the way yet. */
export const makeObstacleNotices = (): ObstacleNotices => {
  const told = new Map<SupplierAddress, ReadonlyMap<Obstacle["reason"], string>>()
  return {
    set: (supplier, obstacles) =>
      Effect.suspend(() => {
        const before = told.get(supplier)
        if (obstacles.length === 0 && before === undefined) return Effect.void
        const now = sentencesOf(supplier, obstacles)
        if (now.size === 0) told.delete(supplier)
        else told.set(supplier, now)
        const news = [...now].filter(([reason]) => before?.has(reason) !== true)
        const isOver = now.size === 0
        return Effect.forEach(news, ([reason, sentence]) =>
          Effect.annotateLogs(Effect.logWarning(sentence), { supplier, reason })
        ).pipe(
          Effect.andThen(
            isOver
              ? Effect.annotateLogs(Effect.logInfo("nothing keeps its claims and proofs from the chain any more"), {
                  supplier
                })
              : Effect.void
          )
        )
      }),
    forget: (supplier) => Effect.sync(() => void told.delete(supplier)),
    all: Effect.sync(() => {
      const sentences = [...told.values()].slice(0, MOST).flatMap((of) => [...of.values()])
      const more = told.size - MOST
      return more > 0 ? [...sentences, `claims or proofs of ${more} more suppliers wait`] : sentences
    })
  }
}

/** One sentence for each reason, with the newest detail. */
const sentencesOf = (
  supplier: SupplierAddress,
  obstacles: ReadonlyArray<Obstacle>
): ReadonlyMap<Obstacle["reason"], string> => {
  const sentences = new Map<Obstacle["reason"], string>()
  for (const { detail, reason } of obstacles) {
    const count = obstacles.filter((each) => each.reason === reason).length
    const sessions = count === 1 ? "1 session" : `${count} sessions`
    const remedy = reason === "insufficient_funds" ? "; fund it" : ""
    const why = detail.length > MAX_DETAIL ? `${detail.slice(0, MAX_DETAIL)}…` : detail
    sentences.set(reason, `${sessions} of ${supplier} cannot be claimed or proven now, ${reason}: ${why}${remedy}`)
  }
  return sentences
}
