/** What keeps a process from its work, or soon may, as far as its chain adapters know. */
import { Context, Effect } from "effect"

/** One reason as a sentence with its remedy; a blocking one makes the process not ready. */
export interface ReadinessReason {
  readonly text: string
  readonly isBlocking: boolean
}

/** Reasons that the client of the chain has now; none where the chain is in this process. No I/O. */
export const ChainReadiness = Context.Reference<Effect.Effect<ReadonlyArray<ReadinessReason>>>(
  "relaymill/domain/lifecycle/ChainReadiness",
  { defaultValue: () => Effect.succeed([]) }
)
