import { secp256k1 } from "@noble/curves/secp256k1.js"
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import {
  adjustedGas,
  feeAmount,
  gasLimit as gasLimitToSend,
  parseGasPrice,
  UNCOUNTED_GAS
} from "../../../domain/tx/TxFee.ts"
import { timeoutSpan } from "../../../domain/tx/TxTimeout.ts"
import { prepareTx, signTx, SIMULATION_FEE, type TxDraft } from "../../../domain/tx/UnorderedTx.ts"
import { hex, loadVectors, toHex } from "../../vectors/load.ts"

interface TransactionCase {
  readonly name: string
  readonly private_key_hex: string
  readonly chain_id: string
  readonly account_number: string
  readonly kind: "claim" | "proof"
  readonly messages_hex: ReadonlyArray<string>
  readonly block_time_unix_nano: string
  readonly window_timeout_ms: string
  readonly timeout_timestamp_unix_nano: string
  readonly configured_gas_limit: string
  readonly simulated_gas: string
  readonly gas_adjustment: number
  readonly gas_price: string
  readonly gas_limit: string
  readonly fee_amount: string
  readonly fee_denom: string
  readonly body_hex: string
  readonly auth_info_hex: string
  readonly sign_doc_hex: string
  readonly signature_hex: string
  readonly tx_hex: string
  readonly tx_hash: string
  readonly simulated_tx_hex?: string
}

const cases = loadVectors<ReadonlyArray<TransactionCase>>("transactions")

describe("unordered transactions", () => {
  for (const vector of cases) {
    it(`writes the bytes of ${vector.name}`, () => {
      const privateKey = hex(vector.private_key_hex)
      const window = BigInt(vector.window_timeout_ms) * 1_000_000n
      const timeoutUnixNano = BigInt(vector.block_time_unix_nano) + timeoutSpan(window)
      assert.strictEqual(timeoutUnixNano.toString(), vector.timeout_timestamp_unix_nano)
      const draft: TxDraft = {
        messages: vector.messages_hex.map((message) => ({
          typeUrl: vector.kind === "claim" ? "/pocket.proof.MsgCreateClaim" : "/pocket.proof.MsgSubmitProof",
          value: hex(message)
        })),
        timeoutUnixNano,
        publicKey: secp256k1.getPublicKey(privateKey),
        chainId: vector.chain_id,
        accountNumber: BigInt(vector.account_number)
      }
      const gasLimit =
        vector.configured_gas_limit === "0"
          ? adjustedGas(BigInt(vector.simulated_gas), vector.gas_adjustment)
          : BigInt(vector.configured_gas_limit)
      assert.strictEqual(gasLimit.toString(), vector.gas_limit)
      const price = Result.getOrThrow(parseGasPrice(vector.gas_price))
      const amount = feeAmount(gasLimit, price)
      assert.strictEqual(amount.toString(), vector.fee_amount)
      assert.strictEqual(price.denom, vector.fee_denom)

      const fee = { gasLimit, amount, denom: price.denom }
      const unsigned = prepareTx(draft, fee)
      assert.strictEqual(toHex(unsigned.bodyBytes), vector.body_hex)
      assert.strictEqual(toHex(unsigned.authInfoBytes), vector.auth_info_hex)
      assert.strictEqual(toHex(unsigned.signDocBytes), vector.sign_doc_hex)
      const sign = (signDoc: Uint8Array) => secp256k1.sign(signDoc, privateKey)
      assert.strictEqual(toHex(sign(unsigned.signDocBytes)), vector.signature_hex)
      const signed = signTx(draft, fee, sign)
      assert.strictEqual(toHex(signed.txBytes), vector.tx_hex)
      assert.strictEqual(signed.hash, vector.tx_hash)
      if (vector.simulated_tx_hex !== undefined && vector.simulated_tx_hex !== "") {
        assert.strictEqual(toHex(signTx(draft, SIMULATION_FEE, sign).txBytes), vector.simulated_tx_hex)
      }
    })
  }

  for (const { name, simulated_gas, gas_adjustment, configured_gas_limit, gas_limit } of cases) {
    it(`adjusts the simulated gas of ${name}, also where the configured limit is sent`, () => {
      const simulated = BigInt(simulated_gas)
      const adjusted = adjustedGas(simulated, gas_adjustment)
      // Adjustments have one decimal place; the product of doubles may fall one short of the exact one.
      const exact = (simulated * BigInt(Math.round(gas_adjustment * 10))) / 10n
      assert.include([exact, exact - 1n], adjusted)
      assert.isAbove(Number(adjusted), Number(simulated + UNCOUNTED_GAS))
      assert.strictEqual(gasLimitToSend(simulated, gas_adjustment), adjusted)
      if (configured_gas_limit === "0") assert.strictEqual(adjusted.toString(), gas_limit)
      else assert.strictEqual(configured_gas_limit, gas_limit)
    })
  }

  it("covers simulated and configured gas", () => {
    assert.strictEqual(cases.length, 24)
    const simulated = cases.filter((vector) => vector.configured_gas_limit === "0")
    assert.isTrue(simulated.length > 0 && simulated.length < cases.length)
    assert.isTrue(simulated.every((vector) => (vector.simulated_tx_hex ?? "") !== ""))
  })
})
