/**
 * The end of a block, module by module in the chain's order: session, proof, tokenomics, gateway, application, supplier,
 * shared. Source: poktroll `app/app_config.go`.
 */
import { type ChainEvent, encodeEvent, type RawEvent } from "../../domain/chain/ChainEvents.ts"
import { promoteSharedParams } from "../../domain/protocol/ParamsHistory.ts"
import { endApplications } from "./ApplicationLifecycle.ts"
import { appendBlockHash } from "./BlockHashes.ts"
import type { BlockContext, ChainState } from "./ChainState.ts"
import { validityEvent } from "./ClaimEvents.ts"
import { endGateways } from "./GatewayLifecycle.ts"
import { validateProofs } from "./ProofValidation.ts"
import { settleClaims } from "./Settlement.ts"
import { endSuppliers } from "./SupplierLifecycle.ts"
import type { Verifiers } from "./Verifiers.ts"

/** Ends the block whose own hash is `hash`; the state is the committed one of its height. */
export const endBlock = (
  state: ChainState,
  block: BlockContext,
  hash: Uint8Array,
  verifiers: Verifiers
): { readonly state: ChainState; readonly events: ReadonlyArray<RawEvent> } => {
  const hashed = { ...state, blockHashes: appendBlockHash(state.blockHashes, hash) }
  const validated = validateProofs(hashed, verifiers)
  const checked = validated.verdicts.map(({ claim, failureReason }) =>
    validityEvent(claim, failureReason, block.height)
  )
  const settled = settleClaims(validated.state, block, verifiers)
  const left = endSuppliers(endApplications(endGateways(settled.state, block), block), block)
  const events: ReadonlyArray<ChainEvent> = [...checked, ...settled.events]
  return {
    state: {
      ...left,
      height: block.height,
      timeUnixNano: block.timeUnixNano,
      params: { ...left.params, shared: promoteSharedParams(left.params.shared, block.height) }
    },
    events: events.map((event) => encodeEvent(event, "EndBlock"))
  }
}
