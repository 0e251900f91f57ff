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

/**
 * The spool's medium failed: a disk that is full, gone or read-only, or that does not answer. An entry that was offered
 * is not confirmed, so the relay must be refused; what was confirmed before is still kept.
 */
export class SpoolUnavailable extends Schema.TaggedError<SpoolUnavailable>()("SpoolUnavailable", {
  operation: Schema.Literals(["offer", "peek", "remove"]),
  /** Code of the operating system, as `ENOSPC`, or `TIMEOUT`. */
  code: Schema.String,
  cause: Schema.Defect()
}) {
  override get message(): string {
    const remedy = REMEDIES[this.code] ?? "look at the disk of spool.dir"
    return `the relay spool failed (${this.operation}, ${this.code}): ${remedy}`
  }
}

const REMEDIES: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full; free space, or lower spool.max_bytes",
  EDQUOT: "the disk quota is used up; raise it, or lower spool.max_bytes",
  EFBIG: "this process may not write files of that size; raise its limit on file size (ulimit -f)",
  EROFS: "the file system is read-only; mount it for writing",
  EACCES: "spool.dir is not writable any more; restore its owner and mode 700"
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
    /** Keeps the entry; returns once it is kept. After a failure it may be kept or not. */
    readonly offer: (entry: RelayLogEntry) => Effect.Effect<void, SpoolFull | SpoolUnavailable>
    /**
     * Up to `max` oldest entries with an id above `after` (all, if left out), in the order of their ids, not removed.
     * Fewer, but at least one, where they would take too much memory.
     */
    readonly peek: (max: number, after?: number) => Effect.Effect<ReadonlyArray<SpooledEntry>, SpoolUnavailable>
    /** Removes entries that are in the log now. Unknown ids are ignored. After a crash, one may come again. */
    readonly remove: (ids: ReadonlyArray<number>) => Effect.Effect<void>
    /** Number of entries kept. */
    readonly size: Effect.Effect<number>
    /** Lowest session end height among the kept entries. */
    readonly lowestSessionEnd: Effect.Effect<Option.Option<bigint>>
  }
>()("relaymill/domain/ports/RelaySpool") {}
