/** Leaves out faults of a failing run as long as it fails in the same way: first halves, then one by one. */
import type { Fault } from "./Faults.ts"
import { type RunReport, runScenario } from "./Run.ts"

/** Runs that shrinking may take. */
const MAX_RUNS = 200

/** The failing run with the fewest faults that was found. A run that does not fail is returned as it is. */
export const shrink = (failing: RunReport): RunReport => {
  const { violation, scenario } = failing
  if (violation === undefined) return failing
  let best = failing
  let runs = 0
  const fails = (faults: ReadonlyArray<Fault>): boolean => {
    if (runs++ >= MAX_RUNS) return false
    const report = runScenario({ ...scenario, faults })
    if (report.violation?.invariant !== violation.invariant) return false
    best = report
    return true
  }
  // Faults that never took effect are left out at once.
  const fired = new Set(failing.fired)
  if (fired.size < scenario.faults.length) fails(scenario.faults.filter((fault) => fired.has(fault)))
  for (let size = Math.ceil(best.scenario.faults.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let start = 0; start < best.scenario.faults.length;) {
      const { faults } = best.scenario
      const isSmaller = fails([...faults.slice(0, start), ...faults.slice(start + size)])
      if (!isSmaller) start += size
    }
  }
  return best
}
