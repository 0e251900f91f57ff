import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { decodeRelayRequest, encodeRelayRequest, withSessionHeader } from "../../../domain/relay/RelayRequest.ts"
import {
  isSameSessionHeader,
  keepEncoding,
  type SessionHeader,
  validateSessionHeader
} from "../../../domain/relay/SessionHeader.ts"
import { hex, toHex } from "../../vectors/load.ts"
import { aHeader, headerOf, relays } from "./RelayVectors.ts"

const problemField = (changes: Partial<SessionHeader>): string => {
  const result = validateSessionHeader(aHeader(changes))
  return Result.isSuccess(result) ? "ok" : result.failure.field
}

describe("keepEncoding", () => {
  it("changes no byte of a message", () => {
    for (const relay of relays) {
      const request = Result.getOrThrow(decodeRelayRequest(hex(relay.request_hex)))
      const kept = keepEncoding(headerOf(relay.session_header))
      assert.strictEqual(toHex(encodeRelayRequest(withSessionHeader(request, kept))), relay.request_hex)
    }
  })

  it("keeps what the header says whose it is, no other that is equal", () => {
    const header = keepEncoding(aHeader())
    const empty = Result.getOrThrow(decodeRelayRequest(new Uint8Array()))
    const encoded = (sessionHeader: SessionHeader) => toHex(encodeRelayRequest(withSessionHeader(empty, sessionHeader)))
    assert.strictEqual(encoded(header), encoded({ ...header }))
    assert.notStrictEqual(encoded(header), encoded({ ...header, sessionId: "other" }))
  })
})

describe("validateSessionHeader", () => {
  it("accepts the headers of the vectors", () => {
    for (const relay of relays) assert.isTrue(Result.isSuccess(validateSessionHeader(headerOf(relay.session_header))))
  })

  it("accepts an address in upper case", () => {
    assert.strictEqual(problemField({ applicationAddress: aHeader().applicationAddress.toUpperCase() }), "ok")
  })

  it("refuses addresses of another chain, of another form, and none", () => {
    const address = aHeader().applicationAddress
    const bad = [
      "",
      "cosmos1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqnrql8a",
      `${address}q`,
      address.slice(0, -1),
      `P${address.slice(1)}`,
      "pokt1\u00ff"
    ]
    for (const applicationAddress of bad)
      assert.strictEqual(problemField({ applicationAddress }), "application_address")
  })

  it("wants a session id", () => {
    assert.strictEqual(problemField({ sessionId: "" }), "session_id")
  })

  it("takes service ids of 1 to 42 of their characters", () => {
    for (const serviceId of ["a", "A-z_0", "a".repeat(42)]) assert.strictEqual(problemField({ serviceId }), "ok")
    for (const serviceId of ["", "a".repeat(43), "a.b", "a b", "a\n", "\u00e9"])
      assert.strictEqual(problemField({ serviceId }), "service_id")
  })

  it("wants a start of at least 1 and a later end, without an upper bound", () => {
    const heights = (sessionStartBlockHeight: bigint, sessionEndBlockHeight: bigint) =>
      problemField({ sessionStartBlockHeight, sessionEndBlockHeight })
    assert.strictEqual(heights(0n, 5n), "session_start_block_height")
    assert.strictEqual(heights(-1n, 5n), "session_start_block_height")
    assert.strictEqual(heights(5n, 5n), "session_end_block_height")
    assert.strictEqual(heights(5n, -5n), "session_end_block_height")
    assert.strictEqual(heights(1n, 2n), "ok")
    assert.strictEqual(heights((1n << 63n) - 2n, (1n << 63n) - 1n), "ok")
  })

  it("reports the first failure in the chain's order", () => {
    const all = {
      applicationAddress: "",
      sessionId: "",
      serviceId: "",
      sessionStartBlockHeight: 0n,
      sessionEndBlockHeight: 0n
    }
    assert.strictEqual(problemField(all), "application_address")
    const { applicationAddress: _, ...rest } = all
    assert.strictEqual(problemField(rest), "session_id")
    assert.strictEqual(problemField({ serviceId: "", sessionStartBlockHeight: 0n }), "service_id")
    assert.strictEqual(
      problemField({ sessionStartBlockHeight: 0n, sessionEndBlockHeight: 0n }),
      "session_start_block_height"
    )
  })

  it("names the field and shows the value as people read it", () => {
    const result = validateSessionHeader(aHeader({ serviceId: "caf\u00c3\u00a9" }))
    if (Result.isFailure(result)) assert.include(result.failure.message, 'service_id "café"')
    else assert.fail("accepted")
  })
})

describe("isSameSessionHeader", () => {
  it("compares all five fields", () => {
    const changes: ReadonlyArray<Partial<SessionHeader>> = [
      { applicationAddress: aHeader().applicationAddress.toUpperCase() },
      { serviceId: "other" },
      { sessionId: "other" },
      { sessionStartBlockHeight: 20n },
      { sessionEndBlockHeight: 41n }
    ]
    assert.isTrue(isSameSessionHeader(aHeader(), aHeader()))
    for (const change of changes) assert.isFalse(isSameSessionHeader(aHeader(), aHeader(change)))
  })
})
