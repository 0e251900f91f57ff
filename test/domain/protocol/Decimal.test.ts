import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import {
  ceilTimes,
  decimal,
  decimalOfDouble,
  floorTimes,
  floorWithout,
  toDouble,
  toText
} from "../../../domain/protocol/Decimal.ts"

const parse = (text: string) => Result.getOrThrow(decimal(text))

describe("decimal", () => {
  it("reads digits, points and exponents exactly", () => {
    const texts = {
      "0.1": "0.1",
      "1.": "1",
      ".5": "0.5",
      "00.250": "0.25",
      "1e-7": "0.0000001",
      "2.5E+3": "2500",
      "0": "0"
    }
    for (const [text, expected] of Object.entries(texts)) assert.strictEqual(toText(parse(text)), expected)
    assert.strictEqual(floorTimes(10n ** 30n, parse("0.1")), 10n ** 29n)
  })

  for (const text of ["", ".", "-1", "+1", " 1", "1 ", "1e", "0x1", "NaN", "Infinity", "1e9999", "1,5"]) {
    it(`refuses "${text}"`, () => {
      assert.isTrue(Result.isFailure(decimal(text)))
    })
  }

  it("a double stands for its shortest text", () => {
    const tenth = Result.getOrThrow(decimalOfDouble(0.1))
    assert.deepStrictEqual(tenth, { numerator: 1n, denominator: 10n })
    assert.strictEqual(toText(Result.getOrThrow(decimalOfDouble(-0))), "0")
    for (const value of [-0.1, Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.isTrue(Result.isFailure(decimalOfDouble(value)))
    }
  })

  it.prop("every non-negative double survives", { value: Schema.Finite }, ({ value }) => {
    const positive = Math.abs(value)
    assert.strictEqual(toDouble(Result.getOrThrow(decimalOfDouble(positive))), positive)
  })

  it("extreme doubles survive", () => {
    for (const value of [Number.MIN_VALUE, Number.MAX_VALUE, Number.EPSILON, 0.975, 1e21]) {
      assert.strictEqual(toDouble(Result.getOrThrow(decimalOfDouble(value))), value)
    }
  })

  it("rounds products down or up, and takes inflation off", () => {
    assert.strictEqual(floorTimes(19n, parse("0.1")), 1n)
    assert.strictEqual(ceilTimes(11n, parse("0.1")), 2n)
    assert.strictEqual(ceilTimes(10n, parse("0.1")), 1n)
    assert.strictEqual(floorWithout(110n, parse("0.1")), 100n)
    assert.strictEqual(floorWithout(109n, parse("0.1")), 99n)
  })
})
