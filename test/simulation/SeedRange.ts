/** Tests over a range of seeds, a few seeds each, so that a failing one is found by its number. */
import { it } from "@effect/vitest"
import { failure } from "./Reporting.ts"
import { runScenario } from "./Run.ts"
import { drawScenario } from "./Scenario.ts"
import { shrink } from "./Shrink.ts"

/** Seeds of one test. */
const SEEDS_PER_TEST = 10

/** Longest time of one test in milliseconds: 10 seeds take 3 s, shrinking a failing one a minute. */
const TIME_LIMIT = 300_000

/** Defines the tests of `count` seeds from `from`. */
export const runSeeds = (from: number, count: number): void => {
  for (let first = from; first < from + count; first += SEEDS_PER_TEST) {
    const last = Math.min(first + SEEDS_PER_TEST, from + count) - 1
    it(
      `every invariant holds with seeds ${first} to ${last}`,
      () => {
        for (let seed = first; seed <= last; seed++) {
          const report = runScenario(drawScenario(seed))
          if (report.violation !== undefined) throw new Error(failure(report, shrink(report)))
        }
      },
      TIME_LIMIT
    )
  }
}
