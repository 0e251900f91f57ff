/** Gateways on the simulated chain: staking and unstaking as operations, and leaving at the end of a block. */
import { Result } from "effect"
import * as Delegations from "../../domain/session/Delegations.ts"
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
    const next = Delegations.unstakeGateway(gateway, currentSessionEnd(state, block))
    return Result.succeed({ ...state, gateways: withKey(state.gateways, address, next) })
  }

/** End of a block: gateways leave whose unbonding period is over. */
export const endGateways = (state: ChainState, block: BlockContext): ChainState => {
  let current = state
  for (const gateway of state.gateways.values()) {
    const at = sharedAt(state, block.height)
    if (!Delegations.isGatewayUnbonded(gateway, block.height, at, sharedLive(state))) continue
    current = {
      ...credit(current, gateway.address, gateway.stake),
      gateways: withoutKey(current.gateways, gateway.address)
    }
  }
  return current
}
