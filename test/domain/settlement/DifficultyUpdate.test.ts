import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { BASE_TARGET } from "../../../domain/relay/RelayDifficulty.ts"
import {
  difficultyAt,
  difficultyTarget,
  nextRelaysEma,
  noDifficulty,
  updateDifficulty
} from "../../../domain/settlement/DifficultyUpdate.ts"
import { toHex } from "../../vectors/load.ts"

const relays = Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: 0n, maximum: 2n ** 63n }))

describe("relays average", () => {
  it("moves a tenth of the way", () => {
    assert.strictEqual(nextRelaysEma(0n, 100n), 10n)
    assert.strictEqual(nextRelaysEma(1_000n, 2_005n), 1_100n)
  })

  it("loses one where 0.1 as a double lies above a tenth: 0.9 · 10 is just below 9", () => {
    assert.strictEqual(nextRelaysEma(10n, 0n), 8n)
    assert.strictEqual(nextRelaysEma(100n, 50n), 94n)
    assert.strictEqual(nextRelaysEma(50n, 100n), 55n)
  })

  it("rounds each product to 64 bits: a large constant stays, while the exact sum would too", () => {
    assert.strictEqual(nextRelaysEma(0n, 0n), 0n)
    // (1 − a) · 2⁶³ needs no more bits than 64 and a · 2⁶³ is a double: nothing is lost.
    assert.strictEqual(nextRelaysEma(2n ** 63n, 2n ** 63n), 2n ** 63n)
  })

  it.prop(
    "lies between the previous average and the new number, but for one",
    { previous: relays, number: relays },
    (p) => {
      const next = nextRelaysEma(p.previous, p.number)
      const [low, high] = p.previous < p.number ? [p.previous, p.number] : [p.number, p.previous]
      assert.isTrue(next >= low - 1n && next <= high + 1n)
    }
  )
})

describe("difficulty target", () => {
  it("is the base target until more relays come than wanted", () => {
    assert.deepStrictEqual(difficultyTarget(0n, 100n), BASE_TARGET)
    assert.deepStrictEqual(difficultyTarget(100n, 100n), BASE_TARGET)
  })

  it("halves for twice the relays", () => {
    assert.strictEqual(toHex(difficultyTarget(200n, 100n)), `7f${"ff".repeat(31)}`)
    assert.strictEqual(toHex(difficultyTarget(25_600n, 100n)), `00${"ff".repeat(31)}`)
  })

  it.prop("more relays never make it easier", { a: relays, b: relays }, ({ a, b }) => {
    const [fewer, more] = a < b ? [a, b] : [b, a]
    assert.isTrue(toHex(difficultyTarget(fewer, 1_000n)) >= toHex(difficultyTarget(more, 1_000n)))
  })
})

describe("difficulty history", () => {
  const update = { relays: 1_000n, height: 17n, nextSessionStart: 21n, targetNumRelays: 100n }

  it("starts at the base target, keeps the first average since its block and changes with the next session", () => {
    const first = updateDifficulty(noDifficulty, update)
    const start = { numRelaysEma: 1_000n, targetHash: difficultyTarget(1_000n, 100n) }
    assert.deepStrictEqual(difficultyAt(first, 16n, 100n), { numRelaysEma: 100n, targetHash: BASE_TARGET })
    assert.deepStrictEqual(difficultyAt(first, 17n, 100n), start)
    assert.deepStrictEqual(difficultyAt(first, 20n, 100n), start)
    assert.strictEqual(difficultyAt(first, 21n, 100n), first.live)
    const second = updateDifficulty(first, { ...update, relays: 2_000n, height: 27n, nextSessionStart: 31n })
    assert.strictEqual(second.entries.length, 3)
    assert.strictEqual(difficultyAt(second, 30n, 100n), first.live)
    assert.strictEqual(second.live?.numRelaysEma, nextRelaysEma(first.live!.numRelaysEma, 2_000n))
    assert.strictEqual(difficultyAt(second, 31n, 100n), second.live)
  })
})
