/** One crash at each step of a run in turn: nothing else goes wrong, so a crash anywhere must not cost anything. */
import type { Fault } from "./Faults.ts"
import { type RunReport, runScenario } from "./Run.ts"
import { drawScenario } from "./Scenario.ts"

/** A seed whose windows leave room for a take-over. */
export const SWEPT_SEED = 6

export interface SweepReport {
  /** Crash points tried. */
  readonly crashes: number
  readonly failures: ReadonlyArray<RunReport>
}

/** Crashes the replica at its steps `from`, `from + stride` … before they take effect or after, until its steps end. */
export const sweep = (
  replica: string,
  moment: "before" | "after",
  { from = 1, stride = 1 }: { readonly from?: number; readonly stride?: number } = {}
): SweepReport => {
  const scenario = drawScenario(SWEPT_SEED)
  const failures: Array<RunReport> = []
  let crashes = 0
  for (let nth = from; ; nth += stride) {
    const fault: Fault = { _tag: "Crash", at: { replica, operation: "*", nth }, moment, restartAfter: 3_000 }
    const report = runScenario({ ...scenario, faults: [fault] })
    if (report.fired.length === 0) return { crashes, failures }
    crashes++
    if (report.violation !== undefined) failures.push(report)
  }
}
