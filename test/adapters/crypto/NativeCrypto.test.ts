import { assert, describe, it } from "@effect/vitest"
import { secp256k1 } from "@noble/curves/secp256k1.js"
import { Effect, Layer, Logger, Result } from "effect"
import { nodeSha256 } from "../../../adapters/crypto/NodeSha256.ts"
import { makeRingVerificationNative } from "../../../adapters/crypto/RingVerificationNative.ts"
import * as RingVerifierNative from "../../../adapters/crypto/RingVerifierNative.ts"
import {
  loadSecp256k1Native,
  NativeUnavailable,
  type Secp256k1Native
} from "../../../adapters/crypto/Secp256k1Native.ts"
import * as SupplierKeysNative from "../../../adapters/crypto/SupplierKeysNative.ts"
import * as SupplierKeysMemory from "../../../adapters/memory/SupplierKeysMemory.ts"
import { sha256 } from "../../../domain/crypto/Sha256.ts"
import { RingVerifier } from "../../../domain/ports/RingVerifier.ts"
import { decode } from "../../../domain/ring/RingSignature.ts"
import { makeMemberPoints, verify } from "../../../domain/ring/RingVerification.ts"
import { makeRingVerificationPure } from "../../../domain/ring/RingVerifierPure.ts"
import * as RingVerifierPure from "../../../domain/ring/RingVerifierPure.ts"
import { ringVerifierContract } from "../../contract/RingVerifierContract.ts"
import { supplierKeysContract } from "../../contract/SupplierKeysContract.ts"
import { allRingVectors, bytesOf, edgeCases, randomCases } from "../../domain/ring/RingSignatureCases.ts"
import { hex } from "../../vectors/load.ts"

const unavailable = Result.fail(new NativeUnavailable({ platform: "none", cause: new Error("not built") }))
const native = loadSecp256k1Native()

/** The library with every function throwing, as it does on inputs that it cannot represent. */
const throwing = new Proxy({} as Secp256k1Native, {
  get: () => () => {
    throw new Error("refused by the library")
  }
})

ringVerifierContract("pure", RingVerifierPure.layer)

describe("the pure verifier", () => {
  it("gives the same verdicts once every point that passed has a table", () => {
    const eager = { capacity: 64, promoteAfter: 1, idlePasses: 0 }
    const { verify: verifyPure } = makeRingVerificationPure({
      memberCapacity: 1000,
      memberTables: eager,
      imageTables: eager
    })
    const members = makeMemberPoints(1000)
    const cases = [...edgeCases(), ...randomCases("tables", 2)]
    for (const { message, signature } of cases.filter(({ valid, name }) => valid && / s one$|untouched/.test(name))) {
      for (let i = 0; i < 2 * signature.members.length; i++) assert.isTrue(verifyPure(message, signature))
    }
    for (const { name, message, signature } of cases) {
      assert.strictEqual(verifyPure(message, signature), verify(message, signature, { members }), name)
    }
  })
})

supplierKeysContract("memory", SupplierKeysMemory.layerRing)
supplierKeysContract("without a native library", (ring) => SupplierKeysNative.layerRing(ring, unavailable))

describe.runIf(Result.isSuccess(native))("with the native library", () => {
  const library = Result.getOrThrow(native)
  ringVerifierContract("native", RingVerifierNative.layer)
  supplierKeysContract("native", (ring) => SupplierKeysNative.layerRing(ring, native))

  it("leaves nothing but undecodable points to the pure verifier, so that no scalar costs a slow verification", () => {
    const members = makeMemberPoints(1000)
    const leftOver: Array<string> = []
    let current = ""
    const { verify: verifyNative } = makeRingVerificationNative(library, {
      memberCapacity: 1000,
      fallback: (message, signature) => {
        leftOver.push(current)
        return verify(message, signature, { members })
      }
    })
    for (const { name, message, signature } of [...edgeCases(), ...randomCases("left over", 8)]) {
      current = name
      verifyNative(message, signature)
    }
    for (const { name, message_hex, signature_hex } of allRingVectors) {
      current = name
      const signature = decode(hex(signature_hex), 16)
      if (Result.isSuccess(signature)) verifyNative(hex(message_hex), signature.success)
    }
    assert.isAbove(leftOver.length, 0)
    for (const name of leftOver)
      assert.match(name, /image (prefix|x beyond|not on|off|infinite|uncompressed)|random bytes/)
  })

  it("gives the same verdicts once every point that passed has a table", () => {
    const eager = { capacity: 64, promoteAfter: 1, idlePasses: 0 }
    const { verify: verifyNative, fill } = makeRingVerificationNative(library, {
      memberCapacity: 1000,
      memberTables: eager,
      imageTables: eager
    })
    const members = makeMemberPoints(1000)
    const cases = [...edgeCases(), ...randomCases("tables", 2)]
    for (const { message, signature } of cases.filter(({ valid, name }) => valid && / s one$|untouched/.test(name))) {
      for (let i = 0; i < 33 * (signature.members.length + 1); i++) assert.isTrue(verifyNative(message, signature))
    }
    assert.isAtLeast(fill().memberTables, 5)
    assert.isAtLeast(fill().imageTables, 5)
    for (const { name, message, signature } of cases) {
      assert.strictEqual(verifyNative(message, signature), verify(message, signature, { members }), name)
    }
  })

  it("keeps no more members and tables than its capacity and stays right", () => {
    const single = { capacity: 1, promoteAfter: 1, idlePasses: 0 }
    const { verify: verifyNative, fill } = makeRingVerificationNative(library, {
      memberCapacity: 1,
      memberTables: single,
      imageTables: { ...single, capacity: 0 }
    })
    for (const { name, message, signature } of randomCases("capacity", 3)) {
      assert.strictEqual(verifyNative(message, signature), verify(message, signature), name)
    }
    assert.deepStrictEqual(fill(), { members: 1, memberTables: 1, imageTables: 0 })
  })
})

