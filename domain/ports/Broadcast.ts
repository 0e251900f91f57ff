/**
 * Messages to all replicas, at most once, no history: invalidations, meter clean-up, block events. Never relied on for
 * safety. Channels are names below the fleet's base prefix (`meter:cleanup`): adapters put `{base}:` in front.
 */
import { Context, type Effect, Schema, type Stream } from "effect"

/** The message may not have reached anybody. */
export class BroadcastUnavailable extends Schema.TaggedError<BroadcastUnavailable>()("BroadcastUnavailable", {
  channel: Schema.String,
  cause: Schema.Defect()
}) {}

/** A message, or word that the subscription is in force from here on and that messages before may have been missed. */
export type Heard = { readonly _tag: "Listening" } | { readonly _tag: "Message"; readonly payload: string }

/** Channels by name. Losing every message costs time (a cache entry lives to its end), never correctness. */
export class Broadcast extends Context.Service<
  Broadcast,
  {
    /** Sends `payload` to those who are subscribed now, this process included. */
    readonly publish: (channel: string, payload: string) => Effect.Effect<void, BroadcastUnavailable>
    /** Messages from now on, in order for each sender; reconnects by itself and may miss messages meanwhile. */
    readonly subscribe: (channel: string) => Stream.Stream<string>
    /**
     * Like `subscribe`, and says what it cannot know: `Listening` comes first, once the subscription is confirmed, and
     * again after each time messages may have been missed (reconnected, or too slow a reader). Between two of them
     * nothing is missing.
     */
    readonly listen: (channel: string) => Stream.Stream<Heard>
  }
>()("relaymill/domain/ports/Broadcast") {}
