import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { decodeRelay, dehydrate, encodeRelay, relayHash } from "../../../domain/relay/Relay.ts"
import { decodeRelayRequest, signableHash } from "../../../domain/relay/RelayRequest.ts"
import { decodeRelayResponse, responseSignableHash } from "../../../domain/relay/RelayResponse.ts"
import { hex, toHex } from "../../vectors/load.ts"
import { bytesField, join, repeated } from "../wire/WireBytes.ts"
import { relays, signable } from "./RelayVectors.ts"

describe("Relay", () => {
  for (const vector of signable.relays) {
    it(`encodes and hashes an incomplete relay: ${vector.name}`, () => {
      const relay = Result.getOrThrow(decodeRelay(hex(vector.relay_hex)))
      assert.strictEqual(toHex(encodeRelay(relay)), vector.relay_hex)
      assert.strictEqual(toHex(relayHash(encodeRelay(relay))), vector.relay_hash_hex)
    })
  }

  for (const vector of relays) {
    it(`makes the leaf of ${vector.name}, under which both signed hashes are unchanged`, () => {
      const request = Result.getOrThrow(decodeRelayRequest(hex(vector.request_hex)))
      const response = Result.getOrThrow(decodeRelayResponse(hex(vector.response_hex)))
      const leaf = dehydrate(request, response)
      assert.strictEqual(toHex(leaf), vector.relay_hex)
      assert.strictEqual(toHex(relayHash(leaf)), vector.relay_hash_hex)
      const relay = Result.getOrThrow(decodeRelay(leaf))
      assert.strictEqual(toHex(signableHash(relay.request!)), vector.request_signable_hash_hex)
      assert.strictEqual(toHex(responseSignableHash(relay.response!)), vector.response_signable_hash_hex)
      assert.strictEqual(relay.response!.payload.length, 0)
      assert.strictEqual(toHex(encodeRelay(relay)), vector.relay_hex)
    })
  }

  it("tells empty parts from absent ones", () => {
    assert.strictEqual(toHex(encodeRelay({ request: undefined, response: undefined })), "")
    assert.deepStrictEqual(Result.getOrThrow(decodeRelay(new Uint8Array(0))), {
      request: undefined,
      response: undefined
    })
    assert.isDefined(Result.getOrThrow(decodeRelay(hex("0a00"))).request)
    assert.strictEqual(toHex(encodeRelay(Result.getOrThrow(decodeRelay(hex("0a001200"))))), "0a020a0012020a00")
  })

  it("merges a part that comes in two pieces", () => {
    const [first] = relays
    const request = hex(first!.request_hex)
    const half = bytesField(1, bytesField(2, repeated(4, 3)))
    const relay = Result.getOrThrow(decodeRelay(join(bytesField(1, request), bytesField(1, half))))
    const whole = Result.getOrThrow(decodeRelayRequest(join(request, half)))
    assert.deepStrictEqual(relay.request, whole)
  })

  it("encodes parts of any size", () => {
    const [first] = relays
    const request = Result.getOrThrow(decodeRelayRequest(hex(first!.request_hex)))
    const response = Result.getOrThrow(decodeRelayResponse(hex(first!.response_hex)))
    for (const size of [0, 100, 16_000, 16_384, 2_100_000]) {
      const payload = repeated(1, size)
      const relay = { request: { ...request, payload }, response: { ...response, payload } }
      assert.deepStrictEqual(Result.getOrThrow(decodeRelay(encodeRelay(relay))), relay)
    }
  })
})
