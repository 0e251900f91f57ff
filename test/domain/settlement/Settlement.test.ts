import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { type Decimal, decimal } from "../../../domain/protocol/Decimal.ts"
import { defaultRewardSplit } from "../../../domain/protocol/TokenomicsParams.ts"
import { capClaim, costWithInflation, sessionBudget } from "../../../domain/settlement/ClaimCap.ts"
import {
  inflationUpokt,
  mintedUpokt,
  payRevenueShares,
  splitReward
} from "../../../domain/settlement/RewardDistribution.ts"
import { slashSupplier } from "../../../domain/settlement/Slashing.ts"

const rate = (text: string): Decimal => Result.getOrThrow(decimal(text))
const inflation = rate("0.1")
const amount = Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: 0n, maximum: 10n ** 15n }))

const aBudget = (fields: Partial<Parameters<typeof sessionBudget>[0]>) =>
  sessionBudget({
    stake: 1_000n,
    spendLimit: undefined,
    pendingSessions: 1n,
    claimCount: 2n,
    settlingAmounts: [],
    inflation,
    ...fields
  })

describe("claim cap", () => {
  it("divides the stake by pending sessions, then by claims, flooring each time", () => {
    assert.strictEqual(aBudget({ stake: 1_001n, pendingSessions: 2n, claimCount: 3n }).floor, 166n)
  })

  it("a spend limit counts only where it lowers the share", () => {
    assert.deepInclude(aBudget({ spendLimit: 600n }), { floor: 300n, spendLimitExceeded: true })
    for (const spendLimit of [undefined, 0n, 1_000n, 1_001n, 5_000n]) {
      assert.deepInclude(aBudget({ spendLimit }), { floor: 500n, spendLimitExceeded: false })
    }
  })

  it("pays in full what its cost with inflation leaves within the share", () => {
    const rates = { inflation, bonusMultiplier: 1n }
    // 454 + ⌈45.4⌉ = 500 is the whole share; ⌊500 / 1.1⌋ = 454.
    assert.deepStrictEqual(capClaim(aBudget({}), 454n, rates), { settledUpokt: 454n, overserviced: undefined })
    assert.deepStrictEqual(capClaim(aBudget({}), 455n, rates), {
      settledUpokt: 454n,
      overserviced: { expectedBurn: 501n, effectiveBurn: 500n }
    })
  })

  it("a bonus multiplier hands on what others left unused, in proportion to what is wanted, up to its multiple", () => {
    // Shares of 500: one claim costs 110 (390 unused), the other 1100 (600 in excess).
    const budget = aBudget({ settlingAmounts: [100n, 1_000n] })
    assert.deepStrictEqual(budget, { floor: 500n, spendLimitExceeded: false, unused: 390n, excess: 600n })
    const settled = (bonusMultiplier: bigint) => capClaim(budget, 1_000n, { inflation, bonusMultiplier }).settledUpokt
    assert.strictEqual(settled(0n), 454n)
    assert.strictEqual(settled(1n), 454n)
    assert.strictEqual(settled(2n), 809n) // ⌊(500 + 390) / 1.1⌋
    const small = aBudget({ claimCount: 10n, settlingAmounts: [0n, 0n, 0n, 0n, 0n, 0n, 0n, 0n, 0n, 1_000n] })
    assert.strictEqual(capClaim(small, 1_000n, { inflation, bonusMultiplier: 3n }).settledUpokt, 272n) // ⌊300 / 1.1⌋
    assert.strictEqual(capClaim(small, 1_000n, { inflation, bonusMultiplier: 9n }).settledUpokt, 818n) // ⌊900 / 1.1⌋
    assert.strictEqual(capClaim(small, 1_000n, { inflation, bonusMultiplier: 99n }).settledUpokt, 909n) // ⌊1000 / 1.1⌋
  })

  it.prop(
    "the application never pays more than the budget, a claim never more than was claimed",
    {
      stake: amount,
      claims: Schema.NonEmptyArray(amount),
      expiring: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3 })),
      pending: Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: 1n, maximum: 4n })),
      bonus: Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: 0n, maximum: 5n })),
      percent: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 100 }))
    },
    ({ stake, claims, expiring, pending, bonus, percent }) => {
      const rates = { inflation: rate(`${percent / 100}`), bonusMultiplier: bonus }
      const budget = sessionBudget({
        stake,
        spendLimit: undefined,
        pendingSessions: pending,
        claimCount: BigInt(claims.length + expiring),
        settlingAmounts: claims,
        inflation: rates.inflation
      })
      let paid = 0n
      for (const claimed of claims) {
        const capped = capClaim(budget, claimed, rates)
        assert.isTrue(capped.settledUpokt <= claimed)
        assert.strictEqual(capped.overserviced === undefined, capped.settledUpokt === claimed)
        paid += costWithInflation(capped.settledUpokt, rates.inflation)
      }
      assert.isTrue(paid <= stake / pending)
    }
  )
})

