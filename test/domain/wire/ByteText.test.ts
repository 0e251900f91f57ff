import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { bytesToText, fromUtf8, isUtf8, textToBytes, toUtf8 } from "../../../domain/wire/ByteText.ts"

const Bytes = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 })))

const isValid = (bytes: Uint8Array): boolean => {
  try {
    new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)
    return true
  } catch {
    return false
  }
}

describe("ByteText", () => {
  it("gives every byte its own character, at every length around the thresholds", () => {
    for (const length of [0, 1, 11, 12, 64, 95, 96, 97, 4095, 4096, 4097, 9000]) {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * 7 + length) & 0xff)
      assert.strictEqual(bytesToText(bytes).length, length)
      assert.deepStrictEqual(textToBytes(bytesToText(bytes)), bytes)
      const letters = Uint8Array.from({ length }, (_, i) => 97 + (i % 26))
      assert.deepStrictEqual(textToBytes(bytesToText(letters)), letters)
    }
  })

  it("tells texts apart that share length and tail", () => {
    const text = (first: string) => bytesToText(textToBytes(first + "x".repeat(40)))
    assert.strictEqual(text("a").charAt(0), "a")
    assert.strictEqual(text("b").charAt(0), "b")
    assert.strictEqual(text("a").charAt(0), "a")
  })

  it("keeps a byte order mark", () => {
    const bytes = Uint8Array.of(0xef, 0xbb, 0xbf, 0x61)
    assert.deepStrictEqual(textToBytes(bytesToText(bytes)), bytes)
    assert.strictEqual(toUtf8(bytesToText(bytes)), "\ufeffa")
  })

  it("converts human text, and shows bytes that are not UTF-8 as replacement characters", () => {
    assert.strictEqual(toUtf8(fromUtf8("Zürich 東京 🎉")), "Zürich 東京 🎉")
    assert.strictEqual(fromUtf8("ü"), "\u00c3\u00bc")
    assert.strictEqual(fromUtf8("\ud800"), "\u00ef\u00bf\u00bd")
    assert.strictEqual(toUtf8("a\u00ffb"), "a\ufffdb")
  })

  it("judges UTF-8 as RFC 3629 does, at the edges of each range", () => {
    const edges = [
      0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef
    ]
    const leads = [...edges, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff]
    for (const a of leads) {
      for (const b of leads) {
        for (const rest of [[], [0x80], [0x80, 0xbf], [0x41], [0xbf, 0xbf, 0x41]]) {
          const bytes = Uint8Array.of(a, b, ...rest)
          assert.strictEqual(isUtf8(bytesToText(bytes)), isValid(bytes), bytes.join(" "))
        }
      }
    }
  })

  it.effect.prop("survives the round trip and agrees with the platform about UTF-8", { bytes: Bytes }, ({ bytes }) =>
    Effect.sync(() => {
      const input = Uint8Array.from(bytes)
      const text = bytesToText(input)
      assert.deepStrictEqual(textToBytes(text), input)
      assert.strictEqual(isUtf8(text), isValid(input))
      assert.strictEqual(toUtf8(text), new TextDecoder("utf-8", { ignoreBOM: true }).decode(input))
    })
  )
})
