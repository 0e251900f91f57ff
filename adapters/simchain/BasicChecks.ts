/** Stateless checks of a transaction's messages, before anything else about it is looked at. */
import { Result } from "effect"
import { validateCreateClaim, validateSubmitProof } from "../../domain/tx/ProofMessageValidation.ts"
import type { TxMessage } from "../../domain/tx/TxDecode.ts"
import { refuse, SDK, type TxRefusal } from "./ChainErrors.ts"

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
