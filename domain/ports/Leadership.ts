/**
 * One leader among the replicas of a namespace: a name that lives for a TTL unless it is renewed. An overlap of two
 * leaders can happen (a reply that was lost, a process that was halted), so what a leader does must bear it.
 */
import { Context, type Duration, type Effect, type Option, Schema } from "effect"

/** The store did not answer. The leadership may or may not have been taken, renewed, released. */
export class LeadershipUnavailable extends Schema.TaggedError<LeadershipUnavailable>()("LeadershipUnavailable", {
  operation: Schema.Literals(["acquire", "renew", "release", "leader"]),
  cause: Schema.Defect()
}) {
  override get message(): string {
    return `the store of the leadership did not answer ${this.operation}`
  }
}

/** Replicas are told apart by their ids, which are unique: `{hostname}-{pid}` beside a Go fleet. */
export class Leadership extends Context.Service<
  Leadership,
  {
    /** Life of a leadership from acquisition or renewal. */
    readonly ttl: Duration.Duration
    /**
     * Makes the replica leader for one TTL if nobody leads; true if it leads now. It is true as well for one that leads
     * already, whose earlier reply may have been lost.
     */
    readonly acquire: (replica: string) => Effect.Effect<boolean, LeadershipUnavailable>
    /** Leads for one TTL from now; false if it does not lead any more, and then nothing changes. */
    readonly renew: (replica: string) => Effect.Effect<boolean, LeadershipUnavailable>
    /** Gives it up; of one that does not lead nothing changes, and that is no error. */
    readonly release: (replica: string) => Effect.Effect<void, LeadershipUnavailable>
    /** Who leads now. */
    readonly leader: Effect.Effect<Option.Option<string>, LeadershipUnavailable>
  }
>()("relaymill/domain/ports/Leadership") {}
