/** One crash, at many steps in turn, where nothing else goes wrong. */
import { assert, describe, it } from "@effect/vitest"
import { sweep } from "./Sweep.ts"

describe("one crash", () => {
  for (const [replica, moment] of [
    ["miner-1", "before"],
    ["miner-1", "after"],
    ["relayer-1", "before"],
    ["relayer-1", "after"]
  ] as const) {
    it(`of ${replica} ${moment} every 40th step costs nothing`, () => {
      const { crashes, failures } = sweep(replica, moment, { from: moment === "before" ? 7 : 23, stride: 40 })
      assert.isAbove(crashes, 5)
      assert.deepStrictEqual(
        failures.map(({ scenario, violation }) => [scenario.faults, violation]),
        []
      )
    })
  }
})
