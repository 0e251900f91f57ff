/**
 * Refusals in the chain's words. Ante and basic checks answer with a registered codespace and code; a message handler's
 * error reaches the client as codespace `undefined`, code 1, with the gRPC status in its text.
 */

/** A registered error: its code in its codespace, and the text that ends every message about it. */
export interface RegisteredError {
  readonly codespace: string
  readonly code: number
  readonly text: string
}

/** An answer other than 0. */
export interface TxRefusal {
  readonly codespace: string
  readonly code: number
  readonly log: string
}

const sdk = (code: number, text: string): RegisteredError => ({ codespace: "sdk", code, text })
const proof = (code: number, text: string): RegisteredError => ({ codespace: "proof", code, text })

/** Cosmos SDK. Source: cosmos-sdk `types/errors/errors.go`. */
export const SDK = {
  txDecode: sdk(2, "tx parse error"),
  unauthorized: sdk(4, "unauthorized"),
  insufficientFunds: sdk(5, "insufficient funds"),
  unknownRequest: sdk(6, "unknown request"),
  invalidAddress: sdk(7, "invalid address"),
  invalidPubKey: sdk(8, "invalid pubkey"),
  unknownAddress: sdk(9, "unknown address"),
  outOfGas: sdk(11, "out of gas"),
  memoTooLarge: sdk(12, "memo too large"),
  insufficientFee: sdk(13, "insufficient fee"),
  noSignatures: sdk(15, "no signatures supplied"),
  invalidRequest: sdk(18, "invalid request"),
  txTimeoutHeight: sdk(30, "tx timeout height"),
  unknownExtensionOptions: sdk(31, "unknown extension options"),
  wrongSequence: sdk(32, "incorrect account sequence"),
  notSupported: sdk(37, "feature not supported"),
  notFound: sdk(38, "not found"),
  invalidGasLimit: sdk(41, "invalid gas limit"),
  txTimeout: sdk(42, "tx timeout")
} as const

/** Proof module. Source: poktroll `x/proof/types/errors.go`. */
export const PROOF = {
  invalidAddress: proof(1101, "invalid address"),
  supplierNotFound: proof(1102, "supplier not found"),
  invalidService: proof(1103, "invalid service in supplier"),
  claimNotFound: proof(1106, "claim not found"),
  invalidProof: proof(1108, "invalid proof"),
  invalidRelay: proof(1109, "invalid relay"),
  publicKeyNotFound: proof(1114, "public key not found"),
  invalidSessionHeader: proof(1115, "invalid session header"),
  invalidSessionId: proof(1116, "invalid session ID"),
  invalidSessionEnd: proof(1117, "invalid session end height"),
  invalidSessionStart: proof(1118, "invalid session start height"),
  claimWindow: proof(1121, "claim attempted outside of the session's claim window"),
  proofWindow: proof(1122, "proof attempted outside of the session's proof window"),
  supplierMismatch: proof(1123, "supplier operator address does not match the claim or proof"),
  accountNotFound: proof(1124, "account not found"),
  serviceNotFound: proof(1125, "service not found"),
  computeUnitsMismatch: proof(
    1126,
    "mismatch: claim compute units != number of relays * service compute units per relay"
  ),
  notEnoughFunds: proof(1127, "not enough funds to submit proof"),
  feeNotDeducted: proof(1128, "failed to deduct proof submission fee"),
  proofNotRequired: proof(1129, "proof not required"),
  invalidDifficulty: proof(1130, "invalid relay difficulty")
} as const

/** Service module. Source: poktroll `x/service/types/errors.go`. */
export const SERVICE = {
  invalidRelayResponse: { codespace: "service", code: 1110, text: "invalid relay response" },
  invalidRelayRequest: { codespace: "service", code: 1111, text: "invalid relay request" }
} as const

/** Text of a wrapped registered error: `DETAIL: TEXT`. */
export const wrap = (error: RegisteredError, detail: string): string => `${detail}: ${error.text}`

/** An ante or basic refusal. Without detail the text stands alone. */
export const refuse = (error: RegisteredError, detail?: string): TxRefusal => ({
  codespace: error.codespace,
  code: error.code,
  log: detail === undefined ? error.text : wrap(error, detail)
})

/** gRPC status names that message handlers return. */
export type HandlerStatus = "InvalidArgument" | "FailedPrecondition" | "NotFound" | "Internal"

/** What a message handler returns. */
export interface HandlerError {
  readonly status: HandlerStatus
  readonly description: string
}

/** A handler's error for a registered one. */
export const handlerError = (status: HandlerStatus, error: RegisteredError, detail?: string): HandlerError => ({
  status,
  description: detail === undefined ? error.text : wrap(error, detail)
})

/** The answer for a transaction whose message `index` (from 0) failed. Source: cosmos-sdk `baseapp/baseapp.go`, runMsgs. */
export const handlerRefusal = (index: number, error: HandlerError): TxRefusal => ({
  codespace: "undefined",
  code: 1,
  log: `failed to execute message; message index: ${index}: rpc error: code = ${error.status} desc = ${error.description}`
})
