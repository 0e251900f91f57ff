/**
 * Second cache tier, shared by replicas: encoded values with a time to live. Losing it costs chain reads, nothing else.
 * Keys are names below the fleet's base prefix (`cache:application:<address>`): adapters put `{base}:` in front.
 */
import { Context, type Duration, type Effect, type Option, Schema } from "effect"

/** The cache did not answer: go on to the source. */
export class SharedCacheUnavailable extends Schema.TaggedError<SharedCacheUnavailable>()("SharedCacheUnavailable", {
  operation: Schema.Literals(["get", "set", "setIfAbsent", "remove", "removeIf", "members", "changeMembers"]),
  cause: Schema.Defect()
}) {}

/** Bytes by key. A value that does not decode counts as absent: the reader goes on to the source. */
export class SharedCache extends Context.Service<
  SharedCache,
  {
    /** The value if it was set and its time to live has not passed. */
    readonly get: (key: string) => Effect.Effect<Option.Option<Uint8Array>, SharedCacheUnavailable>
    /** Sets or replaces the value for `timeToLive`; `Duration.infinity`: until it is removed. */
    readonly set: (
      key: string,
      value: Uint8Array,
      timeToLive: Duration.Duration
    ) => Effect.Effect<void, SharedCacheUnavailable>
    /** Sets the value unless there is one that lives; says whether it did. Atomic: of several callers one sets. */
    readonly setIfAbsent: (
      key: string,
      value: Uint8Array,
      timeToLive: Duration.Duration
    ) => Effect.Effect<boolean, SharedCacheUnavailable>
    /** Removes the value; absent is no error. */
    readonly remove: (key: string) => Effect.Effect<void, SharedCacheUnavailable>
    /** Removes the value if it still is these bytes; says whether it did. Atomic. */
    readonly removeIf: (key: string, value: Uint8Array) => Effect.Effect<boolean, SharedCacheUnavailable>
    /** Members of the set under the key, in no order; none for an absent key. Sets and values never share a key. */
    readonly members: (key: string) => Effect.Effect<ReadonlyArray<string>, SharedCacheUnavailable>
    /** Adds members to the set under the key, then removes others; the set has no end. Repeatable. */
    readonly changeMembers: (
      key: string,
      change: { readonly add: ReadonlyArray<string>; readonly remove: ReadonlyArray<string> }
    ) => Effect.Effect<void, SharedCacheUnavailable>
  }
>()("relaymill/domain/ports/SharedCache") {}