describe("where the native library throws", () => {
  it("never takes that for a verdict", () => {
    const { verify: verifyNative } = makeRingVerificationNative(throwing, { memberCapacity: 1000 })
    for (const { name, message_hex, signature_hex, expect } of allRingVectors.filter((_, index) => index % 5 === 0)) {
      const signature = decode(hex(signature_hex), 16)
      const valid = Result.isSuccess(signature) && verifyNative(hex(message_hex), signature.success)
      assert.strictEqual(valid, expect === "valid", name)
    }
  })
})

describe("the sum of points in the native library", () => {
  const { BASE, ZERO } = secp256k1.Point
  const pointsOf = (count: number, compressed: boolean) =>
    Array.from({ length: count }, (_, i) => BASE.multiply(BigInt(7 * i + 1)).toBytes(compressed))
  const { publicKeyCombine } = Result.getOrThrow(native)

  it("is that of pure code, for one point and for many, in both forms", () => {
    for (const count of [1, 2, 64]) {
      const sum = Array.from({ length: count }, (_, i) => BASE.multiply(BigInt(7 * i + 1))).reduce(
        (a, b) => a.add(b),
        ZERO
      )
      for (const compressed of [true, false]) {
        const expected = sum.toBytes(compressed)
        assert.deepStrictEqual([...publicKeyCombine(pointsOf(count, !compressed), compressed)], [...expected])
        const output = new Uint8Array(expected.length)
        publicKeyCombine(pointsOf(count, compressed), compressed, output)
        assert.deepStrictEqual(output, expected)
      }
    }
  })

  it("is refused where there is none, and where a length is not that of a point", () => {
    const opposite = [BASE.toBytes(false), BASE.negate().toBytes(false)]
    const [point = new Uint8Array()] = pointsOf(1, false)
    for (const bad of [[], opposite, [point, point.subarray(1)], [point, new Uint8Array(65)], [new Uint8Array()]]) {
      assert.throws(() => publicKeyCombine(bad, true))
    }
    for (const length of [0, 32, 33, 64, 66]) {
      assert.throws(() => publicKeyCombine([point], false, new Uint8Array(length)))
    }
  })
})

describe("where the native library is missing", () => {
  it.effect("says so once for verification and signing, and verifies in pure code", () =>
    Effect.gen(function* () {
      const lines: Array<unknown> = []
      const logger = Logger.make(({ message }) => {
        lines.push(message)
      })
      const missing = Result.fail(new NativeUnavailable({ platform: "none", cause: new Error("not built") }))
      const valid = allRingVectors[0]!
      const signature = Result.getOrThrow(decode(hex(valid.signature_hex), 16))
      yield* Effect.gen(function* () {
        const verifier = yield* RingVerifier
        for (let i = 0; i < 3; i++) assert.isTrue(yield* verifier.verify(hex(valid.message_hex), signature))
      }).pipe(
        Effect.provide(
          Layer.mergeAll(RingVerifierNative.layerWith(10, missing), SupplierKeysNative.layer([], missing)).pipe(
            Layer.provide(Logger.layer([logger]))
          )
        )
      )
      assert.strictEqual(lines.length, 1)
      assert.include(String(lines[0]), "no native secp256k1 for none")
    })
  )
})

describe("nodeSha256", () => {
  it("equals the pure one for every length around the block size", () => {
    for (let length = 0; length < 200; length++) {
      const bytes = Uint8Array.from({ length }, (_, i) => bytesOf(`${i % 7}`)[i % 32]!)
      assert.deepStrictEqual(Uint8Array.from(nodeSha256(bytes)), sha256(bytes))
    }
  })

  it("gives plain bytes, whose slices are copies", () => {
    const digest = nodeSha256(new Uint8Array(3))
    const before = Uint8Array.from(digest)
    digest.slice()[0] = (digest[0] ?? 0) ^ 0xff
    assert.deepStrictEqual(digest, before)
  })
})
