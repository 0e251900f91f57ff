/** Whole relayers and miners under faults: the first half of the seeds, and what the simulation promises about itself. */
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { mutations } from "./Mutations.ts"
import { runScenario } from "./Run.ts"
import { drawScenario } from "./Scenario.ts"
import { runSeeds } from "./SeedRange.ts"

describe("simulation", () => {
  runSeeds(1, 100)

  it("repeats a run step by step", () => {
    for (const seed of [2, 10]) {
      const first = runScenario(drawScenario(seed))
      const second = runScenario(drawScenario(seed))
      assert.strictEqual(second.digest, first.digest)
      assert.strictEqual(second.steps, first.steps)
    }
  })

  it("runs another course for another seed, and when a fault is left out", () => {
    const scenario = drawScenario(10)
    const whole = runScenario(scenario)
    assert.notStrictEqual(runScenario(drawScenario(12)).digest, whole.digest)
    assert.isAbove(whole.fired.length, 0)
    assert.notStrictEqual(runScenario({ ...scenario, faults: [] }).digest, whole.digest)
  })
})

describe("the list of one-line defects", () => {
  it.each(mutations)("still applies: $name", ({ file, line, mutant }) => {
    const source = readFileSync(new URL(`../../${file}`, import.meta.url), "utf8")
    assert.strictEqual(source.split(line).length, 2, `${file} has this line once: ${line}`)
    assert.notStrictEqual(line, mutant)
  })
})
