/**
 * Suppliers on the chain: staking, restaking, unstaking, and what the end of a block does to them.
 * Source: poktroll `x/supplier/keeper`.
 */
import { Result } from "effect"
import type { ServiceConfigUpdate, Supplier, SupplierServiceConfig } from "../../domain/chain/Supplier.ts"
import { isSessionEnd, sessionEnd } from "../../domain/session/SessionGrid.ts"
import { proofWindowCloses } from "../../domain/session/SessionWindow.ts"
import { type BlockContext, type ChainState, credit, sharedAt, sharedLive, withKey, withoutKey } from "./ChainState.ts"
import { currentSessionEnd, type Operation, payFrom, refuseOperation, upcomingSessionStart } from "./Operation.ts"

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
      const history = restakedConfigs(
        present?.serviceConfigHistory ?? [],
        operatorAddress,
        services,
        upcomingSessionStart(state, block)
      )
      const supplier: Supplier = {
        ownerAddress,
        operatorAddress,
        stake,
        services: services.length === 0 ? (present?.services ?? []) : services,
        unstakeSessionEndHeight: 0n,
        serviceConfigHistory: history
      }
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
    const deactivationHeight = upcomingSessionStart(state, block)
    return Result.succeed(
      withSupplier(
        { ...state, unbondingSuppliers: new Set(state.unbondingSuppliers).add(operatorAddress) },
        {
          ...supplier,
          unstakeSessionEndHeight: currentSessionEnd(state, block),
          serviceConfigHistory: supplier.serviceConfigHistory.map((update) => ({ ...update, deactivationHeight }))
        }
      )
    )
  }

/** End of a block: suppliers leave whose unbonding period is over, and configs that no session needs any more. */
export const endSuppliers = (state: ChainState, block: BlockContext): ChainState =>
  pruneConfigs(unbond(state, block), block)

const unbond = (state: ChainState, block: BlockContext): ChainState => {
  if (state.unbondingSuppliers.size === 0 || !isSessionEnd(sharedLive(state), block.height)) return state
  let current = state
  for (const address of [...state.unbondingSuppliers].sort()) {
    const supplier = current.suppliers.get(address)
    if (supplier === undefined) continue
    const params = sharedAt(state, supplier.unstakeSessionEndHeight)
    const leaves =
      supplier.unstakeSessionEndHeight + params.supplierUnbondingPeriodSessions * params.numBlocksPerSession
    if (block.height < leaves) continue
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
    const kept = supplier.serviceConfigHistory.filter((update) => isConfigNeeded(state, update, block.height))
    if (kept.length !== supplier.serviceConfigHistory.length) {
      current = withSupplier(current, { ...supplier, serviceConfigHistory: kept })
    }
  }
  return current
}

/** A deactivated config is kept until the last session it served has settled. */
export const isConfigNeeded = (
  state: ChainState,
  update: Pick<ServiceConfigUpdate, "deactivationHeight">,
  height: bigint
): boolean => {
  if (update.deactivationHeight === 0n) return true
  const lastServed = update.deactivationHeight - 1n
  const params = sharedAt(state, lastServed)
  return height <= proofWindowCloses(params, sessionEnd(params, lastServed))
}

/** New configs start with the next session; older open ones end there, and one that waited for it is replaced. */
const restakedConfigs = (
  history: ReadonlyArray<ServiceConfigUpdate>,
  operatorAddress: string,
  services: ReadonlyArray<SupplierServiceConfig>,
  start: bigint
): ReadonlyArray<ServiceConfigUpdate> => {
  if (services.length === 0) return history
  const isReplaced = (update: ServiceConfigUpdate) =>
    update.activationHeight === start && services.some(({ serviceId }) => serviceId === update.service.serviceId)
  return [
    ...history
      .filter((update) => !isReplaced(update))
      .map((update) => (update.deactivationHeight === 0n ? { ...update, deactivationHeight: start } : update)),
    ...services.map((service) => ({ operatorAddress, service, activationHeight: start, deactivationHeight: 0n }))
  ]
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
