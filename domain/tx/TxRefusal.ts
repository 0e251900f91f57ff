/**
 * What a refusal means: the one table of the chain's codes and texts. CheckTx and ante errors carry codespace and code;
 * handler errors arrive as `undefined` 1 and are told apart by their text, simulation errors by text alone.
 */
import { type MessageRejection, TxRefused, type TxRefusalReason } from "../ports/ChainTx.ts"

/** The answer of CheckTx, or the result of a transaction in a block. `log` as human text, see `logText`. */
export interface TxAnswer {
  readonly codespace: string
  readonly code: number
  readonly log: string
}

/** The same refusal by one node where another may have taken the bytes. */
export const doubtful = ({ codespace, code, log, reason, messageIndex, rejection }: TxRefused): TxRefused =>
  new TxRefused({
    codespace,
    code,
    log,
    reason,
    ...(messageIndex === undefined ? {} : { messageIndex }),
    ...(rejection === undefined ? {} : { rejection }),
    isDoubtful: true
  })

/** Human text of a log, which may hold raw address bytes that are not UTF-8. */
export const logText = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/** Classifies an answer of CheckTx or of a block; undefined for code 0. */
export const classifyAnswer = (answer: TxAnswer): TxRefused | undefined => {
  const { codespace, code, log } = answer
  if (code === 0) return undefined
  const base = { codespace, code, log }
  if (codespace === "sdk" && code === OUT_OF_GAS) return new TxRefused({ ...base, reason: outOfGas(log) })
  const index = failingMessage(log)
  if (index !== undefined) {
    return new TxRefused({ ...base, reason: "message", messageIndex: index, rejection: messageRejection(log) })
  }
  if (codespace === "sdk") {
    const rule = SDK_RULES.find((rule) => rule.code === code)
    return code === INVALID_ADDRESS
      ? new TxRefused({ ...base, reason: "message", rejection: "other" })
      : new TxRefused({ ...base, reason: rule === undefined ? "operator" : reasonOf(rule, log) })
  }
  if (BASIC_CODESPACES.has(codespace)) {
    return new TxRefused({ ...base, reason: "message", rejection: messageRejection(log) })
  }
  return new TxRefused({ ...base, reason: log.includes(POOL_FULL) ? "retry" : "operator" })
}

/**
 * Classifies the gRPC message of a failed simulation, `<error text> [file.go:line] with gas used: '30781'`. Codespace and
 * code are those the text stands for, `undefined` 1 for a handler's.
 */
export const classifySimulation = (text: string): TxRefused => {
  const log = text.replace(/(?: \[[^\]\s]*:[0-9]+\])? with gas used: '[0-9]+'\s*$/, "")
  if (failingMessage(log) !== undefined && !endsWithText(log, "out of gas")) {
    return classifyAnswer({ codespace: "undefined", code: 1, log }) ?? unclassified(log)
  }
  const rule = SDK_RULES.find((rule) => endsWithText(log, rule.text))
  if (rule !== undefined) return classifyAnswer({ codespace: "sdk", code: rule.code, log }) ?? unclassified(log)
  const basic = BASIC_CODES.find(([text]) => endsWithText(log, text))
  return basic === undefined
    ? unclassified(log)
    : (classifyAnswer({ codespace: "proof", code: basic[1], log }) ?? unclassified(log))
}

/**
 * Classifies the error text of a broadcast that got no code: gRPC status Unknown, or the `data` of a JSON-RPC error.
 * Undefined if it is none of the mempool's refusals: then nothing is known about the transaction.
 */
export const classifyBroadcastError = (text: string): TxRefused | undefined => {
  const rule = MEMPOOL_RULES.find(([part]) => text.includes(part))
  return rule && new TxRefused({ codespace: "sdk", code: rule[1], log: text, reason: rule[2] })
}

