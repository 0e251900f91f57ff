/**
 * How staking moves an application's services. A new application may use its services at once; a later change takes
 * effect with the next session. Source: poktroll `x/application/keeper/msg_server_stake_application.go`.
 */
import type { Application, ApplicationServiceConfigUpdate } from "../chain/Application.ts"
import type { SharedParams } from "../protocol/SharedParams.ts"
import { isSessionEnd } from "./SessionGrid.ts"
import { isConfigActive } from "./SessionSuppliers.ts"

/** What a stake or restake says. */
export interface ApplicationStake {
  readonly address: string
  /** The whole stake, not what is added; uPOKT. */
  readonly stake: bigint
  readonly serviceIds: ReadonlyArray<string>
  /** uPOKT; `undefined` keeps the limit there is, 0 removes it. */
  readonly perSessionSpendLimit: bigint | undefined
}

/** The record after a stake (`current` is `undefined`) or a restake, which also cancels unstaking. */
export const stakeApplication = (
  current: Application | undefined,
  stake: ApplicationStake,
  nextSessionStart: bigint
): Application => {
  const limit = stake.perSessionSpendLimit ?? current?.perSessionSpendLimit
  return {
    address: stake.address,
    stake: stake.stake,
    serviceIds: stake.serviceIds,
    delegateeGatewayAddresses: current?.delegateeGatewayAddresses ?? [],
    pendingUndelegations: current?.pendingUndelegations ?? [],
    unstakeSessionEndHeight: 0n,
    pendingTransfer: current?.pendingTransfer,
    perSessionSpendLimit: limit === 0n ? undefined : limit,
    serviceConfigHistory: current === undefined ? [] : changeServices(current, stake.serviceIds, nextSessionStart)
  }
}

/** The record after an unstake, or when a settlement leaves less than the least stake. */
export const unstakeApplication = (application: Application, sessionEndHeight: bigint): Application => ({
  ...application,
  unstakeSessionEndHeight: sessionEndHeight
})

/** Services that the application may use at `height`, in the order of its record. An empty history means: never changed. */
export const applicationServices = (
  application: Pick<Application, "serviceIds" | "serviceConfigHistory">,
  height: bigint
): ReadonlyArray<string> =>
  application.serviceConfigHistory.length === 0
    ? application.serviceIds
    : application.serviceConfigHistory
        .filter((update) => isConfigActive(update, height))
        .map((update) => update.serviceId)

/** May the application have sessions that end at `sessionEndHeight`? Not after it unstakes, nor after its transfer. */
export const isApplicationActive = (
  application: Pick<Application, "unstakeSessionEndHeight" | "pendingTransfer">,
  sessionEndHeight: bigint
): boolean => {
  if (application.unstakeSessionEndHeight > 0n) return sessionEndHeight <= application.unstakeSessionEndHeight
  return application.pendingTransfer === undefined || sessionEndHeight <= application.pendingTransfer.sessionEndHeight
}

/**
 * Is an unstaking application removed at the end of block `height`? At the first session end once the unbonding period
 * is over. `at` are the params at `height`, `live` the live ones.
 */
export const isApplicationUnbonded = (
  application: Pick<Application, "unstakeSessionEndHeight">,
  height: bigint,
  at: SharedParams,
  live: SharedParams
): boolean =>
  application.unstakeSessionEndHeight > 0n &&
  isSessionEnd(at, height) &&
  height >= application.unstakeSessionEndHeight + live.applicationUnbondingPeriodSessions * live.numBlocksPerSession

/** History after a restake: untouched while the set of services stays the same. */
const changeServices = (
  current: Application,
  serviceIds: ReadonlyArray<string>,
  nextSessionStart: bigint
): ReadonlyArray<ApplicationServiceConfigUpdate> => {
  if (isSameSet(current.serviceIds, serviceIds)) return current.serviceConfigHistory
  const update = (serviceId: string, activationHeight: bigint): ApplicationServiceConfigUpdate => ({
    applicationAddress: current.address,
    serviceId,
    activationHeight,
    deactivationHeight: 0n
  })
  const history =
    current.serviceConfigHistory.length === 0
      ? current.serviceIds.map((serviceId) => update(serviceId, 1n))
      : current.serviceConfigHistory
  return [
    // What still waits for the next session has never served and is dropped, not closed.
    ...history
      .filter((entry) => entry.activationHeight !== nextSessionStart)
      .map((entry) => (entry.deactivationHeight === 0n ? { ...entry, deactivationHeight: nextSessionStart } : entry)),
    ...serviceIds.map((serviceId) => update(serviceId, nextSessionStart))
  ]
}

const isSameSet = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): boolean => {
  const known = new Set(a)
  return a.length === b.length && b.every((serviceId) => known.has(serviceId))
}
