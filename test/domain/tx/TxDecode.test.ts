import { create, toBinary } from "@bufbuild/protobuf"
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { AuthInfoSchema, TxBodySchema, TxRawSchema } from "../../../domain/chain/proto/cosmos/tx_pb.ts"
import { encodeSignDoc } from "../../../domain/tx/UnorderedTx.ts"
import { decodeTx, MAX_DEPTH, TxUndecodable } from "../../../domain/tx/TxDecode.ts"
import { encodeCreateClaim, encodeSubmitProof } from "../../../domain/tx/ProofMessages.ts"
import { hex, loadVectors, toHex } from "../../vectors/load.ts"

interface TransactionCase {
  readonly name: string
  readonly chain_id: string
  readonly account_number: string
  readonly kind: "claim" | "proof"
  readonly messages_hex: ReadonlyArray<string>
  readonly timeout_timestamp_unix_nano: string
  readonly gas_limit: string
  readonly fee_amount: string
  readonly fee_denom: string
  readonly body_hex: string
  readonly auth_info_hex: string
  readonly sign_doc_hex: string
  readonly signature_hex: string
  readonly simulated_tx_hex?: string
  readonly tx_hex: string
  readonly tx_hash: string
}

const cases = loadVectors<ReadonlyArray<TransactionCase>>("transactions")
const smallest = cases.reduce((a, b) => (a.tx_hex.length < b.tx_hex.length ? a : b))

const raw = (parts: { readonly body?: string; readonly auth?: string }) =>
  toBinary(
    TxRawSchema,
    create(TxRawSchema, {
      bodyBytes: hex(parts.body ?? smallest.body_hex),
      authInfoBytes: hex(parts.auth ?? smallest.auth_info_hex),
      signatures: [hex(smallest.signature_hex)]
    })
  )

const refusal = (bytes: Uint8Array): TxUndecodable => {
  const result = decodeTx(bytes)
  if (Result.isSuccess(result)) throw new Error(`decoded ${toHex(bytes)}`)
  assert.instanceOf(result.failure, TxUndecodable)
  assert.match(result.failure.log, /: tx parse error$/)
  return result.failure
}

