import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { sha3_512 } from "@noble/hashes/sha3.js"
import { hashToScalar, reduceDigest, significantBytes } from "../../../domain/ring/HashToScalar.ts"
import { publicKeyOf } from "../../../domain/keys/PrivateKey.ts"
import { decode, encode, type InvalidRingSignature } from "../../../domain/ring/RingSignature.ts"
import { closeRing, sign } from "../../../domain/ring/RingSigning.ts"
import { check, makeMemberPoints, verify } from "../../../domain/ring/RingVerification.ts"
import { ORDER, scalarToBytes } from "../../../domain/ring/Scalar.ts"
import { hex, toHex } from "../../vectors/load.ts"
import { allRingVectors, bytesOf, ringVectors, signWith } from "./RingSignatureCases.ts"

const BOUND = 16
const decoded = (text: string) => Result.getOrThrow(decode(hex(text), BOUND))
const refusal = (bytes: Uint8Array, bound = BOUND): InvalidRingSignature =>
  Result.getOrThrow(Result.flip(decode(bytes, bound)))

describe("golden vectors of ring signatures", () => {
  it("has all 274 cases", () => {
    assert.deepStrictEqual(
      [ringVectors.valid.length, ringVectors.fixed.length, ringVectors.variants.length],
      [50, 61, 163]
    )
  })

  it("decodes members and image, and writes the same bytes again", () => {
    for (const each of [...ringVectors.valid, ...ringVectors.fixed]) {
      const signature = decoded(each.signature_hex)
      assert.deepStrictEqual(signature.members.map(toHex), each.pubkeys_hex)
      assert.strictEqual(toHex(signature.image), each.key_image_hex)
      assert.strictEqual(toHex(encode(signature)), each.signature_hex)
    }
  })

  for (const each of ringVectors.fixed) {
    it(`makes ${each.name} byte for byte, with every challenge`, () => {
      const input = {
        message: hex(each.message_hex),
        ring: each.pubkeys_hex.map(hex),
        privateKey: hex(each.signer_private_key_hex),
        nonce: hex(each.nonce_hex),
        decoys: each.decoy_scalars_hex.map(hex)
      }
      const made = Result.getOrThrow(closeRing({ ...input, signerIndex: each.signer_index }))
      assert.strictEqual(toHex(encode(made.signature)), each.signature_hex)
      assert.deepStrictEqual(
        made.challenges.map((c) => toHex(scalarToBytes(c))),
        each.challenges_hex
      )
      const ruled = sign(input)
      if (Result.isSuccess(ruled)) assert.strictEqual(toHex(encode(ruled.success)), each.signature_hex)
      assert.strictEqual(toHex(publicKeyOf(input.privateKey)), each.pubkeys_hex[each.signer_index])
    })

    it(`meets the short challenges of ${each.name} where they are`, () => {
      const signature = decoded(each.signature_hex)
      const short: Array<number> = []
      let position = 0
      const watching = (input: Uint8Array) => {
        // Verification starts from c0 and computes c1 first, c0 last.
        position = (position + 1) % signature.members.length
        if (significantBytes(reduceDigest(sha3_512(input))) < 32) short.push(position)
        return hashToScalar(input)
      }
      assert.isTrue(verify(hex(each.message_hex), signature, { hashToScalar: watching }))
      assert.deepStrictEqual(
        short.toSorted((a, b) => a - b),
        each.short_challenges ?? []
      )
    })
  }

  it("says nothing about the signer but that it is a member", () => {
    for (const { name, signer_index, pubkeys_hex } of ringVectors.valid) {
      // Who signed cannot be computed from the signature: that is what the ring is for.
      assert.isDefined(pubkeys_hex[signer_index], name)
    }
    const byIndex = Map.groupBy(ringVectors.valid, ({ signer_index }) => signer_index)
    assert.isAbove(byIndex.size, 1)
  })

  it("tells undecodable from invalid as the reference does", () => {
    const members = makeMemberPoints(1000)
    for (const each of allRingVectors) {
      const result = Result.flatMap(decode(hex(each.signature_hex), BOUND), (signature) =>
        check(hex(each.message_hex), signature, { members })
      )
      const verdict = Result.isFailure(result) ? "undecodable" : result.success ? "valid" : "invalid"
      assert.strictEqual(verdict, each.expect === "panic" ? "undecodable" : each.expect, each.name)
    }
  })

  it("fails for 27 of the 118 valid signatures when the left-align quirk is left out", () => {
    const withoutQuirk = (input: Uint8Array) => reduceDigest(sha3_512(input))
    const members = makeMemberPoints(1000)
    const valid = allRingVectors.filter(({ expect }) => expect === "valid")
    const failed = valid.filter(
      (each) => !verify(hex(each.message_hex), decoded(each.signature_hex), { members, hashToScalar: withoutQuirk })
    )
    assert.deepStrictEqual([valid.length, failed.length], [118, 27])
  })
})

