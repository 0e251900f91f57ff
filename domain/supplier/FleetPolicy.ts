/** What a fleet asks before it takes suppliers, and whom it tells what became of them. */
import { Effect } from "effect"
import type { Lease } from "../ports/Leases.ts"
import type { SupplierAddress } from "../protocol/Identifiers.ts"

/**
 * Why a supplier is handed over: it is beyond the share, its key is gone, it is staked no more and has no session left,
 * or the process ends.
 */
export type LeaveReason = "rebalance" | "key_removal" | "not_staked" | "shutdown"

/** Nothing here fails; the fleet waits for `mined` and `mayTake` only. */
export interface FleetPolicy {
  /** Those of `held` that are to be mined. What is left out is not taken, and handed over if it is owned. */
  readonly mined: (held: ReadonlyArray<SupplierAddress>) => Effect.Effect<ReadonlyArray<SupplierAddress>>
  /** Whether suppliers may be taken now. What is owned stays either way. */
  readonly mayTake: Effect.Effect<boolean>
  /** The supplier is ours from here on. Interrupted when it is not any more. */
  readonly taken: (lease: Lease) => Effect.Effect<void>
  /** The supplier is being handed over. Interrupted before the lease is given up. */
  readonly leaving: (supplier: SupplierAddress, reason: LeaveReason) => Effect.Effect<void>
  /** Its lease was given up, and the others were told. At a shutdown the drain waits for it. */
  readonly left: (supplier: SupplierAddress, reason: LeaveReason) => Effect.Effect<void>
}

/** Takes whatever its keys are for, and tells nobody: for a process that is alone with its stores. */
export const everySupplier: FleetPolicy = {
  mined: Effect.succeed,
  mayTake: Effect.succeed(true),
  taken: () => Effect.void,
  leaving: () => Effect.void,
  left: () => Effect.void
}

/** Broadcast channel: a supplier whose lease was given up, so that whoever wants it takes it at once. */
export const RELEASED = "mill:released"
