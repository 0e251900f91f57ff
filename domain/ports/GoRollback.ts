/** The way back to Go miners: what they have to find of a supplier to go on with it. */
import { Context, type Effect, Schema } from "effect"
import type { SessionId } from "../protocol/Identifiers.ts"
import type { Lease, LeaseLost } from "./Leases.ts"
import type { StoreUnavailable } from "./SupplierStore.ts"

/** Sessions that Go would not finish: it never takes up a claim or a checkpoint that is under way elsewhere. */
export class RollbackRefused extends Schema.TaggedError<RollbackRefused>()("RollbackRefused", {
  supplier: Schema.String,
  sessions: Schema.Array(Schema.String),
  reason: Schema.Literals(["cluster", "not_checkpointed", "claim_under_way"])
}) {
  override get message(): string {
    return this.reason === "cluster"
      ? `supplier ${this.supplier} cannot go back: Go's miners do not run on a Redis Cluster`
      : this.reason === "not_checkpointed"
        ? `supplier ${this.supplier} cannot go back yet: drain it first, ${this.sessions.length} sessions are not checkpointed`
        : `supplier ${this.supplier} cannot go back yet: ${this.sessions.length} sealed sessions wait for their claim; try again when it is on chain`
  }
}

/** Where Go miners can run. */
export class GoRollback extends Context.Service<
  GoRollback,
  {
    /**
     * Writes, fenced, what Go's miners need of a supplier that was drained, and returns the sessions they go on with. The
     * lease is still held: release it afterwards. Refused as a whole, and nothing is written. Repeatable.
     */
    readonly project: (
      lease: Lease
    ) => Effect.Effect<ReadonlyArray<SessionId>, LeaseLost | StoreUnavailable | RollbackRefused>
  }
>()("relaymill/domain/ports/GoRollback") {}
