/** Stateless checks of a transaction's messages, before anything else about it is looked at. */
import { Result } from "effect"
import type { SessionHeader } from "../../domain/relay/SessionHeader.ts"
import { validateCreateClaim, validateSubmitProof } from "../../domain/tx/ProofMessageValidation.ts"
import type { TxMessage } from "../../domain/tx/TxDecode.ts"
import { PROOF, refuse, SDK, type TxRefusal } from "./ChainErrors.ts"
import { validatorAddress } from "./Genesis.ts"

/**
 * `ValidateBasic` of each message in order; a transaction without messages is refused. Stateless, so lists that passed
 * are remembered: every block checks what waits again. Source: cosmos-sdk baseapp.
 */
export const validateMessages = (messages: ReadonlyArray<TxMessage>): Result.Result<void, TxRefusal> => {
  if (passed.has(messages)) return Result.void
  if (messages.length === 0) return Result.fail(refuse(SDK.invalidRequest, "must contain at least one message"))
  for (const message of messages) {
    const checked =
      message._tag === "CreateClaim" ? validateCreateClaim(message.message) : validateSubmitProof(message.message)
    if (Result.isFailure(checked)) {
      const { codespace, code, log } = checked.failure
      return Result.fail({ codespace, code, log })
    }
  }
  passed.add(messages)
  return Result.void
}

const passed = new WeakSet<ReadonlyArray<TxMessage>>()

/**
 * The chain's text for an invalid header inside a relay, `undefined` for a valid one. It is the one that a proof message
 * with this header would be refused with, less the text of the message's own error.
 */
export const headerText = (header: SessionHeader): string | undefined => {
  const checked = validateSubmitProof({
    supplierOperatorAddress: validatorAddress,
    sessionHeader: header,
    proof: ANY_PROOF
  })
  return Result.isSuccess(checked)
    ? undefined
    : checked.failure.log.slice(0, -`: ${PROOF.invalidSessionHeader.text}`.length)
}

const ANY_PROOF = new Uint8Array(1)
