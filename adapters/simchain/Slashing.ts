/** Burns part of the stake of suppliers whose required proof is missing or invalid. Source: poktroll `x/tokenomics/keeper`. */
import { ChainEvent } from "../../domain/chain/ChainEvents.ts"
import { sessionEnd } from "../../domain/session/SessionGrid.ts"
import { slashSupplier } from "../../domain/settlement/Slashing.ts"
import type { Claim } from "../../domain/tx/ProofMessages.ts"
import { type BlockContext, type ChainState, sharedLive, withKey } from "./ChainState.ts"
import { claimFields } from "./ClaimEvents.ts"

/**
 * One slash for each expired claim, in order. A supplier that falls below the minimum is marked as unstaking, but its
 * configs stay active and it never leaves: the chain does not enter it into the unbonding index.
 */
export const slashExpired = (
  state: ChainState,
  claims: ReadonlyArray<Claim>,
  block: BlockContext
): { readonly state: ChainState; readonly events: ReadonlyArray<ChainEvent> } => {
  const events: Array<ChainEvent> = []
  let current = state
  for (const claim of claims) {
    const supplier = current.suppliers.get(claim.supplierOperatorAddress)
    if (supplier === undefined) continue
    const slash = slashSupplier({
      stake: supplier.stake,
      proofMissingPenalty: state.params.proof.proofMissingPenalty,
      minStake: state.params.supplier.minStake,
      isUnstaking: supplier.unstakeSessionEndHeight !== 0n
    })
    const unstakeSessionEndHeight = slash.beginsUnbonding
      ? sessionEnd(sharedLive(current), block.height)
      : supplier.unstakeSessionEndHeight
    const next = { ...supplier, stake: slash.stakeAfter, unstakeSessionEndHeight }
    current = { ...current, suppliers: withKey(current.suppliers, supplier.operatorAddress, next) }
    events.push(
      ChainEvent.cases.SupplierSlashed.make({
        ...claimFields(claim),
        proofMissingPenalty: slash.slashedUpokt,
        supplierStakeAfterSlash: slash.stakeAfter
      })
    )
  }
  return { state: current, events }
}
