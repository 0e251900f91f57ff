import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { textToBytes } from "../../../domain/wire/ByteText.ts"
import { ascii, bytesField, join, repeated, tag, textField, varint, varintField } from "./WireBytes.ts"
import { accepted, decode, empty, refusal } from "./WireSample.ts"

const startGroup = (field: number) => tag(field, 3)
const endGroup = (field: number) => tag(field, 4)

describe("verdicts of gogoproto", () => {
  it("accepts fields out of order", () => {
    const sample = accepted(join(varintField(4, 7), bytesField(2, ascii("b")), textField(1, "a")))
    assert.deepStrictEqual([sample.signed, sample.bytes, sample.text], [7n, ascii("b"), "a"])
  })

  it("drops unknown fields at any depth", () => {
    const unknown = join(
      varintField(99, 5),
      bytesField(98, ascii("zz")),
      tag(97, 1),
      repeated(1, 8),
      tag(96, 5),
      repeated(1, 4)
    )
    const sample = accepted(
      join(unknown, bytesField(9, join(unknown, textField(1, "in"), unknown)), textField(1, "out"))
    )
    assert.deepStrictEqual(sample, { ...empty(), text: "out", part: { name: "in", size: 0n } })
  })

  it("takes the last of a repeated scalar, text or bytes", () => {
    const sample = accepted(
      join(
        textField(1, "a"),
        bytesField(2, ascii("a")),
        varintField(3, 1),
        textField(1, "b"),
        bytesField(2, ascii("b")),
        varintField(3, 2)
      )
    )
    assert.deepStrictEqual([sample.text, sample.bytes, sample.unsigned], ["b", ascii("b"), 2n])
  })

  it("merges a repeated sub-message field by field", () => {
    const sample = accepted(
      join(bytesField(9, textField(1, "a")), bytesField(9, varintField(2, 3)), bytesField(9, new Uint8Array(0)))
    )
    assert.deepStrictEqual(sample.part, { name: "a", size: 3n })
  })

  it("tells a present empty sub-message from an absent one", () => {
    assert.isUndefined(accepted(textField(1, "a")).part)
    assert.deepStrictEqual(accepted(bytesField(9, new Uint8Array(0))).part, { name: "", size: 0n })
  })

  it("accepts explicit empty texts and bytes", () => {
    const sample = accepted(
      join(textField(1, "a"), bytesField(2, ascii("a")), textField(1, ""), bytesField(2, new Uint8Array(0)))
    )
    assert.deepStrictEqual([sample.text, sample.bytes.length], ["", 0])
  })

  it("accepts overlong varints of up to 10 bytes as length, tag and value", () => {
    for (let width = 1; width <= 10; width++) {
      const sample = accepted(
        join(tag(1, 2, width), varint(3, width), ascii("abc"), tag(3, 0, width), varint(300, width))
      )
      assert.deepStrictEqual([sample.text, sample.unsigned], ["abc", 300n])
    }
  })

  it("refuses an 11th varint byte as length, tag and value", () => {
    assert.strictEqual(refusal(join(tag(1, 2, 11), varint(1), ascii("a"))), ": varint too long")
    assert.strictEqual(refusal(join(tag(1, 2), varint(1, 11), ascii("a"))), "text: varint too long")
    assert.strictEqual(refusal(join(tag(3, 0), varint(1, 11))), "unsigned: varint too long")
    assert.strictEqual(refusal(join(tag(99, 0), varint(1, 11))), "#99: varint too long")
    assert.strictEqual(refusal(join(tag(99, 2), varint(1, 11), ascii("a"))), "#99: varint too long")
  })

  it("drops bits 64 and up", () => {
    assert.strictEqual(accepted(join(tag(3, 0), varint((1n << 69n) + (1n << 64n) + 5n))).unsigned, 5n)
    assert.strictEqual(accepted(join(tag(3, 0), repeated(0xff, 9), Uint8Array.of(0x7f))).unsigned, (1n << 64n) - 1n)
    assert.strictEqual(accepted(join(tag(1, 2), varint((1n << 64n) + 1n), ascii("a"))).text, "a")
  })

  it("reads 64-bit integers exactly, negative ones too", () => {
    const values = [
      0n,
      1n,
      127n,
      128n,
      (1n << 28n) - 1n,
      1n << 28n,
      (1n << 32n) - 1n,
      1n << 32n,
      (1n << 35n) + 9n,
      (1n << 53n) + 1n,
      (1n << 63n) - 1n,
      1n << 63n,
      (1n << 64n) - 1n
    ]
    for (const value of values) {
      const sample = accepted(join(varintField(3, value), varintField(4, value)))
      assert.strictEqual(sample.unsigned, value)
      assert.strictEqual(sample.signed, BigInt.asIntN(64, value))
    }
  })

  it("keeps the low 32 bits of a uint32 and of an int32", () => {
    const sample = accepted(join(varintField(5, (7n << 32n) + 0xfffffffen), varintField(6, (7n << 32n) + 0xfffffffen)))
    assert.deepStrictEqual([sample.code, sample.enumeration], [0xfffffffe, -2])
  })

  it("reads a bool from any bit", () => {
    assert.isTrue(accepted(varintField(7, 1n << 40n)).flag)
    assert.isFalse(accepted(join(varintField(7, 1), varintField(7, 0))).flag)
  })

  it("reads a double", () => {
    const bytes = new Uint8Array(8)
    new DataView(bytes.buffer).setFloat64(0, 0.25, true)
    assert.strictEqual(accepted(join(tag(8, 1), bytes)).ratio, 0.25)
    assert.strictEqual(refusal(join(tag(8, 1), bytes.slice(1))), "ratio: truncated")
  })

  it("keeps the bytes of a text that is not UTF-8", () => {
    const bytes = Uint8Array.of(0x61, 0xff, 0xc0, 0x80)
    assert.deepStrictEqual(textToBytes(accepted(bytesField(1, bytes)).text), bytes)
  })

  it("refuses a known field with a wrong wire type, a group or packed numbers included", () => {
    assert.strictEqual(refusal(varintField(1, 1)), "text: wrong wire type")
    assert.strictEqual(refusal(join(tag(1, 1), repeated(0, 8))), "text: wrong wire type")
    assert.strictEqual(refusal(join(startGroup(1), endGroup(1))), "text: wrong wire type")
    assert.strictEqual(refusal(join(startGroup(9), endGroup(9))), "part: wrong wire type")
    assert.strictEqual(refusal(bytesField(3, Uint8Array.of(1, 2))), "unsigned: wrong wire type")
    assert.strictEqual(refusal(join(tag(3, 5), repeated(0, 4))), "unsigned: wrong wire type")
    assert.strictEqual(refusal(bytesField(9, bytesField(2, Uint8Array.of(1)))), "part.size: wrong wire type")
  })

  it("refuses truncated input and a length beyond the input", () => {
    assert.strictEqual(refusal(Uint8Array.of(0x0a)), "text: truncated")
    assert.strictEqual(refusal(Uint8Array.of(0x80)), ": truncated")
    assert.strictEqual(refusal(join(tag(3, 0), Uint8Array.of(0x80))), "unsigned: truncated")
    assert.strictEqual(refusal(join(tag(1, 2), varint(2), ascii("a"))), "text: length beyond the input")
    assert.strictEqual(refusal(join(tag(99, 2), varint(2), ascii("a"))), "#99: length beyond the input")
    assert.strictEqual(refusal(join(tag(99, 1), repeated(0, 7))), "#99: truncated")
    assert.strictEqual(refusal(join(tag(99, 5), repeated(0, 3))), "#99: truncated")
    assert.strictEqual(refusal(join(tag(1, 2), varint((1n << 63n) - 1n), ascii("a"))), "text: length beyond the input")
  })

  it("refuses a length inside a sub-message that reaches beyond it", () => {
    assert.strictEqual(
      refusal(join(bytesField(9, join(tag(1, 2), varint(5), ascii("ab"))), ascii("cdefgh"))),
      "part.name: length beyond the input"
    )
  })

  it("refuses a negative length", () => {
    assert.strictEqual(refusal(join(tag(1, 2), varint(1n << 63n))), "text: negative length")
    assert.strictEqual(refusal(join(tag(99, 2), varint((1n << 64n) - 1n))), "#99: negative length")
    assert.strictEqual(refusal(bytesField(9, join(tag(1, 2), varint((1n << 64n) - 1n)))), "part.name: negative length")
  })

  it("cuts field numbers to 32 bits and refuses 0 and negative ones", () => {
    assert.strictEqual(accepted(join(tag((1n << 32n) + 1n, 2), varint(1), ascii("a"))).text, "a")
    assert.strictEqual(refusal(varintField(0, 1)), ": invalid field number")
    assert.strictEqual(refusal(join(tag(1n << 31n, 0), varint(1))), ": invalid field number")
    assert.strictEqual(refusal(join(tag(1n << 32n, 0), varint(1))), ": invalid field number")
    assert.deepStrictEqual(accepted(join(tag((1n << 31n) - 1n, 0), varint(1))), empty())
    assert.deepStrictEqual(accepted(join(tag(1n << 29n, 0), varint(1))), empty())
    assert.strictEqual(refusal(bytesField(9, varintField(0, 1))), "part: invalid field number")
  })

  it("refuses an end group outside a group and wire types 6 and 7", () => {
    assert.strictEqual(refusal(endGroup(1)), "#1: unexpected end of group")
    assert.strictEqual(refusal(endGroup(99)), "#99: unexpected end of group")
    assert.strictEqual(refusal(tag(99, 6)), "#99: unknown wire type")
    assert.strictEqual(refusal(tag(1, 7)), "#1: unknown wire type")
    assert.strictEqual(refusal(join(startGroup(99), tag(5, 6), endGroup(99))), "#99: unknown wire type")
  })

  it("skips an unknown group by counting starts and ends, whatever their numbers", () => {
    const inside = join(
      varintField(0, 5),
      textField(0, "x"),
      startGroup(7),
      tag(3, 5),
      repeated(1, 4),
      endGroup(8),
      tag(0, 1),
      repeated(1, 8)
    )
    assert.strictEqual(accepted(join(startGroup(99), inside, endGroup(0), textField(1, "a"))).text, "a")
  })

  it("refuses an unclosed group", () => {
    assert.strictEqual(refusal(startGroup(99)), "#99: group not closed")
    assert.strictEqual(refusal(join(startGroup(99), startGroup(98), endGroup(98))), "#99: group not closed")
    assert.strictEqual(refusal(join(bytesField(9, startGroup(99)), endGroup(99))), "part.#99: group not closed")
  })

  it("accepts empty input as an empty message", () => {
    assert.deepStrictEqual(accepted(new Uint8Array(0)), empty())
  })

  it("refuses JSON text", () => {
    assert.isTrue(Result.isFailure(decode(ascii('{"meta":{}}'))))
  })
})