describe("decoding transactions", () => {
  for (const vector of cases) {
    it(`reads ${vector.name} and its simulation`, () => {
      const tx = Result.getOrThrow(decodeTx(hex(vector.tx_hex)))
      assert.strictEqual(tx.hash, vector.tx_hash)
      assert.strictEqual(toHex(tx.bodyBytes), vector.body_hex)
      assert.strictEqual(toHex(tx.authInfoBytes), vector.auth_info_hex)
      assert.deepStrictEqual(tx.signatures.map(toHex), [vector.signature_hex])
      assert.strictEqual(
        toHex(encodeSignDoc(tx.bodyBytes, tx.authInfoBytes, vector.chain_id, BigInt(vector.account_number))),
        vector.sign_doc_hex
      )
      assert.deepStrictEqual(
        tx.messages.map((message) =>
          toHex(
            message._tag === "CreateClaim" ? encodeCreateClaim(message.message) : encodeSubmitProof(message.message)
          )
        ),
        [...vector.messages_hex]
      )
      assert.strictEqual(tx.memo, "HA RelayMiner")
      assert.isTrue(tx.unordered)
      assert.strictEqual(tx.timeoutHeight, 0n)
      assert.strictEqual(tx.timeoutUnixNano, BigInt(vector.timeout_timestamp_unix_nano))
      assert.isFalse(tx.hasExtensionOptions)
      assert.strictEqual(tx.signers.length, 1)
      assert.strictEqual(tx.signers[0]!.publicKey!.length, 33)
      assert.strictEqual(tx.signers[0]!.signMode, 1)
      assert.strictEqual(tx.signers[0]!.sequence, 0n)
      assert.strictEqual(tx.fee!.gasLimit, BigInt(vector.gas_limit))
      assert.deepStrictEqual(
        tx.fee!.amount,
        vector.fee_amount === "0" ? [] : [{ denom: vector.fee_denom, amount: BigInt(vector.fee_amount) }]
      )
      if (vector.simulated_tx_hex !== undefined) {
        const simulated = Result.getOrThrow(decodeTx(hex(vector.simulated_tx_hex)))
        assert.deepStrictEqual(simulated.fee, { amount: [], gasLimit: 0n, payer: "", granter: "" })
        assert.strictEqual(simulated.signatures[0]!.length, 64)
      }
    })
  }

  it("takes an empty transaction and one without parts as such: what is missing is refused later", () => {
    const empty = Result.getOrThrow(decodeTx(new Uint8Array(0)))
    assert.strictEqual(empty.messages.length, 0)
    assert.strictEqual(empty.fee, undefined)
    assert.strictEqual(empty.timeoutUnixNano, undefined)
  })

  it("refuses a raw transaction that is not canonical", () => {
    const body = hex(smallest.body_hex)
    const field = (number: number, content: Uint8Array) => [(number << 3) | 2, ...varint(content.length), ...content]
    const auth = hex(smallest.auth_info_hex)
    const signature = hex(smallest.signature_hex)
    const good = [...field(1, body), ...field(2, auth), ...field(3, signature)]
    assert.isTrue(Result.isSuccess(decodeTx(Uint8Array.from(good))))
    assert.isTrue(Result.isSuccess(decodeTx(Uint8Array.from([...good, ...field(3, signature)]))))

    const swapped = [...field(2, auth), ...field(1, body), ...field(3, signature)]
    assert.match(refusal(Uint8Array.from(swapped)).reason, /comes after/)
    const overlong = [0x0a, ...varint(body.length, 1), ...body, ...field(2, auth), ...field(3, signature)]
    assert.match(refusal(Uint8Array.from(overlong)).reason, /not as short as possible/)
    const overlongTag = [0x8a, 0x00, ...varint(body.length), ...body]
    assert.match(refusal(Uint8Array.from(overlongTag)).reason, /not as short as possible/)
    assert.match(refusal(Uint8Array.from([...good, 0x20, 0x01])).reason, /not a bytes field/)
    assert.match(refusal(Uint8Array.from([...good, ...field(4, signature)])).reason, /unknown field 4/)
  })

  it("refuses unknown fields in body, auth info, envelopes and messages", () => {
    assert.match(refusal(raw({ body: `${smallest.body_hex}3001` })).reason, /unknown field 6/)
    // Bit 11: "non-critical" for a node, refused here all the same.
    assert.match(refusal(raw({ body: `${smallest.body_hex}80800101` })).reason, /unknown field 2048/)
    assert.match(refusal(raw({ auth: `${smallest.auth_info_hex}2001` })).reason, /unknown field 4/)
    const body = (inner: string) => {
      const any = hex(`0a1c${toHex(new TextEncoder().encode("/pocket.proof.MsgCreateClaim"))}${inner}`)
      return toHex(Uint8Array.from([0x0a, ...varint(any.length), ...any]))
    }
    assert.isTrue(Result.isSuccess(decodeTx(raw({ body: body("12021200") }))))
    assert.match(refusal(raw({ body: body("1801") })).reason, /unknown field 3/)
    assert.match(refusal(raw({ body: body("12022001") })).reason, /unknown field 4/)
    assert.match(refusal(raw({ body: body("120412023001") })).reason, /unknown field 6/)
    // A known field with another wire type.
    assert.match(refusal(raw({ body: body("12021001") })).reason, /wrong wire type/)
    assert.match(refusal(raw({ body: "0801" })).reason, /wrong wire type/)
    assert.match(refusal(raw({ body: "1314" })).reason, /wrong wire type/)
  })

  it("knows the additions of a node: extension options, tip, multi-signature modes", () => {
    assert.match(refusal(raw({ body: "fa3f020a00" })).reason, /type "" is not known/)
    const tip = toBinary(AuthInfoSchema, create(AuthInfoSchema, { tip: { tipper: "pokt1" }, fee: {} }))
    assert.isTrue(Result.isSuccess(decodeTx(raw({ auth: toHex(tip) }))))
    const multi = toBinary(
      AuthInfoSchema,
      create(AuthInfoSchema, {
        signerInfos: [{ modeInfo: { sum: { case: "multi", value: { bitarray: {}, modeInfos: [{}] } } } }]
      })
    )
    const decoded = Result.getOrThrow(decodeTx(raw({ auth: toHex(multi) })))
    assert.deepStrictEqual(decoded.signers, [{ publicKey: undefined, signMode: undefined, sequence: 0n }])
  })

  it("refuses messages and keys of unknown types, and text that is not UTF-8", () => {
    const any = (typeUrl: string) => ({ typeUrl, value: new Uint8Array(0) })
    const bodyOf = (typeUrl: string) =>
      toHex(toBinary(TxBodySchema, create(TxBodySchema, { messages: [any(typeUrl)] })))
    assert.match(refusal(raw({ body: bodyOf("/cosmos.bank.v1beta1.MsgSend") })).reason, /is not known/)
    assert.match(refusal(raw({ body: bodyOf("/cosmos.crypto.secp256k1.PubKey") })).reason, /is not a message/)
    const auth = create(AuthInfoSchema, { signerInfos: [{ publicKey: any("/pocket.proof.MsgCreateClaim") }] })
    assert.match(refusal(raw({ auth: toHex(toBinary(AuthInfoSchema, auth)) })).reason, /is not a public key/)
    refusal(raw({ body: "1202ff00" }))
    const fee = create(AuthInfoSchema, { fee: { amount: [{ denom: "upokt", amount: "-1" }] } })
    assert.match(refusal(raw({ auth: toHex(toBinary(AuthInfoSchema, fee)) })).reason, /not a number/)
  })

  it("refuses nesting that would exhaust the stack", () => {
    const nest = (inner: Uint8Array) => Uint8Array.from([0x12, ...varint(inner.length), ...inner])
    let mode: Uint8Array = new Uint8Array(0)
    for (let level = 0; level < MAX_DEPTH - 4; level += 2) mode = nest(nest(mode))
    assert.isTrue(Result.isSuccess(decodeTx(raw({ auth: toHex(signer(mode)) }))))
    for (let level = 0; level < 6000; level++) mode = nest(mode)
    assert.match(refusal(raw({ auth: toHex(signer(mode)) })).reason, /nested deeper/)
  })

  it("refuses every truncation that cuts a field", () => {
    const bytes = hex(smallest.tx_hex)
    const bodyEnd = 3 + smallest.body_hex.length / 2
    const authEnd = bodyEnd + 2 + smallest.auth_info_hex.length / 2
    for (let cut = 0; cut < bytes.length; cut++) {
      const result = decodeTx(bytes.subarray(0, cut))
      assert.strictEqual(Result.isSuccess(result), cut === 0 || cut === bodyEnd || cut === authEnd, `cut at ${cut}`)
    }
  })

  it("answers every mutation of a valid transaction with a transaction or a typed refusal", () => {
    let seed = 0x2545f491
    const random = (below: number) => {
      seed ^= seed << 13
      seed ^= seed >>> 17
      seed ^= seed << 5
      return (seed >>> 0) % below
    }
    let refused = 0
    for (let round = 0; round < 6000; round++) {
      const vector = cases[round % cases.length]!
      const bytes = Array.from(hex(round % 7 === 0 ? (vector.simulated_tx_hex ?? vector.tx_hex) : vector.tx_hex))
      for (let edits = 1 + random(3); edits > 0; edits--) {
        const at = random(bytes.length)
        const kind = random(4)
        if (kind === 0) bytes[at] = random(256)
        else if (kind === 1) bytes[at] = bytes[at]! ^ (1 << random(8))
        else if (kind === 2) bytes.splice(at, 1 + random(4))
        else bytes.splice(at, 0, random(256))
      }
      const result = decodeTx(Uint8Array.from(bytes))
      if (Result.isFailure(result)) {
        refused++
        assert.instanceOf(result.failure, TxUndecodable)
      } else assert.match(result.success.hash, /^[0-9A-F]{64}$/)
    }
    assert.isTrue(refused > 1000)
  })
})

const varint = (value: number, extra = 0): Array<number> => {
  const bytes: Array<number> = []
  let rest = value
  while (rest > 127) {
    bytes.push((rest & 127) | 128)
    rest >>>= 7
  }
  bytes.push(rest)
  for (let i = 0; i < extra; i++) {
    bytes[bytes.length - 1]! |= 128
    bytes.push(0)
  }
  return bytes
}

const signer = (mode: Uint8Array) => {
  const info = Uint8Array.from([0x12, ...varint(mode.length), ...mode])
  return Uint8Array.from([0x0a, ...varint(info.length), ...info])
}
