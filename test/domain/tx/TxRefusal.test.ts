import { assert, describe, it } from "@effect/vitest"
import { MessageRejection, TxRefusalReason } from "../../../domain/ports/ChainTx.ts"
import {
  classifyAnswer,
  classifyBroadcastError,
  classifySimulation,
  failingMessage,
  logText,
  messageRejection,
  requiredFee
} from "../../../domain/tx/TxRefusal.ts"
import { hex } from "../../vectors/load.ts"

const checkTx: ReadonlyArray<readonly [codespace: string, code: number, log: string, reason: TxRefusalReason]> = [
  ["sdk", 2, "errUnknownField: tx parse error", "malformed"],
  [
    "sdk",
    4,
    "signature verification failed; please verify account number (7) and chain-id (pocket): (unable to verify single signer signature): unauthorized",
    "operator"
  ],
  ["sdk", 4, "invalid number of signer;  expected: 1, got 2: unauthorized", "malformed"],
  ["sdk", 5, "spendable balance 5upokt is smaller than 9upokt: insufficient funds: insufficient funds", "operator"],
  ["sdk", 8, "pubKey does not match signer address pokt1x with signer index: 0: invalid pubkey", "operator"],
  ["sdk", 9, "fee payer address: \ufffd\ufffd does not exist: unknown address", "operator"],
  ["sdk", 11, "out of gas in location: ReadFlat; gasWanted: 100, gasUsed: 1000: out of gas", "gas"],
  ["sdk", 11, "no block gas left to run tx: out of gas", "retry"],
  ["sdk", 12, "maximum number of characters is 256 but received 300 characters: memo too large", "malformed"],
  ["sdk", 13, "insufficient fees; got: 5upokt required: 9upokt: insufficient fee", "operator"],
  ["sdk", 18, "unordered transaction must have timeout_timestamp set: invalid request", "malformed"],
  ["sdk", 18, "unordered tx ttl exceeds 10m0s: invalid request", "expired"],
  ["sdk", 18, "sequence is not allowed for unordered transactions: invalid request", "malformed"],
  [
    "sdk",
    18,
    "failed to add unordered nonce: sender pokt1x has already used timeout 1768042674000000000: invalid request",
    "nonce_used"
  ],
  ["sdk", 19, "", "known"],
  ["sdk", 20, "", "retry"],
  ["sdk", 21, "", "operator"],
  ["sdk", 30, "block height: 10, timeout height: 9: tx timeout height", "expired"],
  ["sdk", 32, "account sequence mismatch, expected 0, got 7: incorrect account sequence", "sequence"],
  ["sdk", 37, "unordered transactions are not enabled: feature not supported", "ordered_only"],
  ["sdk", 41, "tx gas limit 5 exceeds block max gas 4: invalid gas limit", "operator"],
  ["sdk", 42, "block time: 2026-01-01 00:00:00, timeout timestamp: 2025-12-31 00:00:00: tx timeout", "expired"],
  ["undefined", 1, "pool reached max tx capacity", "retry"],
  ["undefined", 1, "something new", "operator"],
  ["sdk", 111222, "recovered: runtime error: panic", "operator"],
  ["gov", 3, "something else", "operator"]
]

const handler = (index: number, grpc: string, desc: string) =>
  `failed to execute message; message index: ${index}: rpc error: code = ${grpc} desc = ${desc}`

