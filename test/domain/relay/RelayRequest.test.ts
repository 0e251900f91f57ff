import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { sha256 } from "../../../domain/crypto/Sha256.ts"
import { textToBytes } from "../../../domain/wire/ByteText.ts"
import {
  decodeRelayRequest,
  encodeRelayRequest,
  signableBytes,
  signableHash,
  validateRelayRequest
} from "../../../domain/relay/RelayRequest.ts"
import { firstStranger, makeRingKeys } from "../../../domain/ring/RingMembers.ts"
import { decode as decodeRing, memberBound } from "../../../domain/ring/RingSignature.ts"
import { verify } from "../../../domain/ring/RingVerification.ts"
import { hex, toHex } from "../../vectors/load.ts"
import { bytesField, join, repeated } from "../wire/WireBytes.ts"
import { aHeader, aRequest, headerOf, relays, signable } from "./RelayVectors.ts"

describe("RelayRequest", () => {
  for (const vector of signable.requests) {
    it(`decodes, encodes, hashes and validates as Go does: ${vector.name}`, () => {
      const decoded = decodeRelayRequest(hex(vector.input_hex))
      assert.strictEqual(Result.isFailure(decoded), vector.error !== undefined)
      if (Result.isFailure(decoded)) return assert.strictEqual(vector.validate_basic, "")
      assert.strictEqual(toHex(encodeRelayRequest(decoded.success)), vector.remarshalled_hex)
      assert.strictEqual(toHex(signableHash(decoded.success)), vector.signable_hash_hex)
      assert.strictEqual(toHex(sha256(signableBytes(decoded.success))), vector.signable_hash_hex)
      const valid = validateRelayRequest(decoded.success)
      assert.strictEqual(Result.isSuccess(valid), vector.validate_basic === "ok")
      return undefined
    })
  }

  for (const vector of relays) {
    it(`builds the request of ${vector.name} from its parts and reads it back`, () => {
      const request = {
        meta: {
          sessionHeader: headerOf(vector.session_header),
          signature: hex(vector.request_signature_hex),
          supplierOperatorAddress: vector.supplier_operator_address
        },
        payload: hex(vector.request_payload_hex)
      }
      assert.strictEqual(toHex(encodeRelayRequest(request)), vector.request_hex)
      assert.strictEqual(toHex(signableHash(request)), vector.request_signable_hash_hex)
      assert.deepStrictEqual(Result.getOrThrow(decodeRelayRequest(hex(vector.request_hex))), request)
    })

    it(`finds the ring of ${vector.name} in its signature, which holds over the signable hash`, () => {
      const { meta } = Result.getOrThrow(decodeRelayRequest(hex(vector.request_hex)))
      const ring = vector.ring_pubkeys_hex.map(hex)
      const signature = Result.getOrThrow(decodeRing(meta.signature, memberBound(ring.length)))
      assert.deepStrictEqual(signature.members.map(toHex), vector.ring_pubkeys_hex)
      assert.strictEqual(firstStranger(signature, makeRingKeys(ring)), -1)
      assert.isTrue(verify(hex(vector.request_signable_hash_hex), signature))
    })
  }

  it("writes the metadata of an empty request", () => {
    const request = Result.getOrThrow(decodeRelayRequest(new Uint8Array(0)))
    assert.strictEqual(toHex(encodeRelayRequest(request)), "0a00")
  })

  it("tells a present empty session header from an absent one", () => {
    const present = Result.getOrThrow(decodeRelayRequest(bytesField(1, bytesField(1, new Uint8Array(0)))))
    assert.isDefined(present.meta.sessionHeader)
    assert.strictEqual(toHex(encodeRelayRequest(present)), "0a020a00")
  })

  it("uses the hash function it is given", () => {
    const seen: Array<string> = []
    const digest = signableHash(aRequest(), (bytes) => {
      seen.push(toHex(bytes))
      return repeated(7, 32)
    })
    assert.strictEqual(toHex(digest), "07".repeat(32))
    assert.deepStrictEqual(seen, [toHex(signableBytes(aRequest()))])
  })

  it("names the field that is missing or wrong, the first one only", () => {
    const problem = (request: ReturnType<typeof aRequest>) => {
      const result = validateRelayRequest(request)
      return Result.isSuccess(result) ? "ok" : result.failure.field
    }
    const none = new Uint8Array(0)
    assert.strictEqual(problem(aRequest({ payload: none })), "ok")
    assert.strictEqual(problem(aRequest({ meta: { supplierOperatorAddress: "anything" } })), "ok")
    assert.strictEqual(problem(aRequest({ meta: { supplierOperatorAddress: "" } })), "meta.supplier_operator_address")
    assert.strictEqual(problem(aRequest({ meta: { supplierOperatorAddress: "", signature: none } })), "meta.signature")
    assert.strictEqual(
      problem(aRequest({ meta: { signature: none, sessionHeader: aHeader({ sessionId: "" }) } })),
      "meta.session_header.session_id"
    )
    assert.strictEqual(problem(aRequest({ meta: { sessionHeader: undefined } })), "meta.session_header")
  })

  it("names the field that cannot be decoded", () => {
    const wrong = bytesField(1, bytesField(1, join(bytesField(1, textToBytes("pokt1")), Uint8Array.of(0x20, 0xff))))
    const result = decodeRelayRequest(wrong)
    if (Result.isSuccess(result)) return assert.fail("accepted")
    assert.strictEqual(result.failure.subject, "RelayRequest")
    assert.strictEqual(result.failure.field, "meta.session_header.session_start_block_height")
    assert.strictEqual(result.failure.reason, "truncated")
    return undefined
  })
})
