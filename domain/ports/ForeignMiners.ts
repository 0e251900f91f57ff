/** Miners of the Go fleet in the same namespace. They do not check their leases when they write. */
import { Context, type Effect, Schema } from "effect"

/** Whether some are alive is not known now. */
export class ForeignMinersUnknown extends Schema.TaggedError<ForeignMinersUnknown>()("ForeignMinersUnknown", {
  cause: Schema.Defect()
}) {
  override get message(): string {
    return "it is not known whether Go miners are alive in this namespace"
  }
}

/** Registrations that were renewed within their life. Ours never register as Go's do. */
export class ForeignMiners extends Context.Service<
  ForeignMiners,
  {
    /** Ids of those alive, ascending. For every few seconds. */
    readonly alive: Effect.Effect<ReadonlyArray<string>, ForeignMinersUnknown>
  }
>()("relaymill/domain/ports/ForeignMiners") {}