const handlers: ReadonlyArray<readonly [desc: string, rejection: MessageRejection]> = [
  [
    "current block height (51) is less than the session's earliest claim commit height (52): claim attempted outside of the session's claim window",
    "claim_window"
  ],
  [
    "current block height (99) is greater than session proof window close height (60): proof attempted outside of the session's proof window",
    "proof_window"
  ],
  [`session ID does not match onchain session ID; expected "a", got "b": invalid session ID`, "session"],
  [`could not find app with address "pokt1a" at height 5: application for session not found not found `, "session"],
  [`application "pokt1a" is not active for session x: application is not active`, "session"],
  [`application "A" not staked for service ID "S": application in session not staked for requested service`, "session"],
  ["could not find suppliers for service S at height 5: no suppliers not found for session", "session"],
  ["block height 9 is ahead of the last committed block height 8: error during session hydration", "session"],
  [`supplier operator address "pokt1s" not found in session ID "x": supplier not found`, "supplier_not_in_session"],
  ["service eth not found: service not found [/src/x/proof/keeper/claim.go:77]", "service"],
  [
    "claim compute units: 9 is not equal to number of relays 2 * compute units per relay 5 for service eth: mismatch: claim compute units != number of relays * service compute units per relay",
    "compute_units"
  ],
  [`no claim found for session ID "x" and supplier "pokt1s": claim not found`, "claim_missing"],
  ["proof not required", "proof_not_required"],
  [
    "account has 5upokt, but the proof submission fee is 5upokt: not enough funds to submit proof",
    "insufficient_funds"
  ],
  ["account has no spendable coins: not enough funds to submit proof", "insufficient_funds"],
  ["spendable balance is low: failed to deduct proof submission fee", "insufficient_funds"],
  ["failed to unmarshal sparse compact merkle closest proof: EOF: invalid proof", "proof_invalid"],
  ["failed to unmarshal relay: unexpected EOF: invalid relay", "proof_invalid"],
  ["missing application signature: invalid relay request", "proof_invalid"],
  ["invalid session header: x: invalid relay response", "proof_invalid"],
  [
    "failed to validate relay difficulty for service eth due to: the difficulty relay being proven is (1/2), and is smaller than the target difficulty (3/1): invalid relay [x/proof.go:9]: invalid relay difficulty",
    "proof_invalid"
  ],
  ["supplier type mismatch: supplier operator address does not match the claim or proof", "proof_invalid"],
  [`session headers session IDs mismatch; expected: "a", got: "b": invalid relay`, "proof_invalid"],
  ["claim start height 1 differs: invalid session start height", "session"],
  ["something of a newer chain", "other"]
]

