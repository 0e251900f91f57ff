import { assert, describe, it } from "@effect/vitest"
import { Duration, Result, Schema } from "effect"
import { decodeText } from "../../../adapters/config/ConfigReader.ts"
import {
  decimalNumber,
  GoBoolean,
  oneOf,
  wholeBigInt,
  wholeNumber,
  wholeSeconds
} from "../../../adapters/config/GoScalar.ts"

describe("GoScalar", () => {
  it("reads booleans in the spellings of YAML 1.1 and 1.2", () => {
    for (const text of ["true", "True", "TRUE", "yes", "on", "y", "Y", "On"]) {
      assert.deepStrictEqual(decodeText(GoBoolean, text), Result.succeed(true), text)
    }
    for (const text of ["false", "FALSE", "no", "off", "n", "No"]) {
      assert.deepStrictEqual(decodeText(GoBoolean, text), Result.succeed(false), text)
    }
    assert.deepStrictEqual(decodeText(GoBoolean, "tru"), Result.fail('expected true or false, found "tru"'))
    assert.isTrue(Result.isFailure(decodeText(GoBoolean, "1")))
  })

  it("reads whole numbers as Go's YAML library does", () => {
    const any = wholeNumber({ least: -1_000_000 })
    const cases: ReadonlyArray<readonly [string, number]> = [
      ["0", 0],
      ["42", 42],
      ["+42", 42],
      ["-42", -42],
      ["1_000_000", 1_000_000],
      ["0x10", 16],
      ["0o17", 15],
      ["017", 15],
      ["0b101", 5],
      ["5.0", 5],
      ["1e3", 1000],
      ["9007199254740991", Number.MAX_SAFE_INTEGER]
    ]
    for (const [text, expected] of cases) assert.deepStrictEqual(decodeText(any, text), Result.succeed(expected), text)
    for (const text of ["", "1.5", "ten", "1e400", "9007199254740992", "0x", "1 000", "٣", "Infinity", ".inf"]) {
      assert.isTrue(Result.isFailure(decodeText(any, text)), text)
    }
  })

  it("names range and unit in a refusal", () => {
    assert.deepStrictEqual(
      decodeText(wholeNumber({ least: 0, most: 3 }), "4"),
      Result.fail('expected a whole number from 0 to 3, found "4"')
    )
    assert.deepStrictEqual(
      decodeText(wholeSeconds(1), "0"),
      Result.fail('expected a whole number of seconds of at least 1, found "0"')
    )
    assert.deepStrictEqual(Result.map(decodeText(wholeSeconds(0), "90"), Duration.toSeconds), Result.succeed(90))
  })

  it("keeps amounts beyond 2^53 exact", () => {
    assert.deepStrictEqual(decodeText(wholeBigInt(0n), "18446744073709551615"), Result.succeed(18446744073709551615n))
    assert.isTrue(Result.isFailure(decodeText(wholeBigInt(0n), "18446744073709551616")))
    assert.isTrue(Result.isFailure(decodeText(wholeBigInt(0n), "-1")))
  })

  it("reads fractions and refuses what is no finite number", () => {
    assert.deepStrictEqual(decodeText(decimalNumber(0), "1.7"), Result.succeed(1.7))
    assert.deepStrictEqual(decodeText(decimalNumber(0), "5e-2"), Result.succeed(0.05))
    for (const text of ["-1", ".inf", ".nan", "1,5", ""])
      assert.isTrue(Result.isFailure(decodeText(decimalNumber(0), text)), text)
  })

  it("suggests the word that was meant", () => {
    const mode = oneOf(["eager", "optimistic"])
    assert.deepStrictEqual(
      decodeText(mode, "Optimistic"),
      Result.fail('expected eager or optimistic, found "Optimistic"; write optimistic')
    )
    assert.deepStrictEqual(
      decodeText(mode, "optimstic"),
      Result.fail('expected eager or optimistic, found "optimstic"; write optimistic')
    )
    assert.deepStrictEqual(decodeText(mode, "strict"), Result.fail('expected eager or optimistic, found "strict"'))
  })

  it.prop("reads every whole number it writes", { n: Schema.Int }, ({ n }) => {
    const codec = wholeNumber({ least: Number.MIN_SAFE_INTEGER })
    assert.deepStrictEqual(decodeText(codec, Schema.encodeSync(codec)(n)), Result.succeed(n === 0 ? 0 : n))
  })
})
