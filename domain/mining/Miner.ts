/** The miner: everything between the relay log and the chain, for the suppliers whose keys are held here. */
import { Effect, type Scope } from "effect"
import type { Blocks } from "../ports/Blocks.ts"
import type { Broadcast } from "../ports/Broadcast.ts"
import type { ChainQuery } from "../ports/ChainQuery.ts"
import type { ChainTx } from "../ports/ChainTx.ts"
import type { Leases } from "../ports/Leases.ts"
import type { SupplierKeys } from "../ports/SupplierKeys.ts"
import type { SupplierStore } from "../ports/SupplierStore.ts"
import { startSupplierFleet } from "../supplier/SupplierFleet.ts"
import type { SupplierAddress } from "../protocol/Identifiers.ts"

/** What the miner needs; settings, step tracer and hash function are references with defaults. */
export type MinerPorts = Blocks | Broadcast | ChainQuery | ChainTx | Leases | SupplierKeys | SupplierStore

/** A running miner. */
export interface Miner {
  /** Suppliers owned now, in ascending order. */
  readonly suppliers: Effect.Effect<ReadonlyArray<SupplierAddress>>
  /** Commits, checkpoints, then releases the leases. Idempotent; ends within the drain deadline. */
  readonly drain: Effect.Effect<void>
}

/**
 * Starts a miner that is alone with its stores, in the present scope: it takes whatever its keys are for. Closing the scope without `drain` stops
 * it at once, as a crash would. Beside others in one Redis it is `startFleetMiner`.
 */
export const startMiner: Effect.Effect<Miner, never, MinerPorts | Scope.Scope> = startSupplierFleet()

/**
 * Runs the miner until it is interrupted. The drain happens before any finalizer of the scope: finish the batch in hand,
 * checkpoint, release the leases.
 */
export const runMiner: Effect.Effect<never, never, MinerPorts> = Effect.scoped(
  Effect.flatMap(startMiner, (miner) => Effect.onInterrupt(Effect.never, () => miner.drain))
)
