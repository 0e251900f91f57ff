import { assert, describe, it } from "@effect/vitest"
import { networkOf, PEER_CAPACITY, PeerBudget } from "../../../domain/relay/PeerBudget.ts"

describe("the budget of a peer", () => {
  it("allows a burst, then its rate, and never saves up more than the burst", () => {
    const budget = new PeerBudget(2, 1)
    assert.deepStrictEqual(
      [0, 0, 0, 500, 1_000, 1_000].map((now) => budget.spend("192.0.2.1", now)),
      [true, true, false, false, true, false]
    )
    assert.deepStrictEqual(
      [1_000_000, 1_000_000, 1_000_000].map((now) => budget.spend("192.0.2.1", now)),
      [true, true, false]
    )
  })

  it("is that of no other peer", () => {
    const budget = new PeerBudget(1, 0)
    assert.isTrue(budget.spend("192.0.2.1", 0))
    assert.isTrue(budget.spend("192.0.2.2", 0))
    assert.isFalse(budget.spend("192.0.2.1", 0))
  })

  it("does not grow when the clock goes back", () => {
    const budget = new PeerBudget(1, 1_000)
    assert.isTrue(budget.spend("192.0.2.1", 1_000))
    assert.isFalse(budget.spend("192.0.2.1", 0))
  })

  it("is kept for a bounded number of peers", () => {
    const budget = new PeerBudget(1, 0)
    for (let i = 0; i < PEER_CAPACITY + 10; i++) budget.spend(`peer ${i}`, 0)
    assert.strictEqual(budget.size, PEER_CAPACITY)
    assert.isFalse(budget.spend(`peer ${PEER_CAPACITY}`, 0))
  })

  for (const [peer, network] of [
    ["192.0.2.1", "192.0.2.1"],
    ["::ffff:192.0.2.1", "::ffff:192.0.2.1"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
    ["2001:db8:1:2::9", "2001:db8:1:2"],
    ["2001:db8::1", "2001:db8:0:0"],
    ["::1", "0:0:0:0"],
    ["", ""]
  ] as const) {
    it(`takes "${peer}" as "${network}"`, () => {
      assert.strictEqual(networkOf(peer), network)
    })
  }
})
