/**
 * Runs a transaction: in a block, where a failing message undoes all messages but not fee and nonce, or in a simulation,
 * whose state is thrown away. Source: cosmos-sdk `baseapp/baseapp.go`, runTx.
 */
import { Result } from "effect"
import { encodeEvent, messageEvent, type RawEvent } from "../../domain/chain/ChainEvents.ts"
import type { DecodedTx, TxMessage } from "../../domain/tx/TxDecode.ts"
import { type AnteInput, runAnte } from "./AnteHandler.ts"
import { type HandlerError, handlerRefusal, type TxRefusal } from "./ChainErrors.ts"
import type { BlockContext, ChainState } from "./ChainState.ts"
import { claimStoredEvent, proofStoredEvent } from "./ClaimEvents.ts"
import type { TxResult } from "./CommittedBlock.ts"
import { createClaim } from "./CreateClaim.ts"
import { messageGas, outOfGas } from "./Gas.ts"
import { goCoins } from "./GoText.ts"
import { submitProof } from "./SubmitProof.ts"
import type { Verifiers } from "./Verifiers.ts"

/** A transaction that has run, successfully or not, and the state it leaves. */
export interface Execution {
  readonly state: ChainState
  readonly result: TxResult
  /** False when the checks before the messages failed: then nothing was spent. */
  readonly antePassed: boolean
}

/** Runs the transaction on `input.state`. With mode `simulate` gas has no limit. */
export const executeTx = (input: AnteInput): Execution => {
  const { state, tx, mode } = input
  const gasWanted = tx.fee?.gasLimit ?? 0n
  const ante = runAnte(input)
  if (Result.isFailure(ante)) {
    return { state, antePassed: false, result: refused(ante.failure, gasWanted, 0n, []) }
  }
  const events = anteEvents(tx, ante.success.signer)
  let current = ante.success.state
  let gasUsed = ante.success.gasUsed
  const messageEvents: Array<RawEvent> = []
  for (const [index, message] of tx.messages.entries()) {
    gasUsed += messageGas(message)
    const exhausted = mode === "simulate" ? undefined : outOfGas("WriteFlat", gasWanted, gasUsed)
    const ran = exhausted === undefined ? runMessage(current, message, input, index) : Result.fail(exhausted)
    if (Result.isFailure(ran)) {
      return {
        state: ante.success.state,
        antePassed: true,
        result: refused(ran.failure, gasWanted, gasUsed, events)
      }
    }
    current = ran.success.state
    messageEvents.push(messageEvent(message.typeUrl, ante.success.signer, index), ran.success.event)
  }
  return {
    state: current,
    antePassed: true,
    result: {
      codespace: "",
      code: 0,
      log: "",
      gasWanted,
      gasUsed,
      events: [...events, ...messageEvents]
    }
  }
}

const runMessage = (
  state: ChainState,
  message: TxMessage,
  { block, verifiers }: { readonly block: BlockContext; readonly verifiers: Verifiers },
  index: number
): Result.Result<{ readonly state: ChainState; readonly event: RawEvent }, TxRefusal> => {
  const refuse = (error: HandlerError) => handlerRefusal(index, error)
  return message._tag === "CreateClaim"
    ? Result.mapBoth(createClaim(state, message.message, block), {
        onFailure: refuse,
        onSuccess: (stored) => ({
          state: stored.state,
          event: encodeEvent(claimStoredEvent(stored.state, stored.claim, stored.updated), { messageIndex: index })
        })
      })
    : Result.mapBoth(submitProof(state, message.message, block, verifiers), {
        onFailure: refuse,
        onSuccess: (stored) => ({
          state: stored.state,
          event: encodeEvent(proofStoredEvent(stored.state, stored.claim, stored.updated), { messageIndex: index })
        })
      })
}

const refused = (
  refusal: TxRefusal,
  gasWanted: bigint,
  gasUsed: bigint,
  events: ReadonlyArray<RawEvent>
): TxResult => ({ ...refusal, gasWanted, gasUsed, events })

/** What the checks before the messages report; all that is left of a failed transaction. */
const anteEvents = (tx: DecodedTx, signer: string): ReadonlyArray<RawEvent> => [
  {
    type: "tx",
    attributes: [
      { key: "fee", value: goCoins(tx.fee?.amount ?? []) },
      { key: "fee_payer", value: signer }
    ]
  },
  { type: "tx", attributes: tx.signatures.map((signature) => ({ key: "signature", value: base64(signature) })) }
]

const base64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes))
