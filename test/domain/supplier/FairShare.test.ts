/** Fair shares as plans: what one replica takes and hands over. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { SupplierAddress } from "../../../domain/protocol/Identifiers.ts"
import { type FleetView, planFleet, TRIES_PER_ROUND } from "../../../domain/supplier/FairShare.ts"

const names = (count: number) => Array.from({ length: count }, (_, index) => SupplierAddress.make(`pokt${index}`))

const aView = (change: Partial<FleetView> = {}): FleetView => ({
  replica: "a",
  replicas: ["a"],
  keys: names(4),
  owned: [],
  resting: new Set(),
  adopted: new Set(),
  isSettled: false,
  released: new Set(),
  isEager: false,
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
    const [first, second, third] = names(4)
    const mixed = planFleet(
      aView({ replicas: ["a", "b"], owned: [first!, second!, third!], adopted: new Set([third!]), isSettled: true })
    )
    assert.deepStrictEqual(mixed.release, [])
  })

  it("adopts a few free suppliers at a time once the replicas are settled", () => {
    const plan = planFleet(aView({ replicas: ["a", "b"], keys: names(40), owned: names(20), isSettled: true }))
    assert.isTrue(plan.isAdoption)
    assert.isAbove(plan.wanted, 0)
    assert.isBelow(plan.wanted, 20)
    assert.sameMembers([...plan.candidates], names(40).slice(20))
  })

  it("tries what others gave up first, all while much may be free, and else a part in each round", () => {
    const keys = names(100)
    const released = new Set([keys[70]!, keys[20]!])
    const quiet = planFleet(aView({ replicas: ["a", "b"], keys, released }))
    assert.deepStrictEqual(quiet.candidates.slice(0, 2), [keys[20]!, keys[70]!])
    assert.lengthOf(quiet.candidates, 2 + TRIES_PER_ROUND)
    const eager = planFleet(aView({ replicas: ["a", "b"], keys, released, isEager: true }))
    assert.sameMembers([...eager.candidates], keys)
    assert.lengthOf(eager.candidates, 100)
  })

  it("tries everything within a few quiet rounds", () => {
    const keys = names(100)
    const tried = [0, 1, 2, 3].flatMap((round) => planFleet(aView({ replicas: ["a", "b"], keys, round })).candidates)
    assert.lengthOf(new Set(tried), 100)
  })

  it("moves nothing that the share does not need moved, whoever comes and goes", () => {
    const keys = names(12)
    const owned = keys.slice(0, 4)
    for (const replicas of [["a", "b", "c"], ["a", "b"], ["a"], ["a", "c", "x"]]) {
      assert.deepStrictEqual(planFleet(aView({ replicas, keys, owned })).release, [], replicas.join())
    }
    assert.deepStrictEqual(planFleet(aView({ replicas: ["a", "b", "c", "d"], keys, owned })).release, [keys[3]!])
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
