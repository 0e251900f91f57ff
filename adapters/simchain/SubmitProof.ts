/**
 * Handler of `MsgSubmitProof`. It checks everything but signatures, path and closest proof, which follow at the end of the
 * block (`ProofValidation`). Source: poktroll `x/proof/keeper/msg_server_submit_proof.go`, `proof_validation.go`.
 */
import { Result } from "effect"
import { UPOKT } from "../../domain/chain/Coin.ts"
import type { SessionHeader } from "../../domain/relay/SessionHeader.ts"
import { proofWindow } from "../../domain/session/SessionWindow.ts"
import type { Claim, MsgSubmitProof } from "../../domain/tx/ProofMessages.ts"
import { type HandlerError, handlerError, PROOF, type RegisteredError } from "./ChainErrors.ts"
import { type BlockContext, type ChainState, balanceOf, claimKey, credit, sharedAt, withKey } from "./ChainState.ts"
import { headerOf, requirementOf, targetAt } from "./ClaimFacts.ts"
import { querySession } from "./CreateClaim.ts"
import { quoted } from "./GoText.ts"
import { checkProvenRelay, decodeProof, faultText } from "./ProvenRelay.ts"
import type { Verifiers } from "./Verifiers.ts"

/** The stored proof and its claim; `updated` if the block already held one of the same session and supplier. */
export interface ProofStored {
  readonly state: ChainState
  readonly claim: Claim
  readonly updated: boolean
}

/** Executes the message in `block`. */
export const submitProof = (
  state: ChainState,
  message: MsgSubmitProof,
  block: BlockContext,
  verifiers: Verifiers
): Result.Result<ProofStored, HandlerError> =>
  Result.gen(function* () {
    const supplier = message.supplierOperatorAddress
    const given = message.sessionHeader
    // Basic checks have refused a message without header.
    if (given === undefined) return yield* precondition(PROOF.invalidSessionHeader, "session header is nil")
    const { header } = yield* querySession(state, given, supplier, block)
    yield* checkWindow(state, header, block)
    const relay = yield* Result.mapError(decodeProof(message.proof), (fault) => failed(faultText(fault)))
    const target = targetAt(state, header.serviceId, header.sessionStartBlockHeight)
    const fault = checkProvenRelay(relay, { header, supplier, target }, verifiers)
    if (fault !== undefined) return yield* Result.fail(failed(faultText(fault)))
    const claim = yield* findClaim(state, header, supplier)
    const paid = yield* deductSubmissionFee(state, supplier)
    if (requirementOf(paid, claim, verifiers) === "not_required") {
      return yield* Result.fail(handlerError("FailedPrecondition", PROOF.proofNotRequired))
    }
    const key = claimKey(header.sessionId, supplier)
    return { state: { ...paid, proofs: withKey(paid.proofs, key, message) }, claim, updated: paid.proofs.has(key) }
  })

const checkWindow = (
  state: ChainState,
  header: SessionHeader,
  block: BlockContext
): Result.Result<void, HandlerError> => {
  const end = header.sessionEndBlockHeight
  const { opens, closes } = proofWindow(sharedAt(state, end), end)
  const outside = (rest: string) => precondition(PROOF.proofWindow, `current block height (${block.height}) ${rest}`)
  if (block.height < opens) return outside(`is less than session's earliest proof commit height (${opens})`)
  return block.height > closes ? outside(`is greater than session proof window close height (${closes})`) : Result.void
}

const findClaim = (state: ChainState, header: SessionHeader, supplier: string): Result.Result<Claim, HandlerError> => {
  const claim = state.claims.get(claimKey(header.sessionId, supplier))
  if (claim === undefined) {
    return precondition(
      PROOF.claimNotFound,
      `no claim found for session ID ${quoted(header.sessionId)} and supplier ${quoted(supplier)}`
    )
  }
  const claimed = headerOf(claim)
  const differs = (error: RegisteredError, name: string, left: string, right: string) =>
    precondition(error, `claim ${name} ${left} does not match proof ${name} ${right}`)
  if (claimed.sessionStartBlockHeight !== header.sessionStartBlockHeight) {
    const heights = [claimed.sessionStartBlockHeight, header.sessionStartBlockHeight] as const
    return differs(PROOF.invalidSessionStart, "session start height", `${heights[0]}`, `${heights[1]}`)
  }
  if (claimed.sessionEndBlockHeight !== header.sessionEndBlockHeight) {
    const heights = [claimed.sessionEndBlockHeight, header.sessionEndBlockHeight] as const
    return differs(PROOF.invalidSessionEnd, "session end height", `${heights[0]}`, `${heights[1]}`)
  }
  if (claimed.applicationAddress !== header.applicationAddress) {
    const addresses = [quoted(claimed.applicationAddress), quoted(header.applicationAddress)] as const
    return differs(PROOF.invalidAddress, "application address", ...addresses)
  }
  return claimed.serviceId === header.serviceId
    ? Result.succeed(claim)
    : differs(PROOF.invalidService, "service ID", quoted(claimed.serviceId), quoted(header.serviceId))
}

/** The balance has to be above the fee, also above a fee of 0. */
const deductSubmissionFee = (state: ChainState, supplier: string): Result.Result<ChainState, HandlerError> => {
  const fee = state.params.proof.proofSubmissionFee
  const balance = balanceOf(state, supplier)
  if (balance === 0n) return precondition(PROOF.notEnoughFunds, "account has no spendable coins")
  if (balance <= fee) {
    const detail = `account has ${balance}${UPOKT}, but the proof submission fee is ${fee}${UPOKT}`
    return precondition(PROOF.notEnoughFunds, detail)
  }
  return Result.succeed({
    ...credit(state, supplier, -fee),
    modules: { ...state.modules, proof: state.modules.proof + fee }
  })
}

const failed = (description: string): HandlerError => ({ status: "FailedPrecondition", description })

const precondition = (error: RegisteredError, detail: string): Result.Result<never, HandlerError> =>
  Result.fail(handlerError("FailedPrecondition", error, detail))
