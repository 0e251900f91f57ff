import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Arbitrary from "effect/Arbitrary"
import { type Member, Roster } from "../../../domain/lifecycle/Roster.ts"

interface Named extends Member {
  readonly name: number
}

const Step = Schema.Struct({
  adds: Schema.Boolean,
  name: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 9 }))
})

const sorted = (names: Iterable<number>) => [...names].sort((a, b) => a - b)

describe("Roster", () => {
  it.prop(
    "holds what a set would, whatever comes and goes",
    { steps: Arbitrary.array(Arbitrary.schema(Step), { maxLength: 60 }) },
    ({ steps }) => {
      const members = Array.from({ length: 10 }, (_, name): Named => ({ place: -1, name }))
      const roster = new Roster<Named>()
      const model = new Set<number>()
      for (const { adds, name } of steps) {
        const member = members[name]!
        if (!adds) {
          roster.delete(member)
          model.delete(name)
        } else if (!model.has(name)) {
          roster.add(member)
          model.add(name)
        }
        assert.deepStrictEqual(sorted(Array.from(roster, (found) => found.name)), sorted(model))
        assert.strictEqual(roster.size, model.size)
      }
    }
  )

  it("lets the member at hand go while all are looked at", () => {
    const roster = new Roster<Named>()
    const members = Array.from({ length: 5 }, (_, name): Named => ({ place: -1, name }))
    for (const member of members) roster.add(member)
    const seen: Array<number> = []
    for (const member of roster) {
      seen.push(member.name)
      roster.delete(member)
    }
    assert.deepStrictEqual(sorted(seen), [0, 1, 2, 3, 4])
    assert.strictEqual(roster.size, 0)
  })
})
