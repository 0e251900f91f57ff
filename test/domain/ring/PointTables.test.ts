import { assert, describe, it } from "@effect/vitest"
import { makePointTables, type PointTableLimits } from "../../../domain/ring/PointTables.ts"

const point = (byte: number) => Uint8Array.of(2, byte)

/** Tables that take `steps` valid signatures to build and are their point's last byte. */
const tablesOf = (limits: PointTableLimits, steps = 1) => {
  const built: Array<number> = []
  const tables = makePointTables(limits, function* (key: Uint8Array) {
    for (let step = 1; step < steps; step++) yield
    built.push(key[1]!)
    return key[1]!
  })
  const pass = (...bytes: ReadonlyArray<number>) => tables.passed(bytes.map(point))
  return { tables, built, pass }
}

describe("PointTables", () => {
  it("builds for a point only after it has passed often enough, one step for each pass", () => {
    const { tables, built, pass } = tablesOf({ capacity: 4, promoteAfter: 3, idlePasses: 10 }, 2)
    pass(1)
    pass(1)
    assert.strictEqual(tables.size(), 0)
    pass(1)
    assert.deepStrictEqual([tables.size(), tables.get(point(1)), built], [1, undefined, []])
    pass(2)
    assert.deepStrictEqual([tables.get(point(1)), built], [1, [1]])
    assert.isUndefined(tables.get(point(2)))
  })

  it("builds one table at a time", () => {
    const { tables, pass } = tablesOf({ capacity: 4, promoteAfter: 1, idlePasses: 10 }, 3)
    pass(1, 2)
    pass(1, 2)
    assert.strictEqual(tables.size(), 1)
    pass(1, 2)
    pass(1, 2)
    assert.deepStrictEqual([tables.get(point(1)), tables.size()], [1, 2])
  })

  it("is never larger than its capacity, and replaces only what is idle", () => {
    const { tables, built, pass } = tablesOf({ capacity: 2, promoteAfter: 1, idlePasses: 5 })
    pass(1)
    pass(2)
    for (let i = 0; i < 4; i++) pass(3, 2)
    assert.deepStrictEqual([tables.get(point(3)), built], [undefined, [1, 2]])
    for (let i = 0; i < 4; i++) pass(3, 2)
    assert.deepStrictEqual([tables.get(point(1)), tables.get(point(2)), tables.get(point(3))], [undefined, 2, 3])
    assert.strictEqual(tables.size(), 2)
  })

  it("does not rebuild for ever when more points are busy than there is room", () => {
    const { built, pass } = tablesOf({ capacity: 2, promoteAfter: 2, idlePasses: 50 })
    for (let i = 0; i < 1000; i++) pass(i % 10)
    assert.strictEqual(built.length, 2)
  })

  it("builds nothing without capacity", () => {
    const { tables, built, pass } = tablesOf({ capacity: 0, promoteAfter: 1, idlePasses: 0 })
    for (let i = 0; i < 10; i++) pass(i, i)
    assert.deepStrictEqual([tables.size(), built], [0, []])
  })
})
