import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { addressOf, decodeAddress } from "../../../domain/keys/Address.ts"
import { encodeBech32 } from "../../../domain/keys/Bech32.ts"
import { hex, loadVectors, toHex } from "../../vectors/load.ts"

const ADDRESS = "pokt136znj8m3xz9h6qzlahyvwer7wxxmfda865hpux"

const verdict = (text: string): string => {
  const result = decodeAddress(text)
  return Result.isSuccess(result) ? toHex(result.success) : result.failure.reason
}

describe("decodeAddress", () => {
  it("takes upper case and refuses mixed case", () => {
    assert.strictEqual(verdict(ADDRESS.toUpperCase()), verdict(ADDRESS))
    assert.strictEqual(verdict(ADDRESS.replace("p", "P")), "mixed case")
  })

  it("names the first rule a text breaks", () => {
    assert.strictEqual(verdict(""), "length")
    assert.strictEqual(verdict("pokt1aa"), "length")
    assert.strictEqual(verdict(`pokt1${"q".repeat(1019)}`), "length")
    assert.strictEqual(verdict(` ${ADDRESS}`), "character")
    assert.strictEqual(verdict(ADDRESS.replace("j", "\u00e9")), "character")
    assert.strictEqual(verdict(ADDRESS.replace("j", "b")), "character")
    assert.strictEqual(verdict("poktqqqqqqqqqq"), "separator")
    assert.strictEqual(verdict("1qqqqqqqqqqq"), "separator")
    assert.strictEqual(verdict("pokt1qqqqq"), "separator")
    assert.strictEqual(verdict(`${ADDRESS.slice(0, -1)}y`), "checksum")
    assert.strictEqual(verdict(encodeBech32("cosmos", new Uint8Array(20))), "prefix")
    assert.strictEqual(verdict(encodeBech32("pokt", new Uint8Array())), "bytes")
    assert.strictEqual(verdict(encodeBech32("pokt", new Uint8Array(256))), "bytes")
  })

  it("refuses bech32m and leftover bits, which a valid checksum does not excuse", () => {
    // BIP-350's own bech32m example, then 16 bits in four characters with a set padding bit.
    assert.strictEqual(verdict("A1LQFN3A"), "checksum")
    assert.strictEqual(verdict("pokt1qqqp39edt3"), verdict("pokt1qqqp39edt3"))
  })

  it("takes 1 to 255 bytes, not only 20", () => {
    for (const length of [1, 2, 19, 20, 21, 32, 255]) {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * 37 + length) & 255)
      assert.strictEqual(verdict(encodeBech32("pokt", bytes)), toHex(bytes))
    }
  })

  it("refuses every single-character change of every vector address", () => {
    const { keys } = loadVectors<{ readonly keys: ReadonlyArray<{ address: string; pubkey_hex: string }> }>(
      "keys-signatures"
    )
    for (const { address, pubkey_hex } of keys) {
      assert.strictEqual(addressOf(hex(pubkey_hex)), address)
      for (let i = 5; i < address.length; i++) {
        const other = address.charAt(i) === "q" ? "p" : "q"
        assert.strictEqual(verdict(address.slice(0, i) + other + address.slice(i + 1)), "checksum")
      }
    }
  })

  it.prop(
    "answers with bytes that encode to the same text, or a refusal, for any text",
    { text: Schema.String },
    ({ text }) => {
      const result = decodeAddress(`pokt1${text}`)
      if (Result.isSuccess(result))
        assert.strictEqual(encodeBech32("pokt", result.success), `pokt1${text}`.toLowerCase())
    },
    { arbitrary: { runs: 300, seed: 11 } }
  )
})