/** Index, from 0, of the message whose handler failed; undefined if the log names none. */
export const failingMessage = (log: string): number | undefined => {
  const index = /failed to execute message; message index: ([0-9]{1,9}):/.exec(log)?.[1]
  return index === undefined ? undefined : Number(index)
}

/** Fee in `denom` that a refusal of code 13 asks for; undefined if its text names none. */
export const requiredFee = (
  { codespace, code, log }: Pick<TxRefused, "codespace" | "code" | "log">,
  denom: string
): bigint | undefined => {
  if (codespace !== "sdk" || code !== INSUFFICIENT_FEE) return undefined
  const coins = /insufficient fees; got: [^ ]* ?required: ([^ :]{1,200})/.exec(log)?.[1]?.split(",") ?? []
  const coin = coins.find((text) => text.replace(/^[0-9]{1,40}/, "") === denom)
  return coin === undefined ? undefined : BigInt(coin.slice(0, -denom.length))
}

/** Account sequence that a refusal of code 32 asks for; undefined if its text names none. */
export const expectedSequence = (log: string): bigint | undefined => {
  const expected = /account sequence mismatch, expected ([0-9]{1,20}), got [0-9]/.exec(log)?.[1]
  return expected === undefined ? undefined : BigInt(expected)
}

/**
 * Why a message was refused, from the chain's description, which stands last in the log. The rightmost known text
 * decides, of two at the same place the longer one: details before it may quote other texts.
 */
export const messageRejection = (log: string): MessageRejection => {
  let best: MessageRejection = "other"
  let bestAt = -1
  let bestLength = 0
  for (const [text, rejection] of MESSAGE_TEXTS) {
    const at = log.lastIndexOf(text)
    if (at < 0) continue
    const end = at + text.length
    const bestEnd = bestAt + bestLength
    if (end > bestEnd || (end === bestEnd && text.length > bestLength)) {
      best = rejection
      bestAt = at
      bestLength = text.length
    }
  }
  return best
}

/** One registered error of the Cosmos SDK, `types/errors/errors.go`. */
interface SdkRule {
  readonly code: number
  /** Description that ends the log. */
  readonly text: string
  readonly reason: TxRefusalReason
  /** Parts of the log that decide otherwise. */
  readonly unless?: ReadonlyArray<readonly [part: string, reason: TxRefusalReason]>
}

const OUT_OF_GAS = 11
const INSUFFICIENT_FEE = 13
const INVALID_ADDRESS = 7
const POOL_FULL = "pool reached max tx capacity"

const SDK_RULES: ReadonlyArray<SdkRule> = [
  { code: 2, text: "tx parse error", reason: "malformed" },
  {
    code: 4,
    text: "unauthorized",
    reason: "operator",
    unless: [["invalid number of signer", "malformed"]]
  },
  { code: 5, text: "insufficient funds", reason: "operator" },
  { code: INVALID_ADDRESS, text: "invalid address", reason: "message" },
  { code: 8, text: "invalid pubkey", reason: "operator" },
  { code: 9, text: "unknown address", reason: "operator" },
  { code: OUT_OF_GAS, text: "out of gas", reason: "gas" },
  { code: 12, text: "memo too large", reason: "malformed" },
  { code: INSUFFICIENT_FEE, text: "insufficient fee", reason: "operator" },
  {
    code: 18,
    text: "invalid request",
    reason: "malformed",
    unless: [
      ["has already used timeout", "nonce_used"],
      ["unordered tx ttl exceeds", "expired"]
    ]
  },
  { code: 19, text: "tx already in mempool", reason: "known" },
  { code: 20, text: "mempool is full", reason: "retry" },
  { code: 21, text: "tx too large", reason: "operator" },
  { code: 30, text: "tx timeout height", reason: "expired" },
  { code: 32, text: "incorrect account sequence", reason: "sequence" },
  {
    code: 37,
    text: "feature not supported",
    reason: "operator",
    unless: [["unordered transactions are not enabled", "ordered_only"]]
  },
  { code: 41, text: "invalid gas limit", reason: "operator" },
  { code: 42, text: "tx timeout", reason: "expired" }
]

