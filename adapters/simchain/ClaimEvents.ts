/** The fields that events of claims and proofs share, and the events of the two messages. */
import { ChainEvent } from "../../domain/chain/ChainEvents.ts"
import type { ClaimFigures } from "../../domain/settlement/ClaimAmount.ts"
import type { Claim } from "../../domain/tx/ProofMessages.ts"
import type { ChainState } from "./ChainState.ts"
import { figuresOf, headerOf } from "./ClaimFacts.ts"

/** Which claim an event is about. */
export const claimFields = (claim: Claim) => {
  const header = headerOf(claim)
  return {
    applicationAddress: header.applicationAddress,
    claimProofStatusInt: claim.proofValidationStatus,
    serviceId: header.serviceId,
    sessionEndBlockHeight: header.sessionEndBlockHeight,
    supplierOperatorAddress: claim.supplierOperatorAddress
  }
}

/** What was claimed. */
export const usageFields = (figures: ClaimFigures) => ({
  claimedUpokt: figures.claimedUpokt,
  numRelays: figures.numRelays,
  numClaimedComputeUnits: figures.numClaimedComputeUnits,
  numEstimatedComputeUnits: figures.numEstimatedComputeUnits,
  numEstimatedRelays: figures.numEstimatedRelays
})

/** A claim was stored. Its estimated units are the claimed ones, not scaled by the difficulty. */
export const claimStoredEvent = (state: ChainState, claim: Claim, updated: boolean): ChainEvent => {
  const figures = figuresOf(state, claim)
  const fields = {
    ...claimFields(claim),
    ...usageFields({ ...figures, numEstimatedComputeUnits: figures.numClaimedComputeUnits })
  }
  return updated ? ChainEvent.cases.ClaimUpdated.make(fields) : ChainEvent.cases.ClaimCreated.make(fields)
}

/** A proof was stored. */
export const proofStoredEvent = (state: ChainState, claim: Claim, updated: boolean): ChainEvent => {
  const fields = { ...claimFields(claim), ...usageFields(figuresOf(state, claim)) }
  return updated ? ChainEvent.cases.ProofUpdated.make(fields) : ChainEvent.cases.ProofSubmitted.make(fields)
}

/** A proof was validated at the end of the block `height`; the claim has its new status. */
export const validityEvent = (claim: Claim, failureReason: string, height: bigint): ChainEvent =>
  ChainEvent.cases.ProofValidityChecked.make({ ...claimFields(claim), blockHeight: height, failureReason })
