import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { changeComputeUnits, computeUnitsAt, createComputeUnits } from "../../../domain/protocol/ComputeUnitsHistory.ts"
import { entryAt, type HeightHistory, withEntry } from "../../../domain/protocol/HeightHistory.ts"
import {
  promoteSharedParams,
  sharedParamsAt,
  sharedParamsHistory,
  type SharedParamsHistory,
  updateSharedParams
} from "../../../domain/protocol/ParamsHistory.ts"
import { sessionParamsAt, updateSessionParams } from "../../../domain/protocol/SessionParams.ts"
import { defaultSharedParams, type SharedParams } from "../../../domain/protocol/SharedParams.ts"
import * as SessionGrid from "../../../domain/session/SessionGrid.ts"
import { someParams } from "./VectorParams.ts"

const genesis = sharedParamsHistory(defaultSharedParams)
/** One field replaced in the live record, as `MsgUpdateParam` does. */
const change = (history: SharedParamsHistory, height: bigint, fields: Partial<SharedParams>): SharedParamsHistory =>
  Result.getOrThrow(updateSharedParams(history, { params: { ...history.live, ...fields }, height }))
const int = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

describe("height history", () => {
  it.prop(
    "finds the newest entry at or below a height, whatever the order of writing",
    { heights: Schema.Array(int(1, 40)), at: int(0, 45) },
    ({ heights, at }) => {
      const history = heights.reduce<HeightHistory<number>>(
        (entries, height, index) => withEntry(entries, BigInt(height), index),
        []
      )
      const newest = Math.max(0, ...heights.filter((height) => height <= at))
      assert.strictEqual(Number(entryAt(history, BigInt(at))?.effectiveHeight ?? 0n), newest)
      assert.strictEqual(entryAt(history, BigInt(at))?.value ?? -1, newest === 0 ? -1 : heights.lastIndexOf(newest))
    }
  )
})

