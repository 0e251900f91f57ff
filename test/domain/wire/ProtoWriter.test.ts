import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { sha256 } from "../../../domain/crypto/Sha256.ts"
import { encodeMessage, hashMessage, type ProtoWriter } from "../../../domain/wire/ProtoWriter.ts"
import { toHex } from "../../vectors/load.ts"
import { ascii, bytesField, join, repeated, tag, textField, varint, varintField } from "./WireBytes.ts"

const Int64 = Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: -(1n << 63n), maximum: (1n << 63n) - 1n }))

const write = (fields: (writer: ProtoWriter) => void): Uint8Array =>
  encodeMessage((writer) => fields(writer), undefined)

describe("ProtoWriter", () => {
  it("writes minimal varints, of bigints and of numbers", () => {
    const values = [
      1n,
      127n,
      128n,
      16383n,
      16384n,
      (1n << 28n) - 1n,
      1n << 28n,
      (1n << 31n) - 1n,
      1n << 31n,
      (1n << 32n) + 3n,
      (1n << 53n) - 1n,
      1n << 53n,
      (1n << 63n) - 1n,
      1n << 63n,
      (1n << 64n) - 1n
    ]
    for (const value of values) {
      assert.strictEqual(toHex(write((writer) => writer.uint(3, value))), toHex(varintField(3, value)))
      if (value < 1n << 53n)
        assert.strictEqual(toHex(write((writer) => writer.uint(3, Number(value)))), toHex(varintField(3, value)))
    }
  })

  it("writes negative integers as two's complement of 10 bytes", () => {
    for (const value of [-1n, -128n, -(1n << 40n), -(1n << 63n)]) {
      assert.strictEqual(
        toHex(write((writer) => writer.int(4, value))),
        toHex(varintField(4, BigInt.asUintN(64, value)))
      )
      assert.strictEqual(write((writer) => writer.int(4, value)).length, 11)
    }
    assert.strictEqual(toHex(write((writer) => writer.int(6, -2))), toHex(varintField(6, (1n << 64n) - 2n)))
  })

  it("writes field numbers of any width", () => {
    for (const field of [1, 15, 16, 2047, 2048, 2 ** 29 - 1]) {
      assert.strictEqual(toHex(write((writer) => writer.uint(field, 1))), toHex(varintField(field, 1)))
      assert.strictEqual(toHex(write((writer) => writer.text(field, "a"))), toHex(textField(field, "a")))
    }
  })

  it("omits zero values and writes present ones", () => {
    const omitted = write((writer) => {
      writer.uint(1, 0n)
      writer.uint(1, 0)
      writer.int(1, 0n)
      writer.bool(1, false)
      writer.double(1, 0)
      writer.text(1, "")
      writer.bytes(1, new Uint8Array(0))
    })
    assert.strictEqual(omitted.length, 0)
    const present = write((writer) => {
      writer.presentText(1, "")
      writer.presentBytes(2, new Uint8Array(0))
      writer.message(3, () => undefined, undefined)
      writer.bool(4, true)
    })
    assert.strictEqual(toHex(present), "0a0012001a002001")
    const half = new Uint8Array(8)
    new DataView(half.buffer).setFloat64(0, 0.5, true)
    assert.strictEqual(toHex(write((writer) => writer.double(8, 0.5))), toHex(join(tag(8, 1), half)))
  })

  it("writes the low 8 bits of each character", () => {
    assert.strictEqual(toHex(write((writer) => writer.text(1, "a\u00ff\u0080"))), "0a0361ff80")
  })

  it("prefixes sub-messages rightly whatever the guess, at every width of the length", () => {
    for (const size of [0, 1, 120, 127, 128, 1000, 16380, 16384, 100_000]) {
      for (const guess of [0, 127, 128, 16384, 3_000_000]) {
        const content = repeated(7, size)
        const nested = write((writer) =>
          writer.message(
            1,
            (inner) => inner.message(2, (leaf) => leaf.bytes(3, content), undefined, guess),
            undefined,
            guess
          )
        )
        const leaf = size === 0 ? new Uint8Array(0) : bytesField(3, content)
        assert.strictEqual(toHex(nested), toHex(bytesField(1, bytesField(2, leaf))))
      }
    }
  })

  it("gives results that later messages leave alone", () => {
    const first = write((writer) => writer.text(1, "first"))
    write((writer) => writer.text(1, "other"))
    assert.strictEqual(toHex(first), toHex(textField(1, "first")))
  })

  it("encodes inside an encoding", () => {
    const outer = write((writer) => {
      writer.text(1, "before")
      writer.bytes(
        2,
        write((inner) => inner.text(1, "inner"))
      )
      writer.text(3, "after")
    })
    assert.strictEqual(
      toHex(outer),
      toHex(join(textField(1, "before"), bytesField(2, textField(1, "inner")), textField(3, "after")))
    )
  })

  it("works again after a writer threw", () => {
    assert.throws(() => write(() => assert.fail("thrown inside")))
    assert.strictEqual(toHex(write((writer) => writer.text(1, "a"))), "0a0161")
  })

  it("hashes what it would have written", () => {
    const content = ascii("payload")
    const digest = hashMessage((writer, value: Uint8Array) => writer.bytes(2, value), content, sha256)
    assert.strictEqual(toHex(digest), toHex(sha256(bytesField(2, content))))
  })

  it.effect.prop("writes every integer as a minimal varint", { value: Int64 }, ({ value }) =>
    Effect.sync(() => {
      const low = BigInt.asUintN(64, value)
      assert.strictEqual(
        toHex(write((writer) => writer.int(1, value))),
        low === 0n ? "" : toHex(join(tag(1, 0), varint(low)))
      )
    })
  )
})
