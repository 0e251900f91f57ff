import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { meterUnit } from "../../../domain/meter/MeterUnit.ts"
import { relaysCost } from "../../../domain/meter/RelayCost.ts"

const price = (computeUnitsToTokensMultiplier: bigint, computeUnitCostGranularity: bigint) => ({
  computeUnitsToTokensMultiplier,
  computeUnitCostGranularity
})
const Natural = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000 }))

describe("the unit of a meter", () => {
  it("is one relay where a relay costs a whole uPOKT or more", () => {
    assert.deepStrictEqual(meterUnit(1_000_000n, price(42_000_000n, 1_000_000n)), { upokt: 42_000_000n, relays: 1 })
    assert.deepStrictEqual(meterUnit(3n, price(1n, 2n)), { upokt: 1n, relays: 1 })
  })

  it("is one uPOKT for the relays that it pays for where a relay costs a fraction", () => {
    assert.deepStrictEqual(meterUnit(1n, price(1n, 10n)), { upokt: 1n, relays: 10 })
    assert.deepStrictEqual(meterUnit(3n, price(1n, 10n)), { upokt: 1n, relays: 3 })
    assert.deepStrictEqual(meterUnit(1n, price(1n, 10n ** 18n)), { upokt: 1n, relays: 1_000_000 })
  })

  it("is none where relays cost nothing, and takes a granularity of zero as one", () => {
    assert.isUndefined(meterUnit(0n, price(42n, 1n)))
    assert.isUndefined(meterUnit(1n, price(0n, 1n)))
    assert.deepStrictEqual(meterUnit(2n, price(3n, 0n)), { upokt: 6n, relays: 1 })
  })

  it.prop(
    "never pays for more relays than it covers",
    { units: Natural, multiplier: Natural, granularity: Natural },
    ({ granularity, multiplier, units }) => {
      const priced = price(BigInt(multiplier), BigInt(granularity))
      const unit = meterUnit(BigInt(units), priced)
      if (unit === undefined) return
      assert.isTrue(unit.upokt >= 1n && unit.relays >= 1)
      assert.isTrue(relaysCost(BigInt(unit.relays), BigInt(units), priced) <= unit.upokt)
    }
  )
})
