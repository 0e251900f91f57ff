/** What a Go miner has to find of a supplier's sessions to go on with them: its own records, made of ours. */
import { Context, type Effect, type Option } from "effect"
import type { SessionId } from "../protocol/Identifiers.ts"
import type { Lease, LeaseLost } from "./Leases.ts"
import type { StoreUnavailable } from "./SupplierStore.ts"

/** A session that a Go miner goes on with. */
export interface GoSession {
  readonly session: SessionId
  readonly service: string
  readonly application: string
  readonly startHeight: bigint
  readonly endHeight: bigint
  /** Relays in the trie, and their compute units. */
  readonly relays: bigint
  readonly computeUnits: bigint
  /** The claim that is on chain: 48-byte root, and the transaction if it is known; none for a session still open. */
  readonly claim: Option.Option<{ readonly root: Uint8Array; readonly txHash: string | undefined }>
}

/** Fenced writes, each repeatable. */
export class GoProjections extends Context.Service<
  GoProjections,
  {
    /**
     * Writes the session's record and its places in both indexes, and the keys of its trie besides nodes and live root,
     * which have to be checkpointed before: without a claim no sealed root is left.
     */
    readonly writeSession: (lease: Lease, session: GoSession) => Effect.Effect<void, LeaseLost | StoreUnavailable>
    /** Makes every entry of the relay stream that is not acknowledged come again to whoever reads next. */
    readonly rewind: (lease: Lease) => Effect.Effect<void, LeaseLost | StoreUnavailable>
  }
>()("relaymill/domain/ports/GoProjections") {}
