import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { consumptionLimit, isWithinLimit, relayCost, relaysCost, stakeShare } from "../../../domain/meter/RelayCost.ts"
import { decimal } from "../../../domain/protocol/Decimal.ts"
import { loadVectors } from "../../vectors/load.ts"
import { paramsOf, someParams, type VectorParams } from "../protocol/VectorParams.ts"

interface Case {
  readonly application_stake_upokt: string
  readonly num_suppliers_per_session: string
  readonly params: VectorParams
  readonly compute_units_per_relay: string
  readonly share_upokt: string
  readonly relay_cost_upokt: string
}

const amount = (maximum: bigint) => Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: 0n, maximum }))

describe("relay meter", () => {
  loadVectors<ReadonlyArray<Case>>("meter").forEach((vector, index) => {
    it(`share and cost: case ${index}`, () => {
      const params = paramsOf(vector.params)
      const stake = BigInt(vector.application_stake_upokt)
      assert.strictEqual(
        String(stakeShare(stake, BigInt(vector.num_suppliers_per_session), params)),
        vector.share_upokt
      )
      assert.strictEqual(String(relayCost(BigInt(vector.compute_units_per_relay), params)), vector.relay_cost_upokt)
    })
  })

  it("a zero divisor counts as one", () => {
    assert.strictEqual(stakeShare(1_000n, 0n, someParams({})), 500n)
    assert.strictEqual(stakeShare(1_000n, 1n, someParams({ numBlocksPerSession: 0n })), 100n)
    assert.strictEqual(relayCost(3n, someParams({ computeUnitCostGranularity: 0n })), 126_000_000n)
  })

  it("a service factor replaces the share and is taken exactly", () => {
    assert.strictEqual(consumptionLimit(1_000n, 33n, undefined), 33n)
    assert.strictEqual(consumptionLimit(10n ** 20n, 33n, Result.getOrThrow(decimal("0.1"))), 10n ** 19n)
    assert.strictEqual(consumptionLimit(19n, 33n, Result.getOrThrow(decimal("0.1"))), 1n)
    assert.strictEqual(consumptionLimit(10n, 33n, Result.getOrThrow(decimal("2.5"))), 25n)
  })

  it("a relay that uses the limit up is served, the next is not", () => {
    assert.isTrue(isWithinLimit(7n, 3n, 10n))
    assert.isFalse(isWithinLimit(8n, 3n, 10n))
  })

  it.prop(
    "many relays cost at least as much as each for itself, and less than one more uPOKT for each",
    { relays: amount(100_000n), units: amount(1_000_000n), granularity: amount(1_000_000n) },
    ({ relays, units, granularity }) => {
      const price = someParams({ computeUnitsToTokensMultiplier: 999_983n, computeUnitCostGranularity: granularity })
      const together = relaysCost(relays, units, price)
      const apart = relays * relayCost(units, price)
      assert.isTrue(apart <= together && together <= apart + relays)
    }
  )

  it.prop(
    "the shares of all suppliers over all sessions that can be pending fit the stake",
    { stake: amount(10n ** 15n), suppliers: amount(100n), blocks: amount(60n) },
    ({ stake, suppliers, blocks }) => {
      const params = someParams({ numBlocksPerSession: blocks + 1n })
      const share = stakeShare(stake, suppliers + 1n, params)
      const sessions = (9n + blocks) / (blocks + 1n) + 1n
      assert.isTrue(share * (suppliers + 1n) * sessions <= stake)
    }
  )
})
