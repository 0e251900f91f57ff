/**
 * Which replica owns which supplier. A lease is a random nonce for each acquisition, kept beside the supplier's data:
 * commits compare it for equality, an absent lease refuses. The owner stops itself before TTL − margin, counted on the
 * monotonic clock from when its last successful renewal was *sent*.
 */
import { Context, type Duration, type Effect, type Option, type Result, Schema } from "effect"
import type { SupplierAddress } from "../protocol/Identifiers.ts"

/** Proof of one acquisition. */
export interface Lease {
  readonly supplier: SupplierAddress
  /** Random for each acquisition; the fence. */
  readonly nonce: string
  /** Replica id of the owner, for people. */
  readonly owner: string
  /** Counts acquisitions of this supplier, for people; never compared. */
  readonly epoch: number
}

/** The lease expired or another replica acquired it: stop, write nothing more for this supplier. */
export class LeaseLost extends Schema.TaggedError<LeaseLost>()("LeaseLost", {
  supplier: Schema.String,
  owner: Schema.String
}) {
  override get message(): string {
    return `${this.owner} no longer owns supplier ${this.supplier}`
  }
}

/** The lease store did not answer. The lease may or may not have been taken, renewed, released. */
export class LeasesUnavailable extends Schema.TaggedError<LeasesUnavailable>()("LeasesUnavailable", {
  operation: Schema.Literals(["acquire", "renew", "release", "announce", "withdraw", "replicas"]),
  cause: Schema.Defect()
}) {}

/** Ownership of suppliers among replicas. A supplier has at most one unexpired lease. */
export class Leases extends Context.Service<
  Leases,
  {
    /** Life of a lease from acquisition or renewal. */
    readonly ttl: Duration.Duration
    /** Takes the supplier when nobody holds it; none when somebody (this owner included) does. */
    readonly acquire: (
      supplier: SupplierAddress,
      owner: string
    ) => Effect.Effect<Option.Option<Lease>, LeasesUnavailable>
    /**
     * Extends to now + TTL each lease whose nonce still is the fence, in one round trip where the store can; one result
     * for each, in order; fails when nothing is known of any. An expired lease is lost, even if nobody took it since.
     */
    readonly renew: (
      leases: ReadonlyArray<Lease>
    ) => Effect.Effect<ReadonlyArray<Result.Result<void, LeaseLost | LeasesUnavailable>>, LeasesUnavailable>
    /** Gives it up; a lost lease is given up already, so that is no error. */
    readonly release: (lease: Lease) => Effect.Effect<void, LeasesUnavailable>
    /** Says that this replica is alive for one TTL, so that others leave it its share. */
    readonly announce: (owner: string) => Effect.Effect<void, LeasesUnavailable>
    /** Takes the announcement back: others need not leave it a share. Its leases stay. */
    readonly withdraw: (owner: string) => Effect.Effect<void, LeasesUnavailable>
    /** Replicas announced within the last TTL and not withdrawn since, ascending. */
    readonly replicas: Effect.Effect<ReadonlyArray<string>, LeasesUnavailable>
  }
>()("relaymill/domain/ports/Leases") {}
