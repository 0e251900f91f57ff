/** Fair shares as plans: what one replica takes and hands over. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { SupplierAddress } from "../../../domain/protocol/Identifiers.ts"
import { type FleetView, planFleet } from "../../../domain/supplier/FairShare.ts"

const names = (count: number) => Array.from({ length: count }, (_, index) => SupplierAddress.make(`pokt${index}`))

const aView = (change: Partial<FleetView> = {}): FleetView => ({
  replica: "a",
  replicas: ["a"],
  keys: names(4),
  owned: [],
  resting: new Set(),
  adopted: new Set(),
  isSettled: false,
  round: 0,
  ...change
})

describe("the plan of a fleet", () => {
  it("takes everything when alone", () => {
    assert.deepInclude(planFleet(aView()), { share: 4, wanted: 4, release: [], isAdoption: false })
  })

  it("counts itself although it is not listed", () => {
    assert.strictEqual(planFleet(aView({ replicas: ["b"] })).share, 2)
  })

  it("hands the newest over when another replica appears", () => {
    const plan = planFleet(aView({ replicas: ["a", "b"], owned: names(4) }))
    assert.deepStrictEqual(plan.release, names(4).slice(2))
    assert.strictEqual(plan.wanted, 0)
  })

  it("gives up suppliers whose keys are gone, whatever its share", () => {
    assert.deepStrictEqual(planFleet(aView({ keys: names(1), owned: names(2) })).release, names(2).slice(1))
  })

  it("keeps what it adopted", () => {
    const plan = planFleet(aView({ replicas: ["a", "b"], owned: names(4), adopted: new Set(names(4)) }))
    assert.deepStrictEqual(plan.release, [])
  })

  it("adopts one free supplier at a time once the replicas are settled", () => {
    const plan = planFleet(aView({ replicas: ["a", "b"], owned: names(2), isSettled: true }))
    assert.deepInclude(plan, { wanted: 1, isAdoption: true })
    assert.sameMembers([...plan.candidates], names(4).slice(2))
  })

  it("does not take what rests", () => {
    assert.deepStrictEqual(planFleet(aView({ resting: new Set(names(4)) })).candidates, [])
  })

  const count = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 40 }))
  it.prop(
    "shares cover all suppliers and no replica starts where another does",
    { suppliers: count, replicas: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 8 })) },
    ({ suppliers, replicas }) => {
      const all = Array.from({ length: replicas }, (_, index) => `r${index}`)
      const plans = all.map((replica) => planFleet(aView({ replica, replicas: all, keys: names(suppliers) })))
      assert.isAtLeast(
        plans.reduce((sum, { share }) => sum + share, 0),
        suppliers
      )
      if (suppliers >= replicas) assert.lengthOf(new Set(plans.map(({ candidates }) => candidates[0])), replicas)
    }
  )
})
