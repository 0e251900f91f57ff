/** What a run is told as: one line for a good one, everything needed to look into a failing one. */
import type { Fault } from "./Faults.ts"
import type { RunReport } from "./Run.ts"

/** Lines of the trace that a failing run is printed with. */
const TRACE_LINES = 60

/** One line. */
export const summary = ({ scenario, violation, digest, steps, served, ends }: RunReport): string => {
  const outcome = violation === undefined ? "holds" : `BROKEN ${violation.invariant}`
  const sessions = [...ends].map(([end, count]) => `${end} ${count}`).join(", ")
  return `seed ${scenario.seed} (${scenario.weather}, ${scenario.faults.length} faults): ${outcome}; ${served} relays served; ${sessions}; ${steps} steps, digest ${digest}`
}

/** A failing seed with its fewest faults. */
export const failure = (original: RunReport, shrunk: RunReport): string =>
  [
    `seed ${original.scenario.seed} breaks ${original.violation?.invariant} at ${original.violation?.at} ms: ${original.violation?.detail}`,
    `shrunk from ${original.scenario.faults.length} to ${shrunk.scenario.faults.length} faults (${shrunk.violation?.detail}):`,
    ...shrunk.scenario.faults.map((fault) => `  ${faultText(fault)}`),
    "last steps:",
    ...shrunk.trace.slice(-TRACE_LINES).map((line) => `  ${line}`),
    `again: npm run simulate -- --seed ${original.scenario.seed}`
  ].join("\n")

/** A fault as JSON. */
export const faultText = (fault: Fault): string =>
  JSON.stringify(fault, (_, value: unknown) => (typeof value === "bigint" ? value.toString() : value))