/** Refusals of the mempool that reach the client without a code, with the code their counterpart has. */
const MEMPOOL_RULES: ReadonlyArray<readonly [part: string, code: number, reason: TxRefusalReason]> = [
  ["tx already exists in cache", 19, "known"],
  ["mempool is still rechecking", 20, "retry"],
  ["mempool is full", 20, "retry"],
  [POOL_FULL, 20, "retry"],
  ["Tx too large", 21, "operator"],
  ["tx pre check: tx size is too big", 21, "operator"]
]

/** Codespaces of `ValidateBasic` of claim and proof messages. */
const BASIC_CODESPACES: ReadonlySet<string> = new Set(["proof", "session", "shared"])

/** Descriptions of `ValidateBasic` with their codes in codespace `proof`. */
const BASIC_CODES: ReadonlyArray<readonly [text: string, code: number]> = [
  ["invalid root hash", 1104],
  ["invalid proof", 1108],
  ["invalid session header", 1115],
  ["invalid sessionId", 1115],
  ["invalid service ID", 1115],
  ["invalid application address for session", 1115],
  ["invalid block height for session", 1115]
]

/** Registered errors of the chain's modules. Source: poktroll `x/{proof,session,service,shared}/types/errors.go`. */
const MESSAGE_TEXTS: ReadonlyArray<readonly [text: string, rejection: MessageRejection]> = [
  ["claim attempted outside of the session's claim window", "claim_window"],
  ["proof attempted outside of the session's proof window", "proof_window"],
  ["invalid session ID", "session"],
  ["invalid sessionId", "session"],
  ["invalid session header", "session"],
  ["invalid session start height", "session"],
  ["invalid session end height", "session"],
  ["invalid address", "session"],
  ["invalid application address for session", "session"],
  ["invalid block height for session", "session"],
  ["application for session not found", "session"],
  ["application is not active", "session"],
  ["application in session not staked for requested service", "session"],
  ["no suppliers not found for session", "session"],
  ["error during session hydration", "session"],
  ["supplier not found", "supplier_not_in_session"],
  ["service not found", "service"],
  ["invalid service in supplier", "service"],
  ["invalid service ID", "service"],
  ["mismatch: claim compute units != number of relays * service compute units per relay", "compute_units"],
  ["mismatch: claim compute units", "compute_units"],
  ["invalid root hash", "root"],
  ["claim not found", "claim_missing"],
  ["proof not required", "proof_not_required"],
  ["not enough funds to submit proof", "insufficient_funds"],
  ["failed to deduct proof submission fee", "insufficient_funds"],
  ["insufficient funds", "insufficient_funds"],
  ["invalid proof", "proof_invalid"],
  ["invalid relay", "proof_invalid"],
  ["invalid relay request", "proof_invalid"],
  ["invalid relay response", "proof_invalid"],
  ["invalid relay difficulty", "proof_invalid"],
  ["supplier operator address does not match the claim or proof", "proof_invalid"],
  ["public key not found", "proof_invalid"],
  ["account not found", "proof_invalid"]
]

const reasonOf = (rule: SdkRule, log: string): TxRefusalReason =>
  rule.unless?.find(([part]) => log.includes(part))?.[1] ?? rule.reason

/** A block that was full before the transaction ran spends neither fee nor nonce: the same bytes may come again. */
const outOfGas = (log: string): TxRefusalReason => (log.includes("no block gas left to run tx") ? "retry" : "gas")

/** Whether a description ends the log; Go may add ` [file.go:line]`. */
const endsWithText = (log: string, text: string): boolean =>
  log
    .trimEnd()
    .replace(/(?: \[[^\]\s]*:[0-9]+\])+$/, "")
    .endsWith(text)

const unclassified = (log: string): TxRefused =>
  new TxRefused({ codespace: "undefined", code: 1, log, reason: "operator" })
