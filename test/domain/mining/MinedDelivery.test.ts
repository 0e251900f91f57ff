import { assert, describe, it } from "@effect/vitest"
import { Option, Result } from "effect"
import { sha256 } from "../../../domain/crypto/Sha256.ts"
import { type MinedDelivery, readDelivery } from "../../../domain/mining/MinedDelivery.ts"
import { encodeMinedRelay, type MinedRelay } from "../../../domain/relay/MinedRelay.ts"
import type { SessionHeader } from "../../../domain/relay/SessionHeader.ts"
import { textToBytes } from "../../../domain/wire/ByteText.ts"
import { testKey } from "../../support/RelayBuilder.ts"

const supplier = testKey("supplier").address
const relayBytes = textToBytes("a relay")

const relay = (changes: Partial<MinedRelay> = {}): MinedRelay => ({
  relayHash: sha256(relayBytes),
  relayBytes,
  computeUnitsPerRelay: 7n,
  sessionId: "5e55",
  sessionEndHeight: 20n,
  supplierOperatorAddress: supplier,
  serviceId: "svc",
  applicationAddress: testKey("application").address,
  arrivalBlockHeight: 12n,
  publishedAtUnixNano: 1n,
  sessionStartHeight: 11n,
  ...changes
})

/** Verdicts on a batch. */
const read = (...relays: ReadonlyArray<MinedRelay>) => {
  const headers = new Map<string, SessionHeader>()
  return relays.map((one, index) =>
    readDelivery(supplier, { id: `${index}-0`, data: encodeMinedRelay(one), trace: Option.none() }, sha256, headers)
  )
}

const failure = (result: Result.Result<MinedDelivery, string> | undefined) =>
  result !== undefined && Result.isFailure(result) ? result.failure : undefined

describe("readDelivery", () => {
  it("gives relays with the same header one header", () => {
    const [first, second] = read(relay(), relay({ arrivalBlockHeight: 13n })).map(Result.getOrThrow)
    assert.strictEqual(first?.header, second?.header)
    assert.strictEqual(first?.header.applicationAddress, testKey("application").address)
  })

  it("takes no header for another's because its session is known", () => {
    const other = testKey("other application").address
    const [, malformed, differs, same] = read(
      relay(),
      relay({ applicationAddress: "pokt1nobody" }),
      relay({ applicationAddress: other }),
      relay()
    )
    assert.strictEqual(failure(malformed), "malformed_session")
    assert.strictEqual(Result.getOrThrow(differs!).header.applicationAddress, other)
    assert.strictEqual(Result.getOrThrow(same!).header.applicationAddress, testKey("application").address)
  })

  it("names what makes an entry no leaf", () => {
    const reasons = read(
      relay({ relayHash: new Uint8Array(32) }),
      relay({ supplierOperatorAddress: testKey("other").address }),
      relay({ sessionStartHeight: 30n }),
      relay({ serviceId: "no service id" }),
      relay({ relayBytes: new Uint8Array() })
    ).map(failure)
    assert.deepStrictEqual(reasons, [
      "relay_hash_mismatch",
      "other_supplier",
      "malformed_session",
      "malformed_session",
      "undecodable"
    ])
  })
})
