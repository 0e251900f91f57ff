/** The relayer's side of the log of mined relays: append only. The miner's side is `SupplierStore`. */
import { Context, type Effect, type Option, Schema, type Tracer } from "effect"
import type { MinedRelay } from "../relay/MinedRelay.ts"

/** A mined relay on its way into the log. */
export interface RelayLogEntry {
  readonly relay: MinedRelay
  /** Context of the producer span of a sampled relay; travels in the entry. */
  readonly trace: Option.Option<Tracer.ExternalSpan>
}

/** The log did not confirm. The entry may be in it or not: append again or spool, the trie drops doubles. */
export class RelayLogUnavailable extends Schema.TaggedError<RelayLogUnavailable>()("RelayLogUnavailable", {
  operation: Schema.Literals(["append", "announce"]),
  cause: Schema.Defect()
}) {}

/** The supplier's log is above its high-water mark: nothing was written. */
export class RelayLogFull extends Schema.TaggedError<RelayLogFull>()("RelayLogFull", {
  supplier: Schema.String,
  entries: Schema.Int,
  limit: Schema.Int,
  /** Where the adapter bounds bytes too: those held, and their limit. */
  bytes: Schema.optionalKey(Schema.Int),
  bytesLimit: Schema.optionalKey(Schema.Int)
}) {
  override get message(): string {
    const bytes = this.bytes === undefined ? "" : ` and ${this.bytes} bytes of ${this.bytesLimit}`
    return `the relay log of ${this.supplier} holds ${this.entries} entries of ${this.limit}${bytes}`
  }
}

/** Laws: what was appended successfully is delivered at least once, in order for each supplier, until acknowledged. */
export class RelayLog extends Context.Service<
  RelayLog,
  {
    /** Appends to the supplier's log and returns the entry's id. Returns once it is in the log. */
    readonly append: (entry: RelayLogEntry) => Effect.Effect<string, RelayLogUnavailable | RelayLogFull>
    /**
     * Announces the lowest session end height in this relayer's spool for 15 s (none: withdraws it), so that miners
     * wait with sealing such sessions. Must be announced before the first replayed append.
     */
    readonly announceSpool: (
      relayer: string,
      lowestSessionEnd: Option.Option<bigint>
    ) => Effect.Effect<void, RelayLogUnavailable>
  }
>()("relaymill/domain/ports/RelayLog") {}
