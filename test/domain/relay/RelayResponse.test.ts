import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { sha256 } from "../../../domain/crypto/Sha256.ts"
import * as SupplierSignature from "../../../domain/keys/SupplierSignature.ts"
import {
  buildResponse,
  decodeRelayResponse,
  encodeRelayResponse,
  responseSignableBytes,
  responseSignableHash,
  type RelayResponse,
  validateRelayResponse,
  withoutPayload,
  withSignature
} from "../../../domain/relay/RelayResponse.ts"
import { hex, toHex } from "../../vectors/load.ts"
import { aHeader, headerOf, relays, signable } from "./RelayVectors.ts"

const aResponse = (changes: Partial<RelayResponse> = {}): RelayResponse => ({
  meta: { sessionHeader: aHeader(), supplierOperatorSignature: new Uint8Array(64).fill(3) },
  payload: Uint8Array.of(5, 6),
  relayMinerError: undefined,
  payloadHash: sha256(Uint8Array.of(5, 6)),
  ...changes
})

describe("RelayResponse", () => {
  for (const vector of signable.responses) {
    it(`decodes, encodes, hashes and validates as Go does: ${vector.name}`, () => {
      const decoded = decodeRelayResponse(hex(vector.input_hex))
      assert.strictEqual(Result.isFailure(decoded), vector.error !== undefined)
      if (Result.isFailure(decoded)) return
      assert.strictEqual(toHex(encodeRelayResponse(decoded.success)), vector.remarshalled_hex)
      assert.strictEqual(toHex(responseSignableHash(decoded.success)), vector.signable_hash_hex)
      assert.strictEqual(toHex(sha256(responseSignableBytes(decoded.success))), vector.signable_hash_hex)
      const valid = validateRelayResponse(decoded.success)
      assert.strictEqual(Result.isSuccess(valid), vector.validate_basic === "ok")
    })
  }

  for (const vector of relays) {
    it(`builds and signs the response of ${vector.name} byte for byte`, () => {
      const unsigned = Result.getOrThrow(
        buildResponse({ sessionHeader: headerOf(vector.session_header), payload: hex(vector.response_payload_hex) })
      )
      assert.strictEqual(toHex(unsigned.payloadHash!), vector.response_payload_hash_hex)
      const digest = responseSignableHash(unsigned)
      assert.strictEqual(toHex(digest), vector.response_signable_hash_hex)
      const signature = SupplierSignature.sign(hex(vector.supplier_private_key_hex), digest)
      assert.strictEqual(toHex(signature), vector.response_signature_hex)
      const response = withSignature(unsigned, signature)
      assert.strictEqual(toHex(encodeRelayResponse(response)), vector.response_hex)
      assert.deepStrictEqual(Result.getOrThrow(decodeRelayResponse(hex(vector.response_hex))), response)
    })
  }

  it("refuses to build a response without payload", () => {
    const result = buildResponse({ sessionHeader: aHeader(), payload: new Uint8Array(0) })
    if (Result.isSuccess(result)) return assert.fail("built")
    assert.strictEqual(result.failure._tag, "EmptyResponsePayload")
    assert.strictEqual(result.failure.sessionId, aHeader().sessionId)
    return undefined
  })

  it("signs the payload through its hash, and the error always", () => {
    const digest = toHex(responseSignableHash(aResponse()))
    assert.strictEqual(toHex(responseSignableHash(aResponse({ payload: Uint8Array.of(1) }))), digest)
    assert.strictEqual(toHex(responseSignableHash(withoutPayload(aResponse()))), digest)
    assert.strictEqual(toHex(responseSignableHash(withSignature(aResponse(), new Uint8Array(64)))), digest)
    const relayMinerError = { codespace: "relayer_proxy", code: 7, description: "limit", message: "" }
    assert.notStrictEqual(toHex(responseSignableHash(aResponse({ relayMinerError }))), digest)
    const unhashed = aResponse({ payloadHash: undefined })
    assert.notStrictEqual(
      toHex(responseSignableHash(unhashed)),
      toHex(responseSignableHash({ ...unhashed, payload: Uint8Array.of(1) }))
    )
  })

  it("carries the relay miner error through encoding, all four fields", () => {
    const relayMinerError = { codespace: "relaymill", code: 0xffffffff, description: "text", message: "more" }
    const built = Result.getOrThrow(
      buildResponse({ sessionHeader: aHeader(), payload: Uint8Array.of(1), relayMinerError })
    )
    assert.deepStrictEqual(
      Result.getOrThrow(decodeRelayResponse(encodeRelayResponse(built))).relayMinerError,
      relayMinerError
    )
  })

  it("keeps an explicit empty payload hash apart from none", () => {
    const explicit = Result.getOrThrow(decodeRelayResponse(hex("0a002200")))
    assert.deepStrictEqual(explicit.payloadHash, new Uint8Array(0))
    assert.strictEqual(toHex(encodeRelayResponse(explicit)), "0a00")
    assert.isUndefined(Result.getOrThrow(decodeRelayResponse(hex("0a00"))).payloadHash)
  })

  it("names the field that fails validation", () => {
    const problem = (response: RelayResponse) => {
      const result = validateRelayResponse(response)
      return Result.isSuccess(result) ? "ok" : result.failure.field
    }
    const { meta } = aResponse()
    assert.strictEqual(problem(aResponse({ payloadHash: undefined })), "ok")
    assert.strictEqual(problem(withSignature(aResponse(), new Uint8Array(0))), "meta.supplier_operator_signature")
    assert.strictEqual(problem(aResponse({ meta: { ...meta, sessionHeader: undefined } })), "meta.session_header")
    const header = aHeader({ sessionEndBlockHeight: 1n })
    assert.strictEqual(
      problem(aResponse({ meta: { ...meta, sessionHeader: header } })),
      "meta.session_header.session_end_block_height"
    )
  })
})