describe("shared params history", () => {
  it("resolves every height to the live record until the first update", () => {
    for (const height of [0n, 1n, 99n]) assert.strictEqual(sharedParamsAt(genesis, height), defaultSharedParams)
  })

  it("a longer session starts with the next session, which becomes the grid's anchor", () => {
    const updated = change(genesis, 14n, { numBlocksPerSession: 20n })
    assert.strictEqual(updated.live, defaultSharedParams)
    assert.strictEqual(sharedParamsAt(updated, 20n).numBlocksPerSession, 10n)
    const next = sharedParamsAt(updated, 21n)
    assert.deepStrictEqual(
      next,
      someParams({ numBlocksPerSession: 20n, sessionGridAnchorHeight: 21n, sessionNumberAtAnchor: 3n })
    )
    assert.strictEqual(promoteSharedParams(updated, 20n), updated)
    assert.strictEqual(promoteSharedParams(updated, 22n), updated)
    assert.strictEqual(promoteSharedParams(updated, 21n).live, next)
  })

  it("a price is live at once and applies to sessions from the next one", () => {
    const updated = change(genesis, 14n, { computeUnitsToTokensMultiplier: 1n })
    assert.strictEqual(updated.live.computeUnitsToTokensMultiplier, 1n)
    assert.strictEqual(sharedParamsAt(updated, 20n).computeUnitsToTokensMultiplier, 42_000_000n)
    assert.strictEqual(sharedParamsAt(updated, 21n).computeUnitsToTokensMultiplier, 1n)
  })

  it("the supplied anchor is ignored", () => {
    const updated = change(genesis, 14n, { sessionGridAnchorHeight: 7n, sessionNumberAtAnchor: 9n })
    assert.deepStrictEqual(updated.live, defaultSharedParams)
    assert.deepStrictEqual(sharedParamsAt(updated, 21n), defaultSharedParams)
  })

  it("a timing change followed by another update in the same session is lost", () => {
    const first = change(genesis, 14n, { claimWindowCloseOffsetBlocks: 3n })
    const second = change(first, 15n, { computeUnitsToTokensMultiplier: 1n })
    assert.strictEqual(sharedParamsAt(second, 21n).claimWindowCloseOffsetBlocks, 4n)
    assert.strictEqual(sharedParamsAt(second, 21n).computeUnitsToTokensMultiplier, 1n)
  })

  it("refuses a set that the chain refuses", () => {
    const result = updateSharedParams(genesis, { params: someParams({ numBlocksPerSession: 0n }), height: 3n })
    assert.isTrue(Result.isFailure(result) && result.failure.field === "numBlocksPerSession")
  })

  const updates = Schema.Array(
    Schema.Struct({ gap: int(0, 25), blocks: int(0, 15), grace: int(0, 3), close: int(0, 3), price: int(1, 9) })
  )
  it.prop(
    "after any updates sessions tile the heights, are numbered without gaps, and the past stays as it was",
    { updates },
    ({ updates }) => {
      let history = genesis
      let height = 0n
      const seen: Array<SharedParams> = [defaultSharedParams]
      const endBlock = () => {
        history = promoteSharedParams(history, height)
        seen[Number(height)] = sharedParamsAt(history, height)
        height++
      }
      for (const update of updates) {
        for (let blocks = 0; blocks < update.gap; blocks++) endBlock()
        const fields =
          update.blocks === 0
            ? { computeUnitsToTokensMultiplier: BigInt(update.price) }
            : {
                numBlocksPerSession: BigInt(update.blocks),
                gracePeriodEndOffsetBlocks: BigInt(Math.min(update.grace, update.blocks - 1)),
                claimWindowOpenOffsetBlocks: 3n,
                claimWindowCloseOffsetBlocks: BigInt(update.close),
                supplierUnbondingPeriodSessions: 20n,
                applicationUnbondingPeriodSessions: 20n
              }
        if (height > 0n) history = change(history, height, fields)
      }
      const last = height + 40n
      for (let blocks = 0; blocks <= 40; blocks++) endBlock()

      let start = 1n
      for (let number = 1n; start <= last; number++) {
        const end = SessionGrid.sessionEnd(sharedParamsAt(history, start), start)
        assert.isTrue(end >= start)
        for (let inside = start; inside <= end; inside++) {
          const params = sharedParamsAt(history, inside)
          assert.strictEqual(SessionGrid.sessionStart(params, inside), start)
          assert.strictEqual(SessionGrid.sessionEnd(params, inside), end)
          assert.strictEqual(SessionGrid.sessionNumber(params, inside), number)
        }
        start = end + 1n
      }
      for (let past = 1n; past <= last; past++) {
        assert.deepStrictEqual(sharedParamsAt(history, past), seen[Number(past)])
      }
      assert.deepStrictEqual(
        { ...history.live, sessionGridAnchorHeight: 0n, sessionNumberAtAnchor: 0n },
        {
          ...sharedParamsAt(history, last),
          sessionGridAnchorHeight: 0n,
          sessionNumberAtAnchor: 0n
        }
      )
    },
    { arbitrary: { runs: 60 } }
  )
})

describe("other histories", () => {
  it("session params are live at once, and for sessions from the next one", () => {
    const updated = updateSessionParams(
      { live: { numSuppliersPerSession: 15n }, entries: [] },
      { params: { numSuppliersPerSession: 3n }, height: 14n, nextSessionStart: 21n }
    )
    assert.strictEqual(updated.live.numSuppliersPerSession, 3n)
    assert.deepStrictEqual(
      // Before the block of the first update there is no entry, so the live record answers.
      [13n, 14n, 20n, 21n].map((height) => sessionParamsAt(updated, height).numSuppliersPerSession),
      [3n, 15n, 15n, 3n]
    )
  })

  it("compute units of a session are those at its start, of a service older than its history those since 1", () => {
    const changed = changeComputeUnits([], { previous: 5n, next: 8n, nextSessionStart: 21n })
    assert.deepStrictEqual(
      [1n, 20n, 21n].map((height) => computeUnitsAt(changed, height, 8n)),
      [5n, 5n, 8n]
    )
    const created = createComputeUnits(11n, 5n)
    assert.strictEqual(computeUnitsAt(created, 10n, 7n), 7n)
    assert.strictEqual(computeUnitsAt(created, 11n, 7n), 5n)
    assert.strictEqual(computeUnitsAt(createComputeUnits(11n, 0n), 11n, 7n), 7n)
    assert.strictEqual(
      computeUnitsAt(changeComputeUnits(created, { previous: 5n, next: 6n, nextSessionStart: 21n }), 10n, 6n),
      6n
    )
  })
})
