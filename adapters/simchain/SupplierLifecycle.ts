/** Suppliers on the simulated chain: staking and unstaking as operations, and what the end of a block does to them. */
import { Result } from "effect"
import type { Supplier, SupplierServiceConfig } from "../../domain/chain/Supplier.ts"
import * as SupplierConfigs from "../../domain/session/SupplierConfigs.ts"
import { type BlockContext, type ChainState, credit, sharedAt, sharedLive, withKey, withoutKey } from "./ChainState.ts"
import { type Operation, payFrom, refuseOperation, upcomingSessionStart } from "./Operation.ts"

/** What a supplier stakes. */
export interface SupplierStake {
  readonly operatorAddress: string
  /** Pays, and receives the stake back. The operator by default; cannot change. */
  readonly ownerAddress?: string
  /** Whole stake in uPOKT, at least the minimum; the present one when left out of a restake. */
  readonly stake?: bigint
  /** All services that are offered from the next session on; none leaves the configs of a staked supplier alone. */
  readonly services?: ReadonlyArray<SupplierServiceConfig>
}

/** Stakes a new supplier, or changes and (if it was unstaking) keeps one that is staked. The owner pays stake and fee. */
export const stakeSupplier =
  (input: SupplierStake): Operation =>
  (state, block) =>
    Result.gen(function* () {
      const { operatorAddress } = input
      const present = state.suppliers.get(operatorAddress)
      const ownerAddress = present?.ownerAddress ?? input.ownerAddress ?? operatorAddress
      const services = input.services ?? []
      const refuse = (reason: string) => refuseOperation("stake supplier", operatorAddress, reason)
      if (present !== undefined && input.ownerAddress !== undefined && input.ownerAddress !== ownerAddress) {
        return yield* refuse("another owner")
      }
      if (present === undefined && services.length === 0) return yield* refuse("no services")
      const unknown = services.find(({ serviceId }) => !state.services.has(serviceId))
      if (unknown !== undefined) return yield* refuse(`service ${unknown.serviceId} does not exist`)
      const stake = input.stake ?? present?.stake ?? 0n
      if (stake < state.params.supplier.minStake) return yield* refuse(`stake of ${stake}upokt is below the minimum`)
      const fee = state.params.supplier.stakingFee
      const paid = yield* payFrom(state, "stake supplier", ownerAddress, stake - (present?.stake ?? 0n) + fee)
      const supplier = SupplierConfigs.stakeSupplier(
        present,
        { ownerAddress, operatorAddress, stake, services },
        upcomingSessionStart(state, block)
      )
      return withSupplier(
        {
          ...paid,
          modules: { ...paid.modules, feeCollector: paid.modules.feeCollector + fee },
          unbondingSuppliers: withoutMember(paid.unbondingSuppliers, operatorAddress)
        },
        supplier
      )
    })

/** Unstakes: served to the end of the current session, every config ends with it, also one that ended before. */
export const unstakeSupplier =
  (operatorAddress: string): Operation =>
  (state, block) => {
    const supplier = state.suppliers.get(operatorAddress)
    if (supplier === undefined) return refuseOperation("unstake supplier", operatorAddress, "it does not exist")
    if (supplier.unstakeSessionEndHeight !== 0n) {
      return refuseOperation("unstake supplier", operatorAddress, "it is unstaking already")
    }
    return Result.succeed(
      withSupplier(
        { ...state, unbondingSuppliers: new Set(state.unbondingSuppliers).add(operatorAddress) },
        SupplierConfigs.unstakeSupplier(supplier, upcomingSessionStart(state, block))
      )
    )
  }

/** End of a block: suppliers leave whose unbonding period is over, and configs that no session needs any more. */
export const endSuppliers = (state: ChainState, block: BlockContext): ChainState =>
  pruneConfigs(unbond(state, block), block)

const unbond = (state: ChainState, block: BlockContext): ChainState => {
  let current = state
  for (const address of [...state.unbondingSuppliers].sort()) {
    const supplier = current.suppliers.get(address)
    if (supplier === undefined) continue
    const atUnstake = sharedAt(state, supplier.unstakeSessionEndHeight)
    if (!SupplierConfigs.isSupplierUnbonded(supplier, block.height, sharedAt(state, block.height), atUnstake)) continue
    current = {
      ...credit(current, supplier.ownerAddress, supplier.stake),
      suppliers: withoutKey(current.suppliers, address),
      unbondingSuppliers: withoutMember(current.unbondingSuppliers, address)
    }
  }
  return current
}

const pruneConfigs = (state: ChainState, block: BlockContext): ChainState => {
  let current = state
  for (const supplier of state.suppliers.values()) {
    const kept = SupplierConfigs.pruneConfigs(supplier.serviceConfigHistory, block.height, sharedLive(state))
    if (kept.length !== supplier.serviceConfigHistory.length) {
      current = withSupplier(current, { ...supplier, serviceConfigHistory: kept })
    }
  }
  return current
}

const withSupplier = (state: ChainState, supplier: Supplier): ChainState => ({
  ...state,
  suppliers: withKey(state.suppliers, supplier.operatorAddress, supplier)
})

const withoutMember = (set: ReadonlySet<string>, member: string): ReadonlySet<string> => {
  if (!set.has(member)) return set
  const copy = new Set(set)
  copy.delete(member)
  return copy
}
