import { assert, describe, it } from "@effect/vitest"
import { sha3_512 } from "@noble/hashes/sha3.js"
import { nodeHashToScalar } from "../../../adapters/crypto/NodeSha256.ts"
import { decodePoint, encodePoint, INFINITY } from "../../../domain/ring/CurvePoint.ts"
import { hashToCurve } from "../../../domain/ring/HashToCurve.ts"
import { hashToScalar, leftAlign, reduceDigest, significantBytes } from "../../../domain/ring/HashToScalar.ts"
import { makeMemberCache } from "../../../domain/ring/MemberCache.ts"
import { ORDER, scalarToBytes } from "../../../domain/ring/Scalar.ts"
import { hex, loadVectors, toHex } from "../../vectors/load.ts"

interface HashCases {
  readonly hash_to_scalar: ReadonlyArray<{ input_hex: string; scalar_hex: string; reduced_bytes: number }>
  readonly hash_to_curve: ReadonlyArray<{ pubkey_hex: string; point_hex: string; tries: number }>
}

const cases = loadVectors<HashCases>("ring-hashes")

describe("golden vectors of ring hashes", () => {
  it("hashes to every scalar, in pure code and with Node's SHA3", () => {
    assert.strictEqual(cases.hash_to_scalar.length, 105)
    for (const { input_hex, scalar_hex, reduced_bytes } of cases.hash_to_scalar) {
      const input = hex(input_hex)
      assert.strictEqual(significantBytes(reduceDigest(sha3_512(input))), reduced_bytes)
      assert.strictEqual(toHex(scalarToBytes(hashToScalar(input)!)), scalar_hex)
      assert.strictEqual(nodeHashToScalar(input), hashToScalar(input))
    }
  })

  it("hashes to every point, with as many tries", () => {
    assert.strictEqual(cases.hash_to_curve.length, 80)
    for (const { pubkey_hex, point_hex, tries } of cases.hash_to_curve) {
      const hashed = hashToCurve(hex(pubkey_hex))
      assert.strictEqual(toHex(encodePoint(hashed!.point)), point_hex)
      assert.strictEqual(hashed!.tries, tries)
    }
  })
})

describe("the left-align quirk", () => {
  it("moves short numbers by whole bytes and leaves 32-byte numbers", () => {
    assert.strictEqual(leftAlign(0n), 0n)
    assert.strictEqual(leftAlign(1n), 1n << 248n)
    assert.strictEqual(leftAlign(0x1ffn), 0x1ffn << 240n)
    assert.strictEqual(leftAlign(1n << 248n), 1n << 248n)
    assert.strictEqual(leftAlign(ORDER - 1n), ORDER - 1n)
  })

  it("refuses where the moved number is not below the group order, as the reference crashes there", () => {
    assert.isUndefined(leftAlign((1n << 248n) - 1n))
    assert.strictEqual(leftAlign(ORDER >> 8n), (ORDER >> 8n) << 8n)
    assert.isUndefined(leftAlign((ORDER >> 8n) + 1n))
  })
})

describe("point encoding", () => {
  it("writes infinity as 02 and zeros, and does not read it back", () => {
    const infinity = `02${"00".repeat(32)}`
    assert.strictEqual(toHex(encodePoint(INFINITY)), infinity)
    assert.isUndefined(decodePoint(hex(infinity)))
  })

  it("reads only 33 bytes with prefix 02 or 03, x below p and on the curve", () => {
    const key = cases.hash_to_curve[0]!.pubkey_hex
    assert.strictEqual(toHex(encodePoint(decodePoint(hex(key))!)), key)
    const p = (1n << 256n) - (1n << 32n) - 977n
    const beyond = (p + 1n).toString(16)
    for (const bad of [
      "",
      key.slice(2),
      `${key}00`,
      `00${key.slice(2)}`,
      `04${key.slice(2)}`,
      `06${key.slice(2)}`,
      `02${beyond}`,
      `02${"ff".repeat(32)}`,
      `02${"00".repeat(31)}05`
    ]) {
      assert.isUndefined(decodePoint(hex(bad)), bad)
    }
    assert.isUndefined(decodePoint(decodePoint(hex(key))!.toBytes(false)))
  })
})

describe("MemberCache", () => {
  it("never holds more than its capacity and drops what was unused for longest", () => {
    const derived: Array<number> = []
    const cache = makeMemberCache(2, (key) => (derived.push(key[0]!), key[0]))
    const get = (byte: number) => cache.get(Uint8Array.of(byte))
    get(1)
    get(2)
    get(1)
    get(3)
    assert.strictEqual(cache.size(), 2)
    assert.deepStrictEqual(derived, [1, 2, 3])
    assert.strictEqual(get(1), 1)
    assert.deepStrictEqual(derived, [1, 2, 3])
    get(2)
    assert.deepStrictEqual(derived, [1, 2, 3, 2])
  })

  it("keeps nothing for keys that yield nothing", () => {
    const cache = makeMemberCache(4, () => undefined)
    for (let byte = 0; byte < 100; byte++) assert.isUndefined(cache.get(Uint8Array.of(byte)))
    assert.strictEqual(cache.size(), 0)
  })
})