describe("reward distribution", () => {
  it("mints by ratio, rounded down, and inflation on top, rounded up", () => {
    assert.strictEqual(mintedUpokt(999n, rate("0.975")), 974n)
    assert.strictEqual(inflationUpokt(999n, rate("0.1")), 100n)
    assert.strictEqual(inflationUpokt(999n, rate("0")), 0n)
  })

  it("floors every part and gives the rest to the DAO", () => {
    assert.deepStrictEqual(splitReward(999n, defaultRewardSplit), {
      supplier: 699n,
      proposer: 49n,
      sourceOwner: 149n,
      application: 0n,
      dao: 102n
    })
  })

  it.prop("the parts sum to the amount", { amount }, ({ amount }) => {
    const parts = splitReward(amount, defaultRewardSplit)
    assert.strictEqual(
      Object.values(parts).reduce((sum, part) => sum + part, 0n),
      amount
    )
  })

  it("pays revenue shares in address order, the remainder to the first listed", () => {
    const shares = [
      { address: "pokt1z", percentage: 50n },
      { address: "pokt1b", percentage: 33n },
      { address: "pokt1a", percentage: 17n }
    ]
    assert.deepStrictEqual(payRevenueShares(101n, shares, "owner"), [
      { address: "pokt1a", amount: 17n },
      { address: "pokt1b", amount: 33n },
      { address: "pokt1z", amount: 51n }
    ])
  })

  it("shares that are empty, doubled or do not sum to 100 pay the owner", () => {
    const share = (address: string, percentage: bigint) => ({ address, percentage })
    for (const shares of [
      [],
      [share("a", 99n)],
      [share("a", 60n), share("b", 60n)],
      [share("a", 50n), share("a", 50n)]
    ]) {
      assert.deepStrictEqual(payRevenueShares(101n, shares, "owner"), [{ address: "owner", amount: 101n }])
    }
    assert.deepStrictEqual(payRevenueShares(0n, [share("a", 100n)], "owner"), [])
  })

  it.prop(
    "revenue shares sum to the amount",
    { amount, first: Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: 0n, maximum: 100n })) },
    ({ amount, first }) => {
      const payments = payRevenueShares(
        amount,
        [
          { address: "b", percentage: first },
          { address: "a", percentage: 100n - first }
        ],
        "owner"
      )
      assert.strictEqual(
        payments.reduce((sum, payment) => sum + payment.amount, 0n),
        amount
      )
    }
  )
})

describe("slashing", () => {
  const slash = (stake: bigint, isUnstaking = false) =>
    slashSupplier({ stake, proofMissingPenalty: 320n, minStake: 100n, isUnstaking })

  it("takes the penalty, or the stake if that is less", () => {
    assert.deepStrictEqual(slash(420n), { slashedUpokt: 320n, stakeAfter: 100n, beginsUnbonding: false })
    assert.deepStrictEqual(slash(419n), { slashedUpokt: 320n, stakeAfter: 99n, beginsUnbonding: true })
    assert.deepStrictEqual(slash(300n), { slashedUpokt: 300n, stakeAfter: 0n, beginsUnbonding: true })
    assert.deepStrictEqual(slash(0n, true), { slashedUpokt: 0n, stakeAfter: 0n, beginsUnbonding: false })
  })
})
