import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { BASE_TARGET, isApplicable, multiplier } from "../../../domain/relay/RelayDifficulty.ts"
import { hex, loadVectors, toHex } from "../../vectors/load.ts"

interface DifficultyCases {
  readonly applicable: ReadonlyArray<{ relay_hash_hex: string; target_hash_hex: string; applicable: boolean }>
  readonly base_target_hex: string
  readonly multipliers: ReadonlyArray<{
    target_hash_hex: string
    multiplier_numerator: string
    multiplier_denominator: string
  }>
}

const cases = loadVectors<DifficultyCases>("difficulty")
const Hash = Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: 0n, maximum: (1n << 256n) - 1n }))

const bytesOf = (value: bigint): Uint8Array => hex(value.toString(16).padStart(64, "0"))

describe("RelayDifficulty", () => {
  cases.applicable.forEach((vector, index) => {
    it(`judges as Go does, case ${index}`, () => {
      assert.strictEqual(isApplicable(hex(vector.relay_hash_hex), hex(vector.target_hash_hex)), vector.applicable)
    })
  })

  cases.multipliers.forEach((vector, index) => {
    it(`gives the exact multiplier, case ${index}`, () => {
      assert.deepStrictEqual(Result.getOrThrow(multiplier(hex(vector.target_hash_hex))), {
        numerator: BigInt(vector.multiplier_numerator),
        denominator: BigInt(vector.multiplier_denominator)
      })
    })
  })

  it("knows the base target, which the largest hash does not meet", () => {
    assert.strictEqual(toHex(BASE_TARGET), cases.base_target_hex)
    assert.isFalse(isApplicable(BASE_TARGET, BASE_TARGET))
  })

  it("orders byte strings of different length: a proper prefix is less", () => {
    assert.isTrue(isApplicable(Uint8Array.of(1), Uint8Array.of(1, 0)))
    assert.isFalse(isApplicable(Uint8Array.of(1, 0), Uint8Array.of(1)))
    assert.isFalse(isApplicable(new Uint8Array(0), new Uint8Array(0)))
  })

  it("refuses a target of zero and one that is not 32 bytes", () => {
    const problem = (target: Uint8Array) => {
      const result = multiplier(target)
      return Result.isSuccess(result) ? "ok" : result.failure.problem
    }
    assert.strictEqual(problem(new Uint8Array(32)), "is zero")
    assert.strictEqual(problem(new Uint8Array(31).fill(1)), "is not 32 bytes")
    assert.strictEqual(problem(new Uint8Array(33).fill(1)), "is not 32 bytes")
    assert.strictEqual(problem(new Uint8Array(0)), "is not 32 bytes")
  })

  it.effect.prop("is a strict order over hashes", { left: Hash, right: Hash }, ({ left, right }) =>
    Effect.sync(() => {
      assert.strictEqual(isApplicable(bytesOf(left), bytesOf(right)), left < right)
      assert.isFalse(isApplicable(bytesOf(left), bytesOf(left)))
    })
  )
})
