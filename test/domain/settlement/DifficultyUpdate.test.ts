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

/**
 * Previous average, relays, new average: computed by Go's `math/big` with `big.Float`s of 64 bits and alpha
 * `big.NewFloat(0.1)`. The last twelve give another average if steps round half away from zero, to zero or away from it.
 */
const fromGo: ReadonlyArray<readonly [previous: bigint, relays: bigint, next: bigint]> = [
  [0n, 0n, 0n],
  [1n, 1n, 1n],
  [1000n, 990n, 998n],
  [99999n, 7n, 89999n],
  [9223372036854775808n, 9223372036854775808n, 9223372036854775808n],
  [18446744073709551615n, 18446744073709551615n, 18446744073709551615n],
  [18446744073709551615n, 0n, 16602069666338596351n],
  [0n, 18446744073709551615n, 1844674407370955263n],
  [9223372036854775809n, 9223372036854775807n, 9223372036854775809n],
  [309n, 481n, 326n],
  [558700n, 606349n, 563464n],
  [667548623546n, 209268502915n, 621720611482n],
  [1565862652634777697n, 2809792037677032284n, 1690255591139003162n],
  [3621725993387137679n, 1988769851545878909n, 3458430379203011793n],
  [151296n, 150796n, 151245n],
  [971n, 961n, 969n],
  [1222n, 1202n, 1219n],
  [27360n, 27230n, 27346n],
  [1616569458n, 1616570138n, 1616569526n],
  [3570868081119n, 3570868081119n, 3570868081119n],
  [4714729n, 4714319n, 4714688n],
  [2067161n, 2067161n, 2067161n],
  [51728n, 51298n, 51684n],
  [345026n, 344186n, 344941n],
  [4543953460616791900n, 2505720841956890862n, 4340130198750801784n],
  [27640n, 27280n, 27603n]
]

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

  for (const [previous, number, next] of fromGo) {
    it(`agrees with Go's math/big from ${previous} with ${number}`, () => {
      assert.strictEqual(nextRelaysEma(previous, number), next)
    })
  }

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