describe("refusals", () => {
  for (const [codespace, code, log, reason] of checkTx) {
    it(`${codespace} ${code} is ${reason}: ${log.slice(0, 60)}`, () => {
      const refused = classifyAnswer({ codespace, code, log })
      assert.strictEqual(refused?.reason, reason)
      assert.strictEqual(refused?.codespace, codespace)
      assert.strictEqual(refused?.code, code)
      assert.strictEqual(refused?.log, log)
      assert.isUndefined(refused?.messageIndex)
    })
  }

  for (const [desc, rejection] of handlers) {
    it(`a handler's text is ${rejection}: ${desc.slice(0, 60)}`, () => {
      const log = handler(2, "FailedPrecondition", desc)
      const refused = classifyAnswer({ codespace: "undefined", code: 1, log })
      assert.strictEqual(refused?.reason, "message")
      assert.strictEqual(refused?.messageIndex, 2)
      assert.strictEqual(refused?.rejection, rejection)
      const simulated = classifySimulation(`${log} [cosmossdk.io/baseapp/baseapp.go:1051] with gas used: '30781'`)
      assert.strictEqual(simulated.reason, "message")
      assert.strictEqual(simulated.messageIndex, 2)
      assert.strictEqual(simulated.rejection, rejection)
    })
  }

  it("covers every reason and every rejection", () => {
    const reasons = new Set([...checkTx.map(([, , , reason]) => reason), "message"])
    assert.deepStrictEqual(reasons, new Set<string>(TxRefusalReason.literals))
    const rejections = new Set([...handlers.map(([, rejection]) => rejection), "root"])
    assert.deepStrictEqual(rejections, new Set<string>(MessageRejection.literals))
  })

  it("tells the fee that is asked, in one denomination", () => {
    const asked = (log: string, code = 13) => requiredFee({ codespace: "sdk", code, log }, "upokt")
    assert.strictEqual(asked("insufficient fees; got: 5upokt required: 9upokt: insufficient fee"), 9n)
    assert.strictEqual(asked("insufficient fees; got:  required: 3upokt: insufficient fee"), 3n)
    assert.strictEqual(asked("insufficient fees; got: 1upokt required: 2uatom,9upokt: insufficient fee"), 9n)
    assert.strictEqual(asked("insufficient fees; got: 1upokt required: 2uatom: insufficient fee"), undefined)
    assert.strictEqual(asked("insufficient fees; got: 1upokt required: 2mupokt: insufficient fee"), undefined)
    assert.strictEqual(asked("insufficient fees; got: 5upokt required: 9upokt: insufficient fee", 5), undefined)
    assert.strictEqual(asked("insufficient fee"), undefined)
  })

  it("code 0 is none", () => {
    assert.isUndefined(
      classifyAnswer({ codespace: "", code: 0, log: "failed to execute message; message index: 1: x" })
    )
  })

  it("bad message fields have no index", () => {
    const root = "expecting root hash to be 48 bytes, got 40 bytes: invalid root hash"
    const refused = classifyAnswer({ codespace: "proof", code: 1104, log: root })
    assert.strictEqual(refused?.reason, "message")
    assert.strictEqual(refused?.rejection, "root")
    assert.isUndefined(refused?.messageIndex)
    assert.strictEqual(classifySimulation(`${root} [a.go:1] with gas used: '0'`).rejection, "root")
    const address = classifyAnswer({ codespace: "sdk", code: 7, log: `supplier operator address "": invalid address` })
    assert.strictEqual(address?.reason, "message")
  })

  it("simulation errors are told apart by text alone", () => {
    const texts: ReadonlyArray<readonly [string, TxRefusalReason, number]> = [
      ["unordered tx ttl exceeds 10m0s: invalid request", "expired", 18],
      ["fee payer address: x does not exist: unknown address", "operator", 9],
      ["block time: a, timeout timestamp: b: tx timeout", "expired", 42],
      ["errUnknownField: tx parse error", "malformed", 2],
      ["out of gas in location: WriteFlat; gasWanted: 0, gasUsed: 9: out of gas", "gas", 11]
    ]
    for (const [text, reason, code] of texts) {
      const refused = classifySimulation(`${text} [cosmossdk.io/x/auth/ante.go:90] with gas used: '30781'`)
      assert.strictEqual(refused.reason, reason, text)
      assert.strictEqual(refused.code, code)
      assert.strictEqual(refused.codespace, "sdk")
      assert.strictEqual(classifySimulation(text).reason, reason)
    }
    assert.strictEqual(classifySimulation("").reason, "operator")
    assert.strictEqual(classifySimulation("failed to execute message; message index: 1: nonsense").messageIndex, 1)
  })

  it("mempool refusals without a code are known by text, the rest is unknown", () => {
    const texts: ReadonlyArray<readonly [string, TxRefusalReason | undefined]> = [
      ["tx already exists in cache", "known"],
      ["mempool is still rechecking after a new committed block, so it is considered as full", "retry"],
      ["mempool is full: number of txs 5000 (max: 5000), total txs bytes 1 (max: 2)", "retry"],
      ["Tx too large. Max size is 1048576, but got 2000000", "operator"],
      ["tx pre check: tx size is too big: 9, max: 8", "operator"],
      ["connection refused", undefined],
      ["", undefined]
    ]
    for (const [text, reason] of texts) assert.strictEqual(classifyBroadcastError(text)?.reason, reason, text)
  })

  it("the description at the end decides, not what a detail quotes", () => {
    assert.strictEqual(messageRejection(`detail quotes proof not required: claim not found`), "claim_missing")
    assert.strictEqual(messageRejection(`claim not found: invalid proof`), "proof_invalid")
    assert.strictEqual(messageRejection(""), "other")
  })

  it("reads indexes and only those", () => {
    assert.strictEqual(failingMessage(handler(0, "Internal", "x")), 0)
    assert.strictEqual(failingMessage(handler(41, "Internal", "x")), 41)
    assert.isUndefined(failingMessage("out of gas"))
    assert.isUndefined(failingMessage("failed to execute message; message index: -1: x"))
    assert.isUndefined(failingMessage("failed to execute message; message index: 99999999999: x"))
  })

  it("reads a log with raw address bytes", () => {
    const text = logText(hex("66656520ff00fe3a20756e6b6e6f776e2061646472657373"))
    assert.isTrue(text.endsWith(": unknown address"))
    assert.strictEqual(classifySimulation(text).code, 9)
  })
})
