/** Gateways on the chain: staking, unstaking and leaving. Source: poktroll `x/gateway/keeper`. */
import { Result } from "effect"
import { isSessionEnd } from "../../domain/session/SessionGrid.ts"
import { type BlockContext, type ChainState, credit, sharedAt, sharedLive, withKey, withoutKey } from "./ChainState.ts"
import { currentSessionEnd, type Operation, payFrom, refuseOperation } from "./Operation.ts"

/** Stakes a gateway, or changes the stake (and keeps it if it was unstaking). `stake` is the whole stake in uPOKT. */
export const stakeGateway =
  (address: string, stake: bigint): Operation =>
  (state) => {
    if (stake < state.params.gateway.minStake) {
      return refuseOperation("stake gateway", address, `stake of ${stake}upokt is below the minimum`)
    }
    const present = state.gateways.get(address)?.stake ?? 0n
    return Result.map(payFrom(state, "stake gateway", address, stake - present), (paid) => ({
      ...paid,
      gateways: withKey(paid.gateways, address, { address, stake, unstakeSessionEndHeight: 0n })
    }))
  }

/** Unstakes: active to the end of the current session, in rings one session more. */
export const unstakeGateway =
  (address: string): Operation =>
  (state, block) => {
    const gateway = state.gateways.get(address)
    if (gateway === undefined) return refuseOperation("unstake gateway", address, "it does not exist")
    if (gateway.unstakeSessionEndHeight !== 0n) {
      return refuseOperation("unstake gateway", address, "it is unstaking already")
    }
    const next = { ...gateway, unstakeSessionEndHeight: currentSessionEnd(state, block) }
    return Result.succeed({ ...state, gateways: withKey(state.gateways, address, next) })
  }

/** End of a block: gateways leave whose unbonding period is over. */
export const endGateways = (state: ChainState, block: BlockContext): ChainState => {
  if (!isSessionEnd(sharedLive(state), block.height)) return state
  let current = state
  for (const gateway of state.gateways.values()) {
    const unstaked = gateway.unstakeSessionEndHeight
    if (unstaked === 0n) continue
    const params = sharedAt(state, unstaked)
    if (block.height < unstaked + params.gatewayUnbondingPeriodSessions * params.numBlocksPerSession) continue
    current = {
      ...credit(current, gateway.address, gateway.stake),
      gateways: withoutKey(current.gateways, gateway.address)
    }
  }
  return current
}