describe("decoding", () => {
  const good = hex(ringVectors.valid.find(({ pubkeys_hex }) => pubkeys_hex.length === 2)!.signature_hex)

  it("refuses every truncation by the length", () => {
    for (let length = 0; length < good.length; length++) {
      const { field, actual } = refusal(good.subarray(0, length))
      assert.deepStrictEqual([field, actual], [length < 4 ? "size" : "length", length])
    }
  })

  it("refuses an empty ring", () => {
    assert.strictEqual(refusal(hex("00000000")).reason, "empty ring")
    assert.strictEqual(refusal(Uint8Array.from([0, 0, 0, 0, ...good.subarray(4)])).reason, "empty ring")
  })

  it("refuses a huge count at once, by the bound or by the length", () => {
    const huge = Uint8Array.from([255, 255, 255, 255, ...good.subarray(4)])
    assert.deepInclude(refusal(huge), { field: "size", reason: "too many members", actual: 2 ** 32 - 1, limit: BOUND })
    assert.deepInclude(refusal(huge, 2 ** 32), { field: "length", reason: "too short", actual: good.length })
  })

  it("refuses a ring of 10 000 by its count, and takes exactly the bound", () => {
    const member = good.subarray(69, 134)
    const ringOf = (size: number) => {
      const bytes = new Uint8Array(69 + 65 * size)
      bytes.set(good.subarray(0, 69))
      new DataView(bytes.buffer).setUint32(0, size)
      for (let i = 0; i < size; i++) bytes.set(member, 69 + 65 * i)
      return bytes
    }
    assert.deepInclude(refusal(ringOf(10_000)), { reason: "too many members", actual: 10_000, limit: BOUND })
    assert.deepInclude(refusal(ringOf(BOUND + 1)), { reason: "too many members", actual: BOUND + 1 })
    const largest = Result.getOrThrow(decode(ringOf(BOUND), BOUND))
    let hashes = 0
    const members = makeMemberPoints(100)
    verify(new Uint8Array(32), largest, { members, hashToScalar: (input) => (hashes++, hashToScalar(input)) })
    assert.deepStrictEqual([hashes, members.size()], [BOUND, 1])
  })

  it("ignores trailing bytes and copies what it keeps, also out of a Buffer", () => {
    const bytes = Buffer.concat([good, Buffer.from("tail")])
    const signature = Result.getOrThrow(decode(bytes, BOUND))
    bytes.fill(0)
    assert.strictEqual(toHex(encode(signature)), toHex(good))
  })

  it("reads a view into a larger buffer", () => {
    const larger = Uint8Array.from([9, 9, 9, ...good, 9])
    assert.strictEqual(toHex(encode(Result.getOrThrow(decode(larger.subarray(3), BOUND)))), toHex(good))
  })

  it("reduces scalars from N up", () => {
    const bytes = good.slice()
    bytes.set(scalarToBytes(ORDER), 4)
    bytes.set(scalarToBytes(ORDER + 5n), 69)
    bytes.fill(255, 134, 166)
    const signature = Result.getOrThrow(decode(bytes, BOUND))
    assert.strictEqual(signature.challenge, 0n)
    assert.deepStrictEqual(signature.scalars, [5n, (1n << 256n) - 1n - ORDER])
  })
})

describe("signing", () => {
  const keys = ["a", "b", "c"].map((label) => bytesOf(`signing ${label}`))
  const ring = keys.map((key) => signWith(bytesOf("m"), [BigInt(`0x${toHex(key)}`)], 0, 3n, [0n]).signature.members[0]!)
  const input = {
    message: bytesOf("message"),
    ring,
    privateKey: keys[1]!,
    nonce: bytesOf("nonce"),
    decoys: [bytesOf("d0"), new Uint8Array(), bytesOf("d2")]
  }
  const reason = (changes: Partial<typeof input> & { signerIndex?: number }) =>
    Result.getOrThrow(Result.flip(sign({ ...input, ...changes }))).reason

  it("finds the signer's place and makes a signature that verifies over this message only", () => {
    const signature = Result.getOrThrow(sign(input))
    assert.isTrue(verify(input.message, signature))
    assert.isFalse(verify(bytesOf("other"), signature))
    assert.isFalse(verify(input.message.subarray(1), signature))
    assert.strictEqual(toHex(encode(Result.getOrThrow(sign({ ...input, signerIndex: 1 })))), toHex(encode(signature)))
  })

  it("refuses what must not be signed", () => {
    assert.strictEqual(reason({ message: new Uint8Array(31) }), "message is not 32 bytes")
    assert.strictEqual(reason({ ring: ring.slice(1, 2) }), "fewer than two members")
    assert.strictEqual(reason({ privateKey: new Uint8Array(32) }), "private key out of range")
    assert.strictEqual(reason({ privateKey: scalarToBytes(ORDER) }), "private key out of range")
    assert.strictEqual(reason({ privateKey: bytesOf("stranger") }), "signer is not a member")
    assert.strictEqual(reason({ signerIndex: 0 }), "signer is not a member")
    assert.strictEqual(reason({ signerIndex: 3 }), "signer is not a member")
    assert.strictEqual(reason({ nonce: scalarToBytes(ORDER) }), "nonce is zero")
    assert.strictEqual(reason({ decoys: [bytesOf("d0")] }), "decoy is missing or zero")
    assert.strictEqual(reason({ decoys: [new Uint8Array(32), ...input.decoys.slice(1)] }), "decoy is missing or zero")
    assert.strictEqual(
      reason({ ring: [ring[1]!, new Uint8Array(33)], decoys: [bytesOf("x"), bytesOf("y")] }),
      "member is not a point"
    )
  })
})
