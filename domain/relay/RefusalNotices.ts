/**
 * Refusals in sentences for an operator: said once in the log when relays begin to be refused for a reason, and by the
 * probes as long as that goes on. How many there are is a metric.
 */
import { Clock, Effect } from "effect"
import { monotonicMillisOf } from "../lifecycle/MonotonicTime.ts"
import { type RefusalCause, refusalText, type RelayRefused } from "./RelayRefusal.ts"

/** Refusals of one relayer. */
export interface RefusalNotices {
  readonly note: (refused: Pick<RelayRefused, "reason" | "detail" | "limit">) => Effect.Effect<void>
  /** One sentence for each reason for which a relay was refused within `QUIET_MILLIS`. */
  readonly recent: Effect.Effect<ReadonlyArray<string>>
}

/** Without a refusal for so long, the next one is news. */
export const QUIET_MILLIS = 30_000

/** Characters of a detail, which a caller may have made up. */
const MAX_DETAIL = 200

/** Refusals of one reason, without a longer pause between them. */
interface Spell {
  count: number
  lastAt: number
  sentence: string
}

/** Nothing was refused yet. */
export const makeRefusalNotices: Effect.Effect<RefusalNotices> = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const spells = new Map<RefusalCause, Spell>()
  const isOver = ({ lastAt }: Spell) => monotonicMillisOf(clock) - lastAt > QUIET_MILLIS
  return {
    note: ({ detail, limit, reason }) =>
      Effect.suspend(() => {
        const known = spells.get(reason)
        const sentence = `${refusalText(reason, limit)} (${printable(detail)})`
        const lastAt = monotonicMillisOf(clock)
        if (known !== undefined && !isOver(known)) {
          known.count++
          known.lastAt = lastAt
          known.sentence = sentence
          return Effect.void
        }
        spells.set(reason, { count: 1, lastAt, sentence })
        return Effect.annotateLogs(Effect.logWarning(`relays are refused: ${sentence}`), { reason })
      }),
    recent: Effect.sync(() =>
      [...spells.values()]
        .filter((spell) => !isOver(spell))
        .map(({ count, sentence }) => `${count} ${count === 1 ? "relay was" : "relays were"} refused: ${sentence}`)
    )
  }
})

const printable = (text: string): string => text.slice(0, MAX_DETAIL).replace(/[^ -~]/g, "?")
