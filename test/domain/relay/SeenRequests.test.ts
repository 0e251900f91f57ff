import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { nodeSha256 } from "../../../adapters/crypto/NodeSha256.ts"
import { signableHash } from "../../../domain/relay/RelayRequest.ts"
import { SeenRequests } from "../../../domain/relay/SeenRequests.ts"
import { decode } from "../../../domain/ring/RingSignature.ts"
import { textToBytes } from "../../../domain/wire/ByteText.ts"
import * as World from "../../support/ServingWorld.ts"

const bounded = (perSession = 1_000, total = 10_000) => new SeenRequests({ perSession, total })
const hashOf = (text: string) => nodeSha256(textToBytes(text))

const header = {
  applicationAddress: World.application.address,
  serviceId: World.SERVICE,
  sessionId: "00".repeat(32),
  sessionStartBlockHeight: 1n,
  sessionEndBlockHeight: 6n
}

describe("seen requests", () => {
  it("know a request again, and only that one", () => {
    const seen = bounded()
    const key = seen.keyOf(hashOf("a"), 1n)
    assert.isTrue(seen.enter("s", 7n, key))
    assert.isFalse(seen.enter("s", 7n, key))
    assert.isTrue(seen.enter("s", 7n, seen.keyOf(hashOf("a"), 2n)))
    assert.isTrue(seen.enter("s", 7n, seen.keyOf(hashOf("b"), 1n)))
    assert.isTrue(seen.enter("t", 7n, key))
    assert.strictEqual(seen.size, 4)
  })

  it("see through signatures that were varied without a key", () => {
    const seen = bounded()
    const request = World.aRequest(header, "1")
    const keyOf = (signature: Uint8Array) =>
      seen.keyOf(signableHash(request), Result.getOrThrow(decode(signature, 16)).challenge)
    const { signature } = request.meta
    // Bytes after the last member are ignored: they make no other request.
    const longer = Uint8Array.from([...signature, 1, 2, 3])
    assert.strictEqual(keyOf(longer), keyOf(signature))
  })

  it("are forgotten when they were not charged", () => {
    const seen = bounded()
    const key = seen.keyOf(hashOf("a"), 1n)
    seen.enter("s", 7n, key)
    seen.forget("s", key)
    seen.forget("s", key)
    seen.forget("unknown", key)
    assert.strictEqual(seen.size, 0)
    assert.isTrue(seen.enter("s", 7n, key))
  })

  it("drop the oldest of a session beyond its bound, and count it", () => {
    const seen = bounded(2)
    const keys = ["a", "b", "c"].map((text) => seen.keyOf(hashOf(text), 1n))
    for (const key of keys) seen.enter("s", 7n, key)
    assert.deepStrictEqual([seen.size, seen.dropped], [2, 1])
    assert.isFalse(seen.enter("s", 7n, keys[2]!))
    assert.isTrue(seen.enter("s", 7n, keys[0]!))
  })

  it("drop the oldest of the oldest session beyond the bound for all", () => {
    const seen = bounded(100, 3)
    seen.enter("old", 7n, "1")
    seen.enter("new", 8n, "1")
    seen.enter("new", 8n, "2")
    seen.enter("new", 8n, "3")
    assert.deepStrictEqual([seen.size, seen.dropped], [3, 1])
    assert.isTrue(seen.enter("old", 7n, "1"))
    assert.deepStrictEqual([seen.size, seen.dropped], [3, 2])
  })

  it("never exceed a bound of one", () => {
    const seen = bounded(1, 1)
    for (let i = 0; i < 100; i++) {
      assert.isTrue(seen.enter(String(i % 3), 7n, String(i)))
      assert.strictEqual(seen.size, 1)
    }
  })

  it("go with sessions that can no longer be served", () => {
    const seen = bounded()
    seen.enter("old", 7n, "1")
    seen.enter("new", 13n, "1")
    seen.forgetBelow(7n)
    assert.strictEqual(seen.size, 2)
    seen.forgetBelow(8n)
    assert.strictEqual(seen.size, 1)
    assert.isFalse(seen.enter("new", 13n, "1"))
  })
})
