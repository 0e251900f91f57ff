/** Reads that no cache may answer: the caller has reason to believe that what is kept is old. */
import { Context, Effect } from "effect"

/** Whether reads of this fiber pass the caches by. */
const FreshRead = Context.Reference<boolean>("relaymill/domain/cache/FreshRead", { defaultValue: () => false })

/** Runs an effect whose chain reads come from the chain itself; what they find replaces what this process keeps. */
export const readFresh = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.provideService(effect, FreshRead, true)

/** Whether the caller asked for it. */
export const isReadFresh: Effect.Effect<boolean> = FreshRead
