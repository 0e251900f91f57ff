/** The times of a fleet fit together, whatever an operator sets. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Schema } from "effect"
import { defaultMinerSettings } from "../../../domain/mining/MinerSettings.ts"
import { fleetTimes, LEASE_TTL } from "../../../domain/supplier/FleetTimes.ts"

const seconds = (value: number) => Duration.seconds(value)
const times = (ttl: number, renewal: number, rebalance: number) =>
  fleetTimes({ ttl: seconds(ttl), renewal: seconds(renewal), rebalance: seconds(rebalance) })
const plain = (all: ReturnType<typeof fleetTimes>) =>
  Object.fromEntries(Object.entries(all).map(([name, duration]) => [name, Duration.toSeconds(duration)]))

describe("the times of a fleet", () => {
  it("are 12 s, 3 s and 2 s where nothing is set", () => {
    assert.strictEqual(Duration.toSeconds(LEASE_TTL), 12)
    const { renewEvery, orphansEvery } = defaultMinerSettings.fleet
    assert.deepStrictEqual([renewEvery, orphansEvery].map(Duration.toSeconds), [3, 2])
  })

  it("are those of a Go file, but free suppliers are looked for every 2 s", () => {
    assert.deepStrictEqual(plain(times(90, 10, 30)), {
      leaseTtl: 90,
      renewEvery: 10,
      orphansEvery: 2,
      leaseMargin: 3
    })
  })

  const whole = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 300 }))
  it.prop(
    "let one renewal fail, stop the owner in time, and find an orphan within its TTL and 3 s",
    { ttl: whole, renewal: whole, rebalance: whole },
    ({ ttl, renewal, rebalance }) => {
      const { renewEvery, orphansEvery, leaseMargin, leaseTtl } = plain(times(ttl, renewal, rebalance))
      assert.strictEqual(leaseTtl, ttl)
      // Sent at the start and after one pause and one that failed: still before the owner stops itself.
      assert.isBelow(2 * renewEvery!, ttl - leaseMargin! + 1e-6)
      assert.isAbove(leaseMargin!, 0)
      assert.isBelow(orphansEvery!, 3)
    }
  )
})
