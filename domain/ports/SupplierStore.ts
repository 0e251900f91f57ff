/**
 * The miner's side: deliveries of the relay log, trie nodes, session events, and the fenced writes of one supplier.
 *
 * What must change together is one call: a commit concerns one session and takes effect as a whole or not at all.
 * Every write compares the lease's nonce with the fence and refuses when it differs or is absent.
 */
import { Context, type Duration, type Effect, type Option, Schema, type Tracer } from "effect"
import type { SessionId, SupplierAddress } from "../protocol/Identifiers.ts"
import type { SessionEvent } from "../session/SessionEvent.ts"
import type { Lease, LeaseLost } from "./Leases.ts"

/** One entry of the log, handed to the owner of the supplier. */
export interface Delivery {
  /** `<milliseconds>-<sequence>`, ordered by `compareLogId`. */
  readonly id: string
  /** Encoded `MinedRelayMessage`. */
  readonly data: Uint8Array
  /** Producer context, when the relay was sampled. */
  readonly trace: Option.Option<Tracer.ExternalSpan>
}

/** State of the log as the seal condition needs it. Ids are of `Delivery`; `0-0` when there is none. */
export interface Backlog {
  /** Last id the log ever generated for this supplier. */
  readonly lastGenerated: string
  /** Last id handed out to the group. */
  readonly lastDelivered: string
  /** Oldest id that was handed out and is not acknowledged, at any consumer. */
  readonly oldestPending: Option.Option<string>
  /** Lowest session end height that some relayer has announced for its spool. */
  readonly lowestSpooledSessionEnd: Option.Option<bigint>
}

/** A trie node by digest (48 bytes) and its encoding. */
export interface StoredNode {
  readonly digest: Uint8Array
  readonly encoding: Uint8Array
}

/** What a session is, as stored. All counters are absolute values from the trie. */
export interface StoredSession {
  readonly session: SessionId
  /** Counts commits; the next commit must expect it. */
  readonly version: number
  readonly events: ReadonlyArray<SessionEvent>
  /** Root of the last checkpoint (48 bytes); none before the first. */
  readonly liveRoot: Option.Option<Uint8Array>
  /** Digests of leaves stored since that checkpoint, in commit order. */
  readonly tail: ReadonlyArray<Uint8Array>
  /** Root with the tail's leaves (48 bytes), relays and compute units in it, as of the last commit. */
  readonly root: Uint8Array
  readonly count: bigint
  readonly sum: bigint
}

/** All that changes in one session in one step. */
export interface SessionCommit {
  readonly session: SessionId
  /** 0 for a session that is not stored yet. */
  readonly expectedVersion: number
  /** New leaves; stored, and their digests appended to the tail. Must be empty once the session is sealed. */
  readonly leaves: ReadonlyArray<StoredNode>
  /** Trie after these leaves, or as it was. */
  readonly root: Uint8Array
  readonly count: bigint
  readonly sum: bigint
  readonly events: ReadonlyArray<SessionEvent>
  /** Set at a checkpoint whose nodes were written by `writeNodes` before: new live root and how much of the tail it covers. */
  readonly checkpoint: Option.Option<{ readonly liveRoot: Uint8Array; readonly tailCovered: number }>
  /** Deliveries that this commit settles: acknowledged in it, last. Those that are acknowledged already are passed over. */
  readonly acknowledged: ReadonlyArray<string>
}

/** A transaction that is about to be broadcast, durable before its first byte leaves. */
export interface TxIntent {
  readonly txHash: string
  readonly kind: "claim" | "proof"
  /** Sessions of the batch with the sealed roots that its messages carry or prove (48 bytes). */
  readonly sessions: ReadonlyArray<{ readonly session: SessionId; readonly root: Uint8Array }>
  readonly sessionEnd: bigint
  /** Last height at which the messages are accepted. */
  readonly windowCloses: bigint
  /** Unix nanoseconds; the signer's nonce. */
  readonly timeoutUnixNano: bigint
  readonly txBytes: Uint8Array
}

/** The store did not confirm. A write may have happened: read version and fence, then decide. */
export class StoreUnavailable extends Schema.TaggedError<StoreUnavailable>()("StoreUnavailable", {
  operation: Schema.String,
  cause: Schema.Defect()
}) {
  override get message(): string {
    return `the supplier store did not confirm ${this.operation}`
  }
}

/**
 * The commit was refused as a whole: drop the trie in memory and load the session again. `version`: somebody committed
 * meanwhile. `sealed`: it would change the trie of a sealed session, or seal it again. `tail`: the checkpoint covers more
 * leaves than there are. `foreign_root`: the store's root is not the one last written through this port.
 */
export class CommitRefused extends Schema.TaggedError<CommitRefused>()("CommitRefused", {
  supplier: Schema.String,
  session: Schema.String,
  reason: Schema.Literals(["version", "sealed", "foreign_root", "tail"]),
  expectedVersion: Schema.Int,
  storedVersion: Schema.Int
}) {
  override get message(): string {
    return `commit of session ${this.session} refused (${this.reason}): expected version ${this.expectedVersion}, stored ${this.storedVersion}`
  }
}

/** The intent names a session that is not sealed with that root. */
export class IntentRefused extends Schema.TaggedError<IntentRefused>()("IntentRefused", {
  supplier: Schema.String,
  session: Schema.String
}) {
  override get message(): string {
    return `session ${this.session} of ${this.supplier} is not sealed with the root of the transaction`
  }
}

