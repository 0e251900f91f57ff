/** Messages to all replicas, at most once, no history: invalidations, meter clean-up, block events. Never relied on for safety. */
import { Context, type Effect, Schema, type Stream } from "effect"

/** The message may not have reached anybody. */
export class BroadcastUnavailable extends Schema.TaggedError<BroadcastUnavailable>()("BroadcastUnavailable", {
  channel: Schema.String,
  cause: Schema.Defect()
}) {}

/** Channels by name. Losing every message costs time (a cache entry lives to its end), never correctness. */
export class Broadcast extends Context.Service<
  Broadcast,
  {
    /** Sends `payload` to those who are subscribed now, this process included. */
    readonly publish: (channel: string, payload: string) => Effect.Effect<void, BroadcastUnavailable>
    /** Messages from now on, in order for each sender; reconnects by itself and may miss messages meanwhile. */
    readonly subscribe: (channel: string) => Stream.Stream<string>
  }
>()("relaymill/domain/ports/Broadcast") {}
