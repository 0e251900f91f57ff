/** Where a relayer keeps mined relays while the log is away. Bounded; survives what its adapter says it survives. */
import { Context, type Effect, type Option, Schema } from "effect"
import type { RelayLogEntry } from "./RelayLog.ts"

/** The spool has no room: the relay cannot be recorded and must be refused. */
export class SpoolFull extends Schema.TaggedError<SpoolFull>()("SpoolFull", {
  entries: Schema.Int,
  limit: Schema.Int,
  /** Where the adapter bounds bytes too: those held, and their limit. */
  bytes: Schema.optionalKey(Schema.Int),
  bytesLimit: Schema.optionalKey(Schema.Int)
}) {
  override get message(): string {
    const bytes = this.bytes === undefined ? "" : ` and ${this.bytes} bytes of ${this.bytesLimit}`
    return `the relay spool holds ${this.entries} entries of ${this.limit}${bytes}`
  }
}

/** One spooled entry and the name under which it is removed. */
export interface SpooledEntry {
  readonly id: number
  readonly entry: RelayLogEntry
}

/** Laws: first in, first out; an entry stays until removed; `lowestSessionEnd` is none exactly when it is empty. */
export class RelaySpool extends Context.Service<
  RelaySpool,
  {
    /** Keeps the entry; returns once it is kept. */
    readonly offer: (entry: RelayLogEntry) => Effect.Effect<void, SpoolFull>
    /** Up to `max` oldest entries, not removed. */
    readonly peek: (max: number) => Effect.Effect<ReadonlyArray<SpooledEntry>>
    /** Removes entries that are in the log now. Unknown ids are ignored. */
    readonly remove: (ids: ReadonlyArray<number>) => Effect.Effect<void>
    /** Number of entries kept. */
    readonly size: Effect.Effect<number>
    /** Lowest session end height among the kept entries. */
    readonly lowestSessionEnd: Effect.Effect<Option.Option<bigint>>
  }
>()("relaymill/domain/ports/RelaySpool") {}