/** Orders ids of deliveries: negative, zero, positive. */
export const compareLogId = (a: string, b: string): number => {
  const [aTime = "0", aSequence = "0"] = a.split("-")
  const [bTime = "0", bSequence = "0"] = b.split("-")
  return aTime === bTime ? Number(aSequence) - Number(bSequence) : Number(aTime) - Number(bTime)
}

/**
 * Laws: a refused write changes nothing; an acknowledged delivery is never delivered again; an unacknowledged one is
 * delivered again to the next owner (and to the same owner after `redeliver`); a sealed session takes no leaves, and its
 * root, count and sum stay; `load` after a commit returns exactly what was committed, and what it returned does not
 * change with later commits; nodes stay readable until `deleteNodes`, `dropNodes` or `forget`.
 */
export class SupplierStore extends Context.Service<
  SupplierStore,
  {
    /**
     * Up to `max` deliveries, oldest first: at first everything that an earlier owner left unacknowledged, then new
     * entries. Waits up to `wait` for the first one; empty when none came. Interruption loses nothing: what the
     * interrupted call had taken comes again after `redeliver`, or to the next owner. Of two calls at once each entry
     * goes to one.
     */
    readonly deliveries: (
      lease: Lease,
      max: number,
      wait: Duration.Duration
    ) => Effect.Effect<ReadonlyArray<Delivery>, LeaseLost | StoreUnavailable>
    /** Hands out again what this owner got and did not acknowledge; called after a refused or failed commit. */
    readonly redeliver: (lease: Lease) => Effect.Effect<void, LeaseLost | StoreUnavailable>
    /** State of the supplier's log now. Read anew each time: relayers append meanwhile. */
    readonly backlog: (lease: Lease) => Effect.Effect<Backlog, StoreUnavailable>
    /** Ids of the supplier's sessions that are not forgotten, ascending. */
    readonly sessions: (supplier: SupplierAddress) => Effect.Effect<ReadonlyArray<SessionId>, StoreUnavailable>
    /** A session with its events; none when nothing is stored. */
    readonly load: (
      supplier: SupplierAddress,
      session: SessionId
    ) => Effect.Effect<Option.Option<StoredSession>, StoreUnavailable>
    /** Encodings by digest, in order; `undefined` for a node that is not stored. */
    readonly readNodes: (
      supplier: SupplierAddress,
      session: SessionId,
      digests: ReadonlyArray<Uint8Array>
    ) => Effect.Effect<ReadonlyArray<Uint8Array | undefined>, StoreUnavailable>
    /** Every stored leaf, for rebuilding a damaged or foreign trie. In no order. */
    readonly readLeaves: (
      supplier: SupplierAddress,
      session: SessionId
    ) => Effect.Effect<ReadonlyArray<StoredNode>, StoreUnavailable>
    /** The fenced step. */
    readonly commit: (
      lease: Lease,
      commit: SessionCommit
    ) => Effect.Effect<void, LeaseLost | CommitRefused | StoreUnavailable>
    /**
     * Fenced: nodes of a checkpoint in progress. A crash before its commit leaves garbage only, which goes with the
     * session; so for a session of which nothing is committed yet, nothing is written.
     */
    readonly writeNodes: (
      lease: Lease,
      session: SessionId,
      nodes: ReadonlyArray<StoredNode>
    ) => Effect.Effect<void, LeaseLost | StoreUnavailable>
    /** Fenced: nodes that no checkpointed root reaches any more. */
    readonly deleteNodes: (
      lease: Lease,
      session: SessionId,
      digests: ReadonlyArray<Uint8Array>
    ) => Effect.Effect<void, LeaseLost | StoreUnavailable>
    /**
     * Fenced: sets entries aside that cannot be decoded, with the reason, and acknowledges them. Those that are
     * acknowledged already are passed over, so a repeated call sets nothing aside twice. Bounded: oldest dropped.
     */
    readonly setAside: (
      lease: Lease,
      deliveries: ReadonlyArray<Delivery>,
      reason: string
    ) => Effect.Effect<void, LeaseLost | StoreUnavailable>
    /** Fenced: makes a transaction durable before its broadcast. Idempotent by hash: the first one saved stays. */
    readonly saveIntent: (
      lease: Lease,
      intent: TxIntent
    ) => Effect.Effect<void, LeaseLost | IntentRefused | StoreUnavailable>
    /** Intents not dropped yet, in the order saved. */
    readonly intents: (supplier: SupplierAddress) => Effect.Effect<ReadonlyArray<TxIntent>, StoreUnavailable>
    /** Fenced: the transaction's fate is known and recorded in events. */
    readonly dropIntent: (lease: Lease, txHash: string) => Effect.Effect<void, LeaseLost | StoreUnavailable>
    /**
     * Fenced: removes the trie of a session that has ended: nodes, live root and tail. Events, version, root and totals
     * stay, and so does the seal.
     */
    readonly dropNodes: (lease: Lease, session: SessionId) => Effect.Effect<void, LeaseLost | StoreUnavailable>
    /** Fenced: removes everything of a session, after its retention. Absent is no error. */
    readonly forget: (lease: Lease, session: SessionId) => Effect.Effect<void, LeaseLost | StoreUnavailable>
  }
>()("relaymill/domain/ports/SupplierStore") {}
