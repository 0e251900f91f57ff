import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import {
  adjustedGas,
  feeAmount,
  formatGasPrice,
  gasLimit,
  gasPriceOf,
  InvalidGasPrice,
  parseGasPrice
} from "../../../domain/tx/TxFee.ts"
import {
  CHAIN_LIMIT,
  isPastTimeout,
  noTimeouts,
  rememberTimeout,
  remainingWindow,
  reserveTimeout,
  timeoutSpan
} from "../../../domain/tx/TxTimeout.ts"

const price = (text: string) => Result.getOrThrow(parseGasPrice(text))

describe("fee", () => {
  it("is exact where a double is not", () => {
    assert.strictEqual(feeAmount(4_333_856n, price("0.000001upokt")), 5n)
    assert.strictEqual(feeAmount(1_000_000n, price("0.000001upokt")), 1n)
    assert.strictEqual(feeAmount(1_000_001n, price("0.000001upokt")), 2n)
    assert.strictEqual(feeAmount(0n, price("1upokt")), 0n)
    assert.strictEqual(feeAmount(123n, price("0upokt")), 0n)
    assert.strictEqual(feeAmount(1n, price("0.000000000000000001upokt")), 1n)
    assert.strictEqual(feeAmount(10n ** 18n, price("0.000000000000000001upokt")), 1n)
    // 0.1 + 0.2 in doubles would give one more.
    assert.strictEqual(feeAmount(3n, price("0.1upokt")), 1n)
    assert.strictEqual(feeAmount(30n, price("0.1upokt")), 3n)
    assert.strictEqual(feeAmount(2n ** 64n - 1n, price("1upokt")), 2n ** 64n - 1n)
  })

  it.prop(
    "is the smallest amount that pays the price",
    {
      gas: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 40 })),
      scaled: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 40 }))
    },
    ({ gas, scaled }) => {
      const fee = feeAmount(BigInt(gas), { scaled: BigInt(scaled), denom: "upokt" })
      const exact = BigInt(gas) * BigInt(scaled)
      assert.isTrue(fee * 10n ** 18n >= exact && (fee - 1n) * 10n ** 18n < exact)
    }
  )

  it("reads prices of at most 18 places with a denomination", () => {
    assert.deepStrictEqual(price("0.0025upokt"), { scaled: 2_500_000_000_000_000n, denom: "upokt" })
    assert.deepStrictEqual(price(" 1upokt "), { scaled: 10n ** 18n, denom: "upokt" })
    assert.deepStrictEqual(price(".5 upokt"), { scaled: 5n * 10n ** 17n, denom: "upokt" })
    for (const text of [
      "",
      "upokt",
      "1",
      "1.",
      "1.upokt",
      "-1upokt",
      "1e3",
      "0.0000000000000000001upokt",
      "1,5upokt"
    ]) {
      const result = parseGasPrice(text)
      assert.isTrue(Result.isFailure(result), text)
      if (Result.isFailure(result)) assert.instanceOf(result.failure, InvalidGasPrice)
    }
  })

  it("writes a price as it is read, and finds the one at which gas costs a fee", () => {
    for (const text of ["0.000001upokt", "1upokt", "0upokt", "12.5upokt", "0.000000000000000001upokt"]) {
      assert.strictEqual(formatGasPrice(price(text)), text)
    }
    // 9 uPOKT for 7 units of gas: 1.285714…
    const asked = gasPriceOf(9n, 7n, "upokt")!
    assert.strictEqual(formatGasPrice(asked), "1.285714285714285714upokt")
    assert.strictEqual(feeAmount(7n, asked), 9n)
    assert.strictEqual(formatGasPrice(gasPriceOf(3n, 2_000_000n, "upokt")!), "0.0000015upokt")
    assert.strictEqual(gasPriceOf(9n, 0n, "upokt"), undefined)
  })

  it("adjusts gas as the reference does, in double, and never below what a simulation leaves out", () => {
    assert.strictEqual(adjustedGas(1_945_762n, 1.7), 3_307_795n)
    assert.strictEqual(adjustedGas(100n, 1.1), 110n)
    assert.strictEqual(adjustedGas(0n, 1.7), 0n)
    assert.strictEqual(adjustedGas(2n ** 64n - 1n, 1.7), 2n ** 64n - 1n)
    assert.strictEqual(gasLimit(1_945_762n, 1.7), 3_307_795n)
    assert.strictEqual(gasLimit(10_000n, 1.7), 35_000n)
  })
})

describe("time-out", () => {
  const second = 1_000_000_000n

  it("subtracts first, then clamps", () => {
    const spans = [
      [30n, 120n],
      [150n, 120n],
      [180n, 120n],
      [181n, 121n],
      [400n, 340n],
      [650n, 590n],
      [1200n, 590n],
      [0n, 120n],
      [-5n, 120n]
    ] as const
    for (const [window, span] of spans) assert.strictEqual(timeoutSpan(window * second), span * second)
    assert.strictEqual(timeoutSpan(undefined), 120n * second)
    assert.strictEqual(remainingWindow(40n, 37n, 60n * second), 180n * second)
    assert.strictEqual(remainingWindow(40n, 41n, second), -second)
  })

  it("follows the bounds of the configuration", () => {
    const bounds = { shortest: 30n * second, longest: 300n * second, unknown: 45n * second, margin: 20n * second }
    const spans = [
      [40n, 30n],
      [51n, 31n],
      [320n, 300n],
      [900n, 300n],
      [0n, 45n]
    ] as const
    for (const [window, span] of spans) assert.strictEqual(timeoutSpan(window * second, bounds), span * second)
    assert.strictEqual(reserveTimeout(noTimeouts, "a", 0n, undefined, bounds)[0], 45n * second)
  })

  it("is never the same twice for one signer, and independent for two", () => {
    const anchor = 1_700_000_000n * second
    const [first, one] = reserveTimeout(noTimeouts, "a", anchor, undefined)
    const [second2, two] = reserveTimeout(one, "a", anchor, undefined)
    const [other, three] = reserveTimeout(two, "b", anchor, undefined)
    assert.strictEqual(first, anchor + 120n * second)
    assert.strictEqual(second2, first + 1n)
    assert.strictEqual(other, first)
    const remembered = rememberTimeout(three, "b", first + 1n)
    assert.strictEqual(reserveTimeout(remembered, "b", anchor, undefined)[0], first + 2n)
    assert.strictEqual(noTimeouts.size, 0)
  })

  it("stays within the chain's limit for any number of transactions of one block", () => {
    const anchor = 5n * second
    let used = noTimeouts
    for (let i = 0; i < 500; i++) {
      const [timeout, next] = reserveTimeout(used, "a", anchor, 10_000n * second)
      assert.strictEqual(timeout, anchor + 590n * second + BigInt(i))
      assert.isTrue(timeout <= anchor + CHAIN_LIMIT)
      used = next
    }
    // A block later than all of them frees the record.
    const [, later] = reserveTimeout(used, "a", anchor + 700n * second, undefined)
    assert.strictEqual(later.get("a")?.size, 1)
  })

  it("passes one nanosecond after the block time that it equals", () => {
    assert.isFalse(isPastTimeout(10n, 10n))
    assert.isTrue(isPastTimeout(10n, 11n))
  })
})
