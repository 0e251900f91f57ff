/**
 * Applications on the chain: staking, unstaking, delegations, and what the end of a block does to them.
 * Source: poktroll `x/application/keeper`.
 */
import { Result } from "effect"
import type { Application, ApplicationServiceConfigUpdate } from "../../domain/chain/Application.ts"
import { isSessionEnd, sessionEnd } from "../../domain/session/SessionGrid.ts"
import { type BlockContext, type ChainState, credit, sharedAt, sharedLive, withKey, withoutKey } from "./ChainState.ts"
import { currentSessionEnd, type Operation, payFrom, refuseOperation, upcomingSessionStart } from "./Operation.ts"
import { isConfigNeeded } from "./SupplierLifecycle.ts"

/** What an application stakes. */
export interface ApplicationStake {
  readonly address: string
  /** Whole stake in uPOKT, at least the minimum; the present one when left out of a restake. */
  readonly stake?: bigint
  /** All services it pays for; the present ones when left out of a restake. */
  readonly serviceIds?: ReadonlyArray<string>
  readonly perSessionSpendLimit?: bigint
}

/**
 * Stakes a new application, whose services count at once, or changes and (if it was unstaking) keeps a staked one: its
 * changed services count from the next session on.
 */
export const stakeApplication =
  (input: ApplicationStake): Operation =>
  (state, block) =>
    Result.gen(function* () {
      const { address } = input
      const present = state.applications.get(address)
      const serviceIds = input.serviceIds ?? present?.serviceIds ?? []
      const refuse = (reason: string) => refuseOperation("stake application", address, reason)
      if (serviceIds.length === 0) return yield* refuse("no services")
      const unknown = serviceIds.find((id) => !state.services.has(id))
      if (unknown !== undefined) return yield* refuse(`service ${unknown} does not exist`)
      const stake = input.stake ?? present?.stake ?? 0n
      if (stake < state.params.application.minStake) {
        return yield* refuse(`stake of ${stake}upokt is below the minimum`)
      }
      const paid = yield* payFrom(state, "stake application", address, stake - (present?.stake ?? 0n))
      return withApplication(paid, {
        address,
        stake,
        serviceIds,
        delegateeGatewayAddresses: present?.delegateeGatewayAddresses ?? [],
        pendingUndelegations: present?.pendingUndelegations ?? [],
        unstakeSessionEndHeight: 0n,
        pendingTransfer: present?.pendingTransfer,
        perSessionSpendLimit: input.perSessionSpendLimit ?? present?.perSessionSpendLimit,
        serviceConfigHistory:
          present === undefined ? [] : restakedServices(present, serviceIds, upcomingSessionStart(state, block))
      })
    })

/** Unstakes: relays are served to the end of the current session. */
export const unstakeApplication =
  (address: string): Operation =>
  (state, block) =>
    changeApplication(state, "unstake application", address, (application) =>
      application.unstakeSessionEndHeight === 0n
        ? Result.succeed({ ...application, unstakeSessionEndHeight: currentSessionEnd(state, block) })
        : refuseOperation("unstake application", address, "it is unstaking already")
    )

/** Delegates to a gateway, effective in this block. */
export const delegate =
  (address: string, gateway: string): Operation =>
  (state, block) =>
    changeApplication(state, "delegate", address, (application) => {
      const refuse = (reason: string) => refuseOperation("delegate", address, reason)
      const staked = state.gateways.get(gateway)
      if (staked === undefined) return refuse(`gateway ${gateway} does not exist`)
      if (staked.unstakeSessionEndHeight !== 0n && block.height > staked.unstakeSessionEndHeight) {
        return refuse(`gateway ${gateway} is not active`)
      }
      if (application.delegateeGatewayAddresses.includes(gateway)) return refuse(`it delegates to ${gateway} already`)
      const limit = state.params.application.maxDelegatedGateways
      if (application.delegateeGatewayAddresses.length >= limit) return refuse(`it delegates to ${limit} gateways`)
      return Result.succeed({
        ...application,
        delegateeGatewayAddresses: [...application.delegateeGatewayAddresses, gateway],
        pendingUndelegations: application.pendingUndelegations
          .map((pending) => ({
            ...pending,
            gatewayAddresses: pending.gatewayAddresses.filter((pendingGateway) => pendingGateway !== gateway)
          }))
          .filter((pending) => pending.gatewayAddresses.length > 0)
      })
    })

/** Ends a delegation; the gateway stays in the rings of the current session and of those before it. */
export const undelegate =
  (address: string, gateway: string): Operation =>
  (state, block) =>
    changeApplication(state, "undelegate", address, (application) =>
      application.delegateeGatewayAddresses.includes(gateway)
        ? Result.succeed(withoutDelegation(application, gateway, currentSessionEnd(state, block)))
        : refuseOperation("undelegate", address, `it does not delegate to ${gateway}`)
    )

