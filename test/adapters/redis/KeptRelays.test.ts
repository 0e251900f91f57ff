/** Kept relays stay within each of their bounds, and in order. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as Arbitrary from "effect/Arbitrary"
import { KeptRelays } from "../../../adapters/redis/KeptRelays.ts"

const aRelay = (n: number, at: number, bytes = 10) => ({ supplier: "s", fields: ["data", n], bytes, at })
const numbers = (kept: KeptRelays) => kept.all().map(({ fields }) => Number(fields[1]))

describe("KeptRelays", () => {
  it("drop the oldest beyond entries and bytes", () => {
    const kept = new KeptRelays({ ageMillis: 1_000, entries: 3, bytes: 100 })
    for (let n = 0; n < 5; n++) kept.add(aRelay(n, n), true)
    assert.deepStrictEqual(numbers(kept), [2, 3, 4])
    kept.add(aRelay(5, 5, 85), true)
    assert.deepStrictEqual(numbers(kept), [4, 5])
    assert.strictEqual(kept.bytes, 95)
    kept.add(aRelay(6, 6, 101), true)
    assert.deepStrictEqual([numbers(kept), kept.bytes], [[], 0])
  })

  it("drop what is too old, except while nothing may age", () => {
    const kept = new KeptRelays({ ageMillis: 100, entries: 10, bytes: 1_000 })
    kept.add(aRelay(0, 0), true)
    kept.add(aRelay(1, 50), true)
    kept.add(aRelay(2, 1_000), false)
    assert.deepStrictEqual(numbers(kept), [0, 1, 2])
    kept.expire(150)
    assert.deepStrictEqual(numbers(kept), [1, 2])
    kept.expire(151)
    assert.deepStrictEqual(numbers(kept), [2])
    kept.add(aRelay(3, 1_100), true)
    assert.deepStrictEqual(numbers(kept), [2, 3])
    kept.expire(5_000)
    assert.deepStrictEqual([kept.size, kept.bytes], [0, 0])
  })

  const sizes = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 40 }))
  it.effect.prop(
    "are the longest end of all that was added that fits",
    { added: Arbitrary.array(Arbitrary.schema(sizes), { maxLength: 4_000 }) },
    ({ added }) =>
      Effect.sync(() => {
        const bounds = { ageMillis: 1_000, entries: 1_500, bytes: 20_000 }
        const kept = new KeptRelays(bounds)
        for (const [n, bytes] of added.entries()) kept.add(aRelay(n, n, bytes), true)
        const expected: Array<number> = []
        let bytes = 0
        for (let n = added.length - 1; n >= 0; n--) {
          bytes += added[n] ?? 0
          if (expected.length === bounds.entries || bytes > bounds.bytes || n < added.length - 1 - bounds.ageMillis)
            break
          expected.unshift(n)
        }
        assert.deepStrictEqual(numbers(kept), expected)
      }),
    { arbitrary: { runs: 20, size: 4_000 } }
  )
})
