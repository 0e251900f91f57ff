import { assert, describe, it } from "@effect/vitest"
import { Redacted, Result } from "effect"
import * as Address from "../../../domain/keys/Address.ts"
import * as PrivateKey from "../../../domain/keys/PrivateKey.ts"
import * as SupplierSignature from "../../../domain/keys/SupplierSignature.ts"
import { hex, loadVectors, toHex } from "../../vectors/load.ts"

interface KeyCases {
  readonly keys: ReadonlyArray<{ private_key_hex: string; pubkey_hex: string; address_hex: string; address: string }>
  readonly signatures: ReadonlyArray<{
    name: string
    private_key_hex: string
    pubkey_hex: string
    message_hex: string
    signature_hex: string
    expect: string
  }>
  readonly variants: ReadonlyArray<{
    name: string
    pubkey_hex: string
    message_hex: string
    signature_hex: string
    expect: string
  }>
}

const cases = loadVectors<KeyCases>("keys-signatures")
const ORDER_HEX = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"

const reasonFor = (text: string): string | undefined => {
  const result = PrivateKey.parsePrivateKey(text)
  return Result.isFailure(result) ? result.failure.reason : undefined
}

describe("golden vectors of keys and signatures", () => {
  it("derives every public key and address", () => {
    assert.strictEqual(cases.keys.length, 40)
    for (const each of cases.keys) {
      const key = Redacted.value(Result.getOrThrow(PrivateKey.parsePrivateKey(each.private_key_hex)))
      const publicKey = PrivateKey.publicKeyOf(key)
      assert.strictEqual(toHex(publicKey), each.pubkey_hex)
      assert.strictEqual(toHex(Address.addressBytesOf(publicKey)), each.address_hex)
      assert.strictEqual(Address.addressOf(publicKey), each.address)
      assert.strictEqual(toHex(Result.getOrThrow(Address.decodeAddress(each.address))), each.address_hex)
    }
  })

  for (const each of cases.signatures) {
    it(`signs and verifies ${each.name}`, () => {
      const signature = SupplierSignature.sign(hex(each.private_key_hex), hex(each.message_hex))
      assert.strictEqual(toHex(signature), each.signature_hex)
      assert.strictEqual(
        SupplierSignature.verify(hex(each.pubkey_hex), hex(each.message_hex), signature),
        each.expect === "valid"
      )
    })
  }

  for (const each of cases.variants) {
    it(`gives the chain's verdict on ${each.name}`, () => {
      assert.strictEqual(
        SupplierSignature.verify(hex(each.pubkey_hex), hex(each.message_hex), hex(each.signature_hex)),
        each.expect === "valid"
      )
    })
  }
})

describe("parsePrivateKey", () => {
  const digits = cases.keys[0]!.private_key_hex

  it("takes upper case, one leading 0x and white space around the digits", () => {
    for (const text of [digits.toUpperCase(), `0x${digits}`, `0x ${digits}\n`, `\t${digits}\r\n`]) {
      assert.strictEqual(toHex(Redacted.value(Result.getOrThrow(PrivateKey.parsePrivateKey(text)))), digits)
    }
  })

  it("refuses what is not 64 digits", () => {
    assert.strictEqual(reasonFor(""), "length")
    assert.strictEqual(reasonFor(digits.slice(1)), "length")
    assert.strictEqual(reasonFor(`${digits}0`), "length")
    assert.strictEqual(reasonFor(`0X${digits}`), "length")
    assert.strictEqual(reasonFor(` 0x${digits}`), "length")
    assert.strictEqual(reasonFor(`0x${digits.slice(2)}0x`), "digit")
    assert.strictEqual(reasonFor(`g${digits.slice(1)}`), "digit")
  })

  it("refuses zero, the group order and everything above instead of acting as another key", () => {
    assert.strictEqual(reasonFor("0".repeat(64)), "zero")
    assert.strictEqual(reasonFor(ORDER_HEX), "not below the group order")
    assert.strictEqual(reasonFor("f".repeat(64)), "not below the group order")
    assert.strictEqual(reasonFor(`${ORDER_HEX.slice(0, -1)}0`), undefined)
  })

  it("shows no digit of the key in an error or in the value", () => {
    const failure = Result.getOrThrow(Result.flip(PrivateKey.parsePrivateKey(`g${digits.slice(1)}`)))
    assert.notInclude(JSON.stringify(failure) + failure.message + String(failure.stack), digits.slice(1, 9))
    assert.notInclude(JSON.stringify(Result.getOrThrow(PrivateKey.parsePrivateKey(digits))), digits.slice(0, 8))
  })
})

describe("supplier signatures", () => {
  it("are not verified under a key of another length or off the curve", () => {
    const { pubkey_hex, message_hex, signature_hex } = cases.signatures[0]!
    const verify = (key: Uint8Array) => SupplierSignature.verify(key, hex(message_hex), hex(signature_hex))
    assert.isTrue(verify(hex(pubkey_hex)))
    assert.isFalse(verify(hex(`${pubkey_hex}00`)))
    assert.isFalse(verify(new Uint8Array()))
    assert.isFalse(verify(hex(`02${"0".repeat(64)}`)))
    assert.isFalse(verify(hex(`05${pubkey_hex.slice(2)}`)))
    assert.isFalse(verify(hex(`02${"f".repeat(64)}`)))
  })
})
