/** Faults that are placed by what a run does: what they make of the calls around them. */
import { assert, describe, it } from "@effect/vitest"
import { ChainUnavailable } from "../../domain/ports/Blocks.ts"
import type { Fault } from "./Faults.ts"
import { Injection } from "./Injection.ts"
import { runScenario } from "./Run.ts"
import { drawScenario } from "./Scenario.ts"

const HEALED_AT = 100_000

/** Longest time of a test that runs whole runs, in milliseconds. */
const TIME_LIMIT = 300_000

const step = (replica: string, operation: string) => ({ replica, incarnation: 1, operation, args: [] })

const afterTheSecondBroadcast: Fault = {
  _tag: "Aftermath",
  at: { replica: "miner-*", operation: "ChainTx.broadcast", nth: 2 },
  replica: "miner-*",
  calls: ["ChainQuery.claims"],
  after: 1_000,
  millis: 2_000,
  effect: "none"
}

describe("Aftermath", () => {
  it("begins with the call of whichever miner, counted together, and ends", () => {
    const injection = new Injection(1, [afterTheSecondBroadcast], HEALED_AT)
    const fails = (replica: string, now: number) =>
      injection.directive(step(replica, "ChainQuery.claims"), now).failure?.error instanceof ChainUnavailable
    injection.directive(step("miner-1", "ChainTx.broadcast"), 0)
    injection.directive(step("relayer-1", "ChainTx.broadcast"), 0)
    assert.isFalse(fails("miner-1", 1_500))
    injection.directive(step("miner-2", "ChainTx.broadcast"), 5_000)
    assert.isFalse(fails("miner-1", 5_999))
    assert.isEmpty(injection.fired)
    assert.isTrue(fails("miner-1", 6_000))
    assert.isTrue(fails("miner-2", 7_999))
    assert.isFalse(fails("relayer-1", 7_000))
    assert.isFalse(fails("miner-1", 8_000))
    assert.isUndefined(injection.directive(step("miner-1", "ChainTx.find"), 7_000).failure)
    assert.deepStrictEqual([...injection.fired], [afterTheSecondBroadcast])
  })

  it("makes answers late where it says so", () => {
    const slow: Fault = { ...afterTheSecondBroadcast, late: 5_000 }
    const injection = new Injection(1, [slow], HEALED_AT)
    injection.directive(step("miner-1", "ChainTx.broadcast"), 0)
    injection.directive(step("miner-1", "ChainTx.broadcast"), 0)
    const { delayAfter, failure } = injection.directive(step("miner-1", "ChainQuery.claims"), 1_000)
    assert.strictEqual(delayAfter, 5_000)
    assert.isUndefined(failure)
  })

  it("comes with what befalls the same call", () => {
    const lost: Fault = { _tag: "Failure", at: afterTheSecondBroadcast.at, effect: "done" }
    const injection = new Injection(1, [afterTheSecondBroadcast, lost], HEALED_AT)
    assert.isUndefined(injection.directive(step("miner-1", "ChainTx.broadcast"), 0).failure)
    assert.strictEqual(injection.directive(step("miner-1", "ChainTx.broadcast"), 0).failure?.effect, "done")
    assert.isDefined(injection.directive(step("miner-1", "ChainQuery.claims"), 1_000).failure)
  })
})

describe("Unheard", () => {
  it("answers deliveries late and fails nothing", () => {
    const unheard: Fault = { _tag: "Unheard", replica: "miner-*", span: { from: 1_000, millis: 500 }, millis: 3_000 }
    const injection = new Injection(1, [unheard], HEALED_AT)
    const directive = injection.directive(step("miner-1", "SupplierStore.deliveries"), 1_200)
    assert.strictEqual(directive.delayBefore, 0)
    assert.strictEqual(directive.delayAfter, 3_000)
    assert.isUndefined(directive.failure)
    const isLate = (operation: string, now: number) =>
      (injection.directive(step("miner-1", operation), now).delayAfter ?? 0) >= 3_000
    assert.isFalse(isLate("SupplierStore.commit", 1_200))
    assert.isFalse(isLate("SupplierStore.deliveries", 999))
    assert.isFalse(isLate("SupplierStore.deliveries", 1_500))
  })
})

describe("OwnersDie", () => {
  it(
    "ends two owners of one supplier one after the other, with either lease, and nothing is missed",
    () => {
      const isOne = (fault: Fault | undefined) => fault?._tag === "OwnersDie" && fault.successors.length === 1
      const mishaps = Array.from({ length: 100 }, (_, index) => drawScenario(index + 1)).filter(
        ({ weather, faults }) => weather === "mishap" && isOne(faults[0])
      )
      for (const leaseMillis of [6_000, 12_000]) {
        const scenario = mishaps.find((mishap) => mishap.leaseMillis === leaseMillis)
        assert.isDefined(scenario)
        if (scenario === undefined) return
        const { violation, trace, ends } = runScenario(scenario)
        assert.isUndefined(violation)
        assert.strictEqual(trace.filter((line) => line.endsWith(" is gone")).length, 2)
        assert.isAbove(ends.get("Settled") ?? 0, 0)
      }
    },
    TIME_LIMIT
  )
})
