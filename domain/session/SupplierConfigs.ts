/**
 * How staking moves a supplier's service configs: they come and go with sessions, never within one. `nextSessionStart`
 * is one after the current session's end under the live shared params.
 * Source: poktroll `x/supplier/keeper`, msg_server_stake_supplier.go and msg_server_unstake_supplier.go.
 */
import type { ServiceConfigUpdate, Supplier, SupplierServiceConfig } from "../chain/Supplier.ts"
import type { SharedParams } from "../protocol/SharedParams.ts"
import { isSessionEnd, sessionEnd } from "./SessionGrid.ts"
import { isConfigActive } from "./SessionSuppliers.ts"
import { proofWindowCloses } from "./SessionWindow.ts"

/** What a stake or restake says. `services` empty changes no config. */
export interface SupplierStake {
  readonly ownerAddress: string
  readonly operatorAddress: string
  /** The whole stake, not what is added; uPOKT. */
  readonly stake: bigint
  readonly services: ReadonlyArray<SupplierServiceConfig>
}

/**
 * The record after a stake (`current` is `undefined`) or a restake, which also cancels unstaking. Whether the stake is
 * high enough and the signer may change the owner is decided before.
 */
export const stakeSupplier = (
  current: Supplier | undefined,
  stake: SupplierStake,
  nextSessionStart: bigint
): Supplier => ({
  ownerAddress: stake.ownerAddress,
  operatorAddress: stake.operatorAddress,
  stake: stake.stake,
  services: stake.services.length === 0 ? (current?.services ?? []) : stake.services,
  unstakeSessionEndHeight: 0n,
  serviceConfigHistory: restakeConfigs(
    current?.serviceConfigHistory ?? [],
    stake.operatorAddress,
    stake.services,
    nextSessionStart
  )
})

/**
 * Config history after services were staked: each begins with the next session, every older open one ends there, and one
 * of the same service still waiting for that height is replaced. No services, no change.
 */
export const restakeConfigs = (
  history: ReadonlyArray<ServiceConfigUpdate>,
  operatorAddress: string,
  services: ReadonlyArray<SupplierServiceConfig>,
  nextSessionStart: bigint
): ReadonlyArray<ServiceConfigUpdate> => {
  if (services.length === 0) return history
  const staked = new Set(services.map((service) => service.serviceId))
  return [
    ...history
      .filter((update) => update.activationHeight !== nextSessionStart || !staked.has(update.service.serviceId))
      .map((update) =>
        update.deactivationHeight === 0n ? { ...update, deactivationHeight: nextSessionStart } : update
      ),
    ...services.map((service) => ({
      operatorAddress,
      service,
      activationHeight: nextSessionStart,
      deactivationHeight: 0n
    }))
  ]
}

/** The record after an unstake: it serves to the end of the session, then **every** config is closed. */
export const unstakeSupplier = (supplier: Supplier, nextSessionStart: bigint): Supplier => ({
  ...supplier,
  unstakeSessionEndHeight: nextSessionStart - 1n,
  serviceConfigHistory: supplier.serviceConfigHistory.map((update) => ({
    ...update,
    deactivationHeight: nextSessionStart
  }))
})

/** The config of a service in force at `height`, the one that settlement pays by. */
export const activeConfig = (
  supplier: Pick<Supplier, "serviceConfigHistory">,
  serviceId: string,
  height: bigint
): SupplierServiceConfig | undefined =>
  supplier.serviceConfigHistory.find(
    (update) => update.service.serviceId === serviceId && isConfigActive(update, height)
  )?.service

/**
 * Is an unstaking supplier removed at the end of block `height`? At the first session end once the unbonding period is
 * over. `at` are the params at `height`, `atUnstake` those at the unstake height. Suppliers that a slash made unstake are
 * not in the chain's unbonding index: never ask for them.
 */
export const isSupplierUnbonded = (
  supplier: Pick<Supplier, "unstakeSessionEndHeight">,
  height: bigint,
  at: SharedParams,
  atUnstake: SharedParams
): boolean =>
  supplier.unstakeSessionEndHeight > 0n &&
  isSessionEnd(at, height) &&
  height >= supplier.unstakeSessionEndHeight + atUnstake.supplierUnbondingPeriodSessions * atUnstake.numBlocksPerSession

/**
 * Configs that are still needed at the end of block `height`: open ones, and closed ones until the proof window of the
 * last session they served has closed. `params` are the live ones.
 */
export const pruneConfigs = (
  history: ReadonlyArray<ServiceConfigUpdate>,
  height: bigint,
  params: SharedParams
): ReadonlyArray<ServiceConfigUpdate> =>
  history.filter(
    (update) =>
      update.deactivationHeight === 0n ||
      height <= proofWindowCloses(params, sessionEnd(params, update.deactivationHeight - 1n))
  )