/**
 * End of a block: applications lose gateways that have stopped, forget old undelegations and configs, and leave when
 * their unbonding period is over.
 */
export const endApplications = (state: ChainState, block: BlockContext): ChainState => {
  const live = sharedLive(state)
  const stopped = [...state.gateways.values()]
    .filter((gateway) => gateway.unstakeSessionEndHeight !== 0n)
    .filter((gateway) => block.height === gateway.unstakeSessionEndHeight + 1n)
  const kept = live.gracePeriodEndOffsetBlocks + 2n * live.numBlocksPerSession
  let current = state
  for (const application of state.applications.values()) {
    let next = application
    for (const { address } of stopped) {
      if (next.delegateeGatewayAddresses.includes(address)) {
        next = withoutDelegation(next, address, sessionEnd(live, block.height))
      }
    }
    next = pruned(state, next, block, kept)
    if (next !== application) current = withApplication(current, next)
    if (isUnbonded(state, next, block)) {
      current = {
        ...credit(current, next.address, next.stake),
        applications: withoutKey(current.applications, next.address)
      }
    }
  }
  return current
}

const pruned = (state: ChainState, application: Application, block: BlockContext, kept: bigint): Application => {
  const pendingUndelegations =
    block.height > kept
      ? application.pendingUndelegations.filter((pending) => pending.sessionEndHeight >= block.height - kept)
      : application.pendingUndelegations
  const serviceConfigHistory = application.serviceConfigHistory.filter((update) =>
    isConfigNeeded(state, update, block.height)
  )
  return pendingUndelegations.length === application.pendingUndelegations.length &&
    serviceConfigHistory.length === application.serviceConfigHistory.length
    ? application
    : { ...application, pendingUndelegations, serviceConfigHistory }
}

const isUnbonded = (state: ChainState, application: Application, block: BlockContext): boolean => {
  const unstaked = application.unstakeSessionEndHeight
  if (unstaked === 0n || !isSessionEnd(sharedLive(state), block.height)) return false
  const params = sharedAt(state, unstaked)
  return block.height >= unstaked + params.applicationUnbondingPeriodSessions * params.numBlocksPerSession
}

const withoutDelegation = (application: Application, gateway: string, sessionEndHeight: bigint): Application => {
  const present = application.pendingUndelegations.find((pending) => pending.sessionEndHeight === sessionEndHeight)
  const others = application.pendingUndelegations.filter((pending) => pending !== present)
  return {
    ...application,
    delegateeGatewayAddresses: application.delegateeGatewayAddresses.filter((address) => address !== gateway),
    pendingUndelegations: [
      ...others,
      { sessionEndHeight, gatewayAddresses: [...(present?.gatewayAddresses ?? []), gateway] }
    ].sort((a, b) => (a.sessionEndHeight < b.sessionEndHeight ? -1 : 1))
  }
}

/** History after a restake; a first change backfills it from height 1, the same set changes nothing. */
const restakedServices = (
  present: Application,
  serviceIds: ReadonlyArray<string>,
  start: bigint
): ReadonlyArray<ApplicationServiceConfigUpdate> => {
  const isSame =
    serviceIds.length === present.serviceIds.length && serviceIds.every((id) => present.serviceIds.includes(id))
  if (isSame) return present.serviceConfigHistory
  const update = (serviceId: string, activationHeight: bigint): ApplicationServiceConfigUpdate => ({
    applicationAddress: present.address,
    serviceId,
    activationHeight,
    deactivationHeight: 0n
  })
  const history =
    present.serviceConfigHistory.length > 0
      ? present.serviceConfigHistory
      : present.serviceIds.map((serviceId) => update(serviceId, 1n))
  return [
    ...history
      .filter((entry) => entry.activationHeight !== start)
      .map((entry) => (entry.deactivationHeight === 0n ? { ...entry, deactivationHeight: start } : entry)),
    ...serviceIds.map((serviceId) => update(serviceId, start))
  ]
}

const changeApplication = (
  state: ChainState,
  operation: string,
  address: string,
  change: (application: Application) => ReturnType<typeof refuseOperation> | Result.Result<Application>
): ReturnType<Operation> => {
  const application = state.applications.get(address)
  return application === undefined
    ? refuseOperation(operation, address, "the application does not exist")
    : Result.map(change(application), (next) => withApplication(state, next))
}

const withApplication = (state: ChainState, application: Application): ChainState => ({
  ...state,
  applications: withKey(state.applications, application.address, application)
})