describe("verdicts of google.golang.org/protobuf where they differ", () => {
  it("refuses a text that is not UTF-8, even if a later one replaces it", () => {
    assert.strictEqual(
      refusal(join(bytesField(1, Uint8Array.of(0xff)), textField(1, "a")), "google"),
      "text: not UTF-8"
    )
    assert.strictEqual(accepted(bytesField(1, Uint8Array.of(0xc3, 0xbc)), "google").text, "\u00c3\u00bc")
    assert.strictEqual(accepted(bytesField(99, Uint8Array.of(0xff)), "google").text, "")
  })

  it("skips a known field with a wrong wire type and keeps the value before it", () => {
    const wrong = join(
      varintField(1, 1),
      startGroup(1),
      varintField(3, 1),
      endGroup(1),
      bytesField(3, ascii("xyz")),
      tag(1, 5),
      repeated(0, 4)
    )
    const sample = accepted(join(textField(1, "a"), varintField(3, 4), wrong), "google")
    assert.deepStrictEqual([sample.text, sample.unsigned], ["a", 4n])
  })

  it("takes field numbers 1 to 2^29 - 1, inside a group to 2^31 - 1", () => {
    assert.deepStrictEqual(accepted(varintField(2 ** 29 - 1, 1), "google"), empty())
    assert.strictEqual(refusal(varintField(2 ** 29, 1), "google"), ": invalid field number")
    assert.strictEqual(refusal(join(tag((1n << 32n) + 1n, 0), varint(1)), "google"), ": invalid field number")
    assert.strictEqual(refusal(join(tag((1n << 61n) - 1n, 0), varint(1)), "google"), ": invalid field number")
    assert.strictEqual(refusal(varintField(0, 1), "google"), ": invalid field number")
    assert.deepStrictEqual(accepted(join(startGroup(9), varintField(2 ** 31 - 1, 1), endGroup(9)), "google"), empty())
    assert.strictEqual(
      refusal(join(startGroup(99), varintField(2 ** 31, 1), endGroup(99)), "google"),
      "#99: invalid field number"
    )
    assert.strictEqual(
      refusal(join(startGroup(99), varintField(0, 1), endGroup(99)), "google"),
      "#99: invalid field number"
    )
    assert.strictEqual(
      refusal(join(startGroup(99), tag((1n << 61n) - 1n, 0), varint(1), endGroup(99)), "google"),
      "#99: invalid field number"
    )
  })

  it("takes a tenth varint byte of at most 1", () => {
    const nine = repeated(0xff, 9)
    assert.strictEqual(accepted(join(tag(3, 0), nine, Uint8Array.of(1)), "google").unsigned, (1n << 64n) - 1n)
    assert.strictEqual(refusal(join(tag(3, 0), nine, Uint8Array.of(2)), "google"), "unsigned: varint too long")
    assert.strictEqual(refusal(join(tag(99, 0), nine, Uint8Array.of(0x81, 0)), "google"), "#99: varint too long")
  })

  it("wants the number of a group's end to match", () => {
    assert.deepStrictEqual(accepted(join(startGroup(99), startGroup(5), endGroup(5), endGroup(99)), "google"), empty())
    assert.strictEqual(refusal(join(startGroup(99), endGroup(98)), "google"), "#99: unexpected end of group")
    assert.strictEqual(
      refusal(join(startGroup(99), startGroup(5), endGroup(99)), "google"),
      "#99: unexpected end of group"
    )
    assert.strictEqual(refusal(join(startGroup(99), startGroup(5), endGroup(5)), "google"), "#99: group not closed")
    assert.strictEqual(refusal(join(startGroup(99), tag(1, 7), endGroup(99)), "google"), "#99: unknown wire type")
  })

  it("bounds the depth of groups as protobuf-go does", () => {
    const nested = (depth: number) =>
      join(...Array.from({ length: depth }, () => startGroup(99)), ...Array.from({ length: depth }, () => endGroup(99)))
    assert.deepStrictEqual(accepted(nested(10001), "google"), empty())
    assert.strictEqual(refusal(nested(10002), "google"), "#99: groups nested too deeply")
  })
})

describe("ProtoReader", () => {
  it("gives views that end where the field ends, never a Node Buffer", () => {
    const input = Buffer.from(join(bytesField(2, ascii("abc")), textField(1, "tail")))
    const { bytes } = accepted(input)
    assert.strictEqual(Object.getPrototypeOf(bytes), Uint8Array.prototype)
    assert.deepStrictEqual(bytes, ascii("abc"))
  })

  it("stays at the first failure", () => {
    assert.strictEqual(refusal(join(bytesField(9, varintField(1, 1)), tag(1, 7))), "part.name: wrong wire type")
  })
})
