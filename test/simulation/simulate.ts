/**
 * `npm run simulate -- --seeds N [--from K] [--seed S] [--verbose] [--keep-going] [--no-shrink]`: runs seeds and ends with 1
 * if an invariant breaks; the failing seed is printed with the fewest faults that still break it. `--sweep` crashes one
 * miner and one relayer at each of their steps in turn.
 */
import { parseArgs } from "node:util"
import { failure, faultText, summary } from "./Reporting.ts"
import { runScenario } from "./Run.ts"
import { drawScenario } from "./Scenario.ts"
import { shrink } from "./Shrink.ts"
import { sweep } from "./Sweep.ts"

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "200" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    sweep: { type: "boolean", default: false },
    verbose: { type: "boolean", default: false },
    "keep-going": { type: "boolean", default: false },
    "no-shrink": { type: "boolean", default: false }
  }
})

const wholeNumber = (name: string, text: string): number => {
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 1) {
    console.error(`--${name} must be a whole number from 1, got ${text}`)
    process.exit(2)
  }
  return number
}

if (values.sweep) {
  const started = performance.now()
  let failures = 0
  for (const replica of ["miner-1", "relayer-1"]) {
    for (const moment of ["before", "after"] as const) {
      const report = sweep(replica, moment)
      failures += report.failures.length
      console.log(
        `${replica}, ${moment} each step: ${report.crashes} crashes, ${report.failures.length} lost something`
      )
      for (const failing of report.failures) console.log(failure(failing, failing))
    }
  }
  console.log(`${((performance.now() - started) / 1_000).toFixed(1)} s`)
  process.exit(failures === 0 ? 0 : 1)
}

const from = values.seed === undefined ? wholeNumber("from", values.from) : wholeNumber("seed", values.seed)
const count = values.seed === undefined ? wholeNumber("seeds", values.seeds) : 1
const started = performance.now()
let steps = 0
let relays = 0
let broken = 0
for (let seed = from; seed < from + count; seed++) {
  const report = runScenario(drawScenario(seed))
  steps += report.steps
  relays += report.served
  if (values.verbose) {
    for (const fault of report.scenario.faults) console.log(faultText(fault))
    if (values.seed !== undefined) console.log(report.trace.join("\n"))
  }
  if (values.verbose || values.seed !== undefined) console.log(summary(report))
  if (report.violation === undefined) continue
  broken++
  console.log(failure(report, values["no-shrink"] ? report : shrink(report)))
  if (!values["keep-going"]) break
}
const seconds = (performance.now() - started) / 1_000
console.log(
  `${broken === 0 ? "all invariants hold" : `${broken} seeds break an invariant`}: ${count} seeds from ${from}, ${relays} relays, ${steps} steps in ${seconds.toFixed(1)} s`
)
process.exitCode = broken === 0 ? 0 : 1
