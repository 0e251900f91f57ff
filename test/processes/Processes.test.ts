/**
 * Relayers, miners, chain, gateway and Redis as real processes, while one of them is killed: every relay that was answered
 * is in its trie, claimed once, proven once and settled. `npm run processes` has the other scenarios.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { runScenario, type Scenario } from "./Scenario.ts"
import { scenarioNamed } from "./scenarios.ts"
import { detailsOf } from "./ScenarioTable.ts"

/** A fleet takes its time to start on a busy machine, and a session 28 blocks to its settlement. */
const LIMIT_MILLIS = 240_000

/** A busy machine stands still for seconds; windows are as wide as that needs. */
const patient: Partial<Scenario> = {
  chain: { suppliers: 3, applications: 2, claimWindowBlocks: 14, proofWindowBlocks: 8 },
  relaysPerSecond: 15
}

const run = (scenario: Scenario) =>
  Effect.map(runScenario({ ...scenario, ...patient }), (result) => {
    assert.deepStrictEqual(result.problems, [], detailsOf(result))
    assert.isAbove(result.totals.answered, 0)
    return result
  })

describe("many processes", () => {
  it.live(
    "a miner that leads and owns suppliers is killed: another one owns, another one leads, no relay is missing",
    () =>
      Effect.gen(function* () {
        const { leaderMillis, takeoverMillis } = yield* run(scenarioNamed("kill-leader"))
        assert.isDefined(takeoverMillis)
        assert.isDefined(leaderMillis)
      }),
    LIMIT_MILLIS
  )

  it.live(
    "a miner is stopped: it hands over and exits with 0, long before its leases would end",
    () =>
      Effect.gen(function* () {
        // Leases live for 12 s here; a second is enough where the machine is idle.
        const { takeoverMillis } = yield* run({ ...scenarioNamed("stop-owner"), lease: "default" })
        assert.isBelow(takeoverMillis ?? Infinity, 8_000)
      }),
    LIMIT_MILLIS
  )

  it.live(
    "Redis is killed and comes back with its append-only file: relays are served meanwhile and none is missing",
    () => Effect.asVoid(run(scenarioNamed("kill-redis-always"))),
    LIMIT_MILLIS
  )

  it.live(
    "both nodes of the chain restart while claims are due: nothing is missing, nothing is claimed twice",
    () => Effect.asVoid(run(scenarioNamed("nodes-restart"))),
    LIMIT_MILLIS
  )
})
