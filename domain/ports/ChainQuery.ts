/**
 * Reads of chain state. An absent record is an `Option`; every other failure is `ChainUnavailable`, "cannot decide".
 * Every read answers or fails within a bound of the adapter's: who looks at sessions waits for it.
 * Adapters may cache what cannot change (values at a past height, account keys) and say so.
 */
import { Context, type Effect, type Option, Schema } from "effect"
import type { Account } from "../chain/Account.ts"
import type { Application } from "../chain/Application.ts"
import type { ChainEvent } from "../chain/ChainEvents.ts"
import type { Service } from "../chain/Service.ts"
import type { Session } from "../chain/Session.ts"
import type { Supplier } from "../chain/Supplier.ts"
import type { BlockLimits } from "../protocol/BlockLimits.ts"
import type { ApplicationAddress, ServiceId, SessionId, SupplierAddress } from "../protocol/Identifiers.ts"
import type { ProofParams } from "../protocol/ProofParams.ts"
import type { SessionParams } from "../protocol/SessionParams.ts"
import type { SharedParams } from "../protocol/SharedParams.ts"
import type { SupplierParams } from "../protocol/SupplierParams.ts"
import type { TokenomicsParams } from "../protocol/TokenomicsParams.ts"
import type { Claim } from "../tx/ProofMessages.ts"
import type { ChainUnavailable } from "./Blocks.ts"

/** The chain says that there is no such session (`sessions.md` §6), by its texts. */
export class SessionNotFound extends Schema.TaggedError<SessionNotFound>()("SessionNotFound", {
  application: Schema.String,
  service: Schema.String,
  height: Schema.BigInt,
  /** `future`: the height is not committed yet, worth a retry one block later. */
  reason: Schema.Literals([
    "future",
    "no_application",
    "inactive_application",
    "service_not_staked",
    "no_suppliers",
    "malformed"
  ])
}) {
  override get message(): string {
    return `no session of ${this.application} for ${this.service} at height ${this.height}: ${this.reason}`
  }
}

/** The service is not known to the chain. */
export class ServiceNotFound extends Schema.TaggedError<ServiceNotFound>()("ServiceNotFound", {
  service: Schema.String
}) {
  override get message(): string {
    return `service ${this.service} is not known to the chain`
  }
}

/** Reads of committed state. Amounts are uPOKT, heights inclusive. Reads only, so every call may be repeated. */
export class ChainQuery extends Context.Service<
  ChainQuery,
  {
    /** Live record, which for a moment can differ from the history (`sessions.md` §3). */
    readonly sharedParams: Effect.Effect<SharedParams, ChainUnavailable>
    /** Params in force at `height`; a future height gives the newest entry. */
    readonly sharedParamsAt: (height: bigint) => Effect.Effect<SharedParams, ChainUnavailable>
    /** Live; proof params have no history. */
    readonly proofParams: Effect.Effect<ProofParams, ChainUnavailable>
    /** Live. */
    readonly sessionParams: Effect.Effect<SessionParams, ChainUnavailable>
    /** Live. */
    readonly supplierParams: Effect.Effect<SupplierParams, ChainUnavailable>
    /** Live; they decide at settlement, so they may still change for what is claimed now. */
    readonly tokenomicsParams: Effect.Effect<TokenomicsParams, ChainUnavailable>
    /** Live: what one block, hence one transaction, can hold. */
    readonly blockLimits: Effect.Effect<BlockLimits, ChainUnavailable>
    /** The session that contains `height` (0: the latest), with all its suppliers. */
    readonly session: (
      application: ApplicationAddress,
      service: ServiceId,
      height: bigint
    ) => Effect.Effect<Session, SessionNotFound | ChainUnavailable>
    /** Live record of a staked application; none once it is unstaked, or never was staked. */
    readonly application: (address: ApplicationAddress) => Effect.Effect<Option.Option<Application>, ChainUnavailable>
    /** Live record of a supplier by operator address; none once it is unbonded, or never was staked. */
    readonly supplier: (address: SupplierAddress) => Effect.Effect<Option.Option<Supplier>, ChainUnavailable>
    /** Live record of a service; its prices of a session come from the reads at heights. */
    readonly service: (id: ServiceId) => Effect.Effect<Option.Option<Service>, ChainUnavailable>
    /** Account of any address: number, and public key once it has signed a transaction. */
    readonly account: (address: string) => Effect.Effect<Option.Option<Account>, ChainUnavailable>
    /** The account's public key, 33 bytes; none until it has signed a transaction, afterwards it never changes. */
    readonly publicKey: (address: string) => Effect.Effect<Option.Option<Uint8Array>, ChainUnavailable>
    /** Spendable uPOKT; 0 for an unknown account. */
    readonly balance: (address: string) => Effect.Effect<bigint, ChainUnavailable>
    /** Compute units of one relay at `height`: the session's start for everything about a session. */
    readonly computeUnitsPerRelayAt: (
      service: ServiceId,
      height: bigint
    ) => Effect.Effect<bigint, ServiceNotFound | ChainUnavailable>
    /** 32-byte relay mining target at `height`; the base target when nothing is stored. */
    readonly difficultyTargetAt: (
      service: ServiceId,
      height: bigint
    ) => Effect.Effect<Uint8Array, ServiceNotFound | ChainUnavailable>
    /** The claim as stored, with its proof status; none before it is included and after it is settled. */
    readonly claim: (
      session: SessionId,
      supplier: SupplierAddress
    ) => Effect.Effect<Option.Option<Claim>, ChainUnavailable>
    /**
     * All claims of the supplier now on chain, ascending by session id, in a state that is not older than that of
     * `notBefore`: what an older one does not show may be there. Unavailable while no node has got so far.
     */
    readonly claims: (
      supplier: SupplierAddress,
      notBefore: bigint
    ) => Effect.Effect<ReadonlyArray<Claim>, ChainUnavailable>
    /**
     * Fee in uPOKT of the newest successful transaction with a message of this type URL, whoever sent it; none when there
     * is no such transaction. Unavailable from nodes that keep no index of transactions.
     */
    readonly recentFee: (messageType: string) => Effect.Effect<Option.Option<bigint>, ChainUnavailable>
    /**
     * Typed events of the block at `height`, those of transactions first; none when the block is not committed or
     * pruned.
     */
    readonly blockEvents: (height: bigint) => Effect.Effect<Option.Option<ReadonlyArray<ChainEvent>>, ChainUnavailable>
  }
>()("relaymill/domain/ports/ChainQuery") {}
