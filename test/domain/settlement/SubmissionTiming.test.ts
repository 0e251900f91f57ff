/** When sessions are sealed and messages are sent, for windows of every width. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { canLandInWindow, type HeightRange } from "../../../domain/session/SessionWindow.ts"
import { firstSeal, latestSeal, sealWait, sendMode } from "../../../domain/settlement/SubmissionTiming.ts"

const windowOf = (blocks: number): HeightRange => ({ opens: 20n, closes: 20n + BigInt(blocks - 1) })

describe("sealing", () => {
  it("may wait until two blocks before the window closes", () => {
    assert.strictEqual(latestSeal(windowOf(5)), 22n)
    assert.strictEqual(latestSeal(windowOf(4)), 21n)
  })

  it("happens at the first height of a window of two or three blocks, before one of one block", () => {
    assert.strictEqual(latestSeal(windowOf(3)), 20n)
    assert.strictEqual(latestSeal(windowOf(2)), 20n)
    assert.strictEqual(latestSeal(windowOf(1)), 19n)
    assert.strictEqual(firstSeal(windowOf(1)), 19n)
  })

  it("waits for the log, then no more", () => {
    assert.deepStrictEqual(
      [19n, 20n, 21n, 22n, 23n].map((height) => sealWait(windowOf(5), height)),
      ["not_due", "log", "log", "nothing", "nothing"]
    )
  })

  it("waits within the block where there is only one to wait in", () => {
    assert.deepStrictEqual(
      [19n, 20n, 21n].map((height) => sealWait(windowOf(3), height)),
      ["not_due", "briefly", "nothing"]
    )
    assert.strictEqual(sealWait(windowOf(1), 19n), "briefly")
  })

  it.prop(
    "leaves a height at which the claim can still be sent",
    { blocks: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 30 })) },
    ({ blocks }) => {
      const window = windowOf(blocks)
      assert.isTrue(firstSeal(window) <= latestSeal(window))
      assert.isTrue(canLandInWindow(window, latestSeal(window)))
    }
  )
})

describe("sending", () => {
  it("waits until a simulation would pass, and stops when nothing can land any more", () => {
    assert.deepStrictEqual(
      [18n, 19n, 20n, 21n, 22n, 23n].map((height) => sendMode(windowOf(3), height, false)),
      ["early", "early", "simulated", "simulated", "closed", "closed"]
    )
  })

  it("uses the block before the window where gas is fixed", () => {
    assert.deepStrictEqual(
      [18n, 19n, 20n, 21n, 22n].map((height) => sendMode(windowOf(3), height, true)),
      ["early", "blind", "blind", "blind", "closed"]
    )
  })

  it("sends blindly into a window of one block", () => {
    assert.deepStrictEqual(
      [18n, 19n, 20n].map((height) => sendMode(windowOf(1), height, false)),
      ["early", "blind", "closed"]
    )
  })
})
