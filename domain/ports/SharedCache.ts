/** Second cache tier, shared by replicas: encoded values with a time to live. Losing it costs chain reads, nothing else. */
import { Context, type Duration, type Effect, type Option, Schema } from "effect"

/** The cache did not answer: go on to the source. */
export class SharedCacheUnavailable extends Schema.TaggedError<SharedCacheUnavailable>()("SharedCacheUnavailable", {
  operation: Schema.Literals(["get", "set", "remove"]),
  cause: Schema.Defect()
}) {}

/** Bytes by key. A value that does not decode counts as absent: the reader goes on to the source. */
export class SharedCache extends Context.Service<
  SharedCache,
  {
    /** The value if it was set and its time to live has not passed. */
    readonly get: (key: string) => Effect.Effect<Option.Option<Uint8Array>, SharedCacheUnavailable>
    /** Sets or replaces the value for `timeToLive`. */
    readonly set: (
      key: string,
      value: Uint8Array,
      timeToLive: Duration.Duration
    ) => Effect.Effect<void, SharedCacheUnavailable>
    /** Removes the value; absent is no error. */
    readonly remove: (key: string) => Effect.Effect<void, SharedCacheUnavailable>
  }
>()("relaymill/domain/ports/SharedCache") {}
