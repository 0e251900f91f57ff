/**
 * `npm run processes -- [--only NAME] [--times N]`: runs the scenarios with real processes and prints a table; ends with 1
 * if something does not hold. `--only` may be given several times.
 */
import { parseArgs } from "node:util"
import { Effect } from "effect"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { installRedis } from "../support/RedisBinaries.ts"
import { runScenario, type ScenarioResult } from "./Scenario.ts"
import { scenarioNamed, scenarios } from "./scenarios.ts"
import { detailsOf, tablesOf } from "./ScenarioTable.ts"

const { values } = parseArgs({
  options: { only: { type: "string", multiple: true }, times: { type: "string", default: "1" } }
})
const times = Number(values.times)
if (!Number.isSafeInteger(times) || times < 1)
  throw new Error(`--times must be a whole number from 1, got ${values.times}`)
const chosen =
  values.only === undefined ? scenarios.filter(({ isLong }) => isLong !== true) : values.only.map(scenarioNamed)

const write = (text: string) => Effect.sync(() => void process.stdout.write(`${text}\n`))

const program = Effect.gen(function* () {
  installRedis()
  const results: Array<ScenarioResult> = []
  let broken = 0
  for (let turn = 0; turn < times; turn++) {
    for (const scenario of chosen) {
      const result = yield* Effect.result(runScenario(scenario))
      if (result._tag === "Failure") {
        broken++
        yield* write(`${scenario.name}: ${String(result.failure)}`)
        continue
      }
      results.push(result.success)
      if (result.success.problems.length > 0) broken++
      const details = detailsOf(result.success)
      yield* write(`${tablesOf([result.success])}${details === "" ? "" : `\n${details}`}\n`)
    }
  }
  yield* write(tablesOf(results))
  process.exitCode = broken === 0 ? 0 : 1
})

NodeRuntime.runMain(program)
