/** Applications on the simulated chain: staking and delegations as operations, and what the end of a block does to them. */
import { Result } from "effect"
import type { Application } from "../../domain/chain/Application.ts"
import * as ApplicationConfigs from "../../domain/session/ApplicationConfigs.ts"
import * as Delegations from "../../domain/session/Delegations.ts"
import { sessionEnd } from "../../domain/session/SessionGrid.ts"
import { type BlockContext, type ChainState, credit, sharedAt, sharedLive, withKey, withoutKey } from "./ChainState.ts"
import {
  currentSessionEnd,
  type Operation,
  type OperationRefused,
  payFrom,
  refuseOperation,
  upcomingSessionStart
} from "./Operation.ts"

/** What an application stakes. */
export interface ApplicationStake {
  readonly address: string
  /** Whole stake in uPOKT, at least the minimum; the present one when left out of a restake. */
  readonly stake?: bigint
  /** All services it pays for; the present ones when left out of a restake. */
  readonly serviceIds?: ReadonlyArray<string>
  /** uPOKT; left out: keeps the limit there is, 0 removes it. */
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
      return withApplication(
        paid,
        ApplicationConfigs.stakeApplication(
          present,
          { address, stake, serviceIds, perSessionSpendLimit: input.perSessionSpendLimit },
          upcomingSessionStart(state, block)
        )
      )
    })

/** Unstakes: relays are served to the end of the current session. */
export const unstakeApplication =
  (address: string): Operation =>
  (state, block) =>
    changeApplication(state, "unstake application", address, (application) =>
      application.unstakeSessionEndHeight === 0n
        ? Result.succeed(ApplicationConfigs.unstakeApplication(application, currentSessionEnd(state, block)))
        : refuseOperation("unstake application", address, "it is unstaking already")
    )

/** Delegates to a gateway, effective in this block. */
export const delegate =
  (address: string, gatewayAddress: string): Operation =>
  (state, block) =>
    changeApplication(state, "delegate", address, (application) =>
      refusedDelegation(
        "delegate",
        Delegations.delegate(application, gatewayAddress, {
          gateway: state.gateways.get(gatewayAddress),
          height: block.height,
          maxDelegatedGateways: state.params.application.maxDelegatedGateways
        })
      )
    )

/** Ends a delegation; the gateway stays in the rings of the current session and of those before it. */
export const undelegate =
  (address: string, gatewayAddress: string): Operation =>
  (state, block) =>
    changeApplication(state, "undelegate", address, (application) =>
      refusedDelegation(
        "undelegate",
        Delegations.undelegate(application, gatewayAddress, currentSessionEnd(state, block))
      )
    )

/**
 * End of a block: applications lose gateways that have stopped, forget old undelegations, and leave when their unbonding
 * period is over.
 */
export const endApplications = (state: ChainState, block: BlockContext): ChainState => {
  const live = sharedLive(state)
  const stopped = [...state.gateways.values()].filter((gateway) => Delegations.losesDelegations(gateway, block.height))
  let current = state
  for (const application of state.applications.values()) {
    const left = stopped.reduce<Application>(
      (next, { address }) =>
        Result.getOrElse(Delegations.undelegate(next, address, sessionEnd(live, block.height)), () => next),
      application
    )
    const next = Delegations.pruneUndelegations(left, block.height, live)
    if (ApplicationConfigs.isApplicationUnbonded(next, block.height, sharedAt(state, block.height), live)) {
      current = {
        ...credit(current, next.address, next.stake),
        applications: withoutKey(current.applications, next.address)
      }
    } else if (next !== application) current = withApplication(current, next)
  }
  return current
}

const refusedDelegation = (
  operation: string,
  result: Result.Result<Application, Delegations.DelegationRefused>
): Result.Result<Application, OperationRefused> =>
  Result.isSuccess(result)
    ? Result.succeed(result.success)
    : refuseOperation(operation, result.failure.application, `${result.failure.gateway}: ${result.failure.reason}`)

const changeApplication = (
  state: ChainState,
  operation: string,
  address: string,
  change: (application: Application) => Result.Result<Application, OperationRefused>
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
