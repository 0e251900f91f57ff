/**
 * What the fleet is fed that it cannot use: wrong clocks, empty accounts, accounts without a key, services that nobody
 * knows, parameters that break the chain's rules. Each is named, survived, and recovered from by the processes that met it.
 */
import { bytesToHex } from "@noble/hashes/utils.js"
import { Effect } from "effect"
import { afflict, BOTH, command } from "./ChainScenarios.ts"
import { clockAhead, installFakeTime } from "./FakeTime.ts"
import type { Fleet } from "./Fleet.ts"
import { applicationsOf, suppliersOf } from "./FleetChain.ts"
import { type Observed, reach, type Scenario } from "./Scenario.ts"

/** Before the claims of the first session are due, in the middle of their window, and when sessions go on. */
const BEFORE_CLAIMS = 8n
const IN_WINDOW = 14n

/** Minutes of a wrong clock. */
const FIVE_MINUTES = 300

const nothing: Scenario["disturb"] = () => Effect.succeed({})

/** What operators have at first. */
const BALANCE = 1_000_000_000

/** Takes everything from the accounts of these suppliers, or gives it back. */
const fund = (fleet: Fleet, operators: ReadonlyArray<string>, amount: number) =>
  Effect.forEach(operators, (address) => command(fleet, "/fund", { address, amount }), { discard: true })

const operatorsOf = ({ options }: Fleet, count: number): ReadonlyArray<string> =>
  suppliersOf(options.chain)
    .slice(0, count)
    .map(({ address }) => address)

/** Two operators have nothing while their claims are due, and are funded again in the middle of the window. */
const emptyForAWhile: Scenario["disturb"] = (fleet) =>
  Effect.gen(function* () {
    yield* reach(BEFORE_CLAIMS)
    yield* fund(fleet, operatorsOf(fleet, 2), -BALANCE)
    yield* reach(IN_WINDOW)
    yield* fund(fleet, operatorsOf(fleet, 2), BALANCE)
    return {}
  })

/** One operator has nothing from then on. */
const emptyForGood: Scenario["disturb"] = (fleet) =>
  Effect.gen(function* () {
    yield* reach(BEFORE_CLAIMS)
    const operators = operatorsOf(fleet, 1)
    yield* fund(fleet, operators, -BALANCE)
    const missed = new Map(operators.map((address) => [address, "insufficient_funds"]))
    return { missed } satisfies Observed
  })

/** The application that has no key gets one with the second session. */
const keyInTime: Scenario["disturb"] = (fleet) =>
  Effect.gen(function* () {
    yield* reach(BigInt(fleet.options.chain.sessionBlocks))
    for (const { address, publicKey } of applicationsOf(fleet.options.chain).slice(0, 1)) {
      yield* command(fleet, "/accounts/key", { address, publicKey: bytesToHex(publicKey) })
    }
    return {}
  })

/** The first session of the application without a key has no relay, its last one has. */
const isServedLater: Scenario["check"] = (sessions, chain) => {
  const [keyless] = applicationsOf(chain)
  const own = sessions.filter(({ application }) => application === keyless?.address)
  const ends = own.map(({ sessionEnd }) => sessionEnd).toSorted((a, b) => Number(a - b))
  const answeredIn = (end: bigint | undefined) =>
    own.reduce((sum, { answered, sessionEnd }) => (sessionEnd === end ? sum + answered : sum), 0)
  return [
    ...(answeredIn(ends[0]) > 0 ? ["relays were answered whose ring nobody could know"] : []),
    ...(answeredIn(ends.at(-1)) === 0 ? ["no relay was answered once the key was there"] : [])
  ]
}

/** Both nodes tell parameters that the chain could not have, from one height to another. */
const tellParams =
  (from: bigint, to: bigint, sharedParams: Readonly<Record<string, number>>): Scenario["disturb"] =>
  (fleet) =>
    Effect.gen(function* () {
      yield* reach(from)
      yield* afflict(fleet, BOTH, { sharedParams })
      yield* reach(to)
      yield* afflict(fleet, BOTH, { sharedParams: {} })
      return {}
    })

const AHEAD = /this machine's clock is 30\d s ahead/
const BEHIND = /this machine's clock is (?:29\d|300) s behind/
const UNFUNDED = /cannot be claimed or proven now, insufficient_funds: .*; fund it/
const UNUSABLE = /shared\.Params.*compute_units_to_tokens_multiplier/

/** The scenarios, in the order of the table. */
export const badInputScenarios: ReadonlyArray<Scenario> = [
  {
    name: "clocks-ahead",
    title: "the clocks of all relayers and miners are 5 minutes ahead",
    sessions: 2,
    prepare: installFakeTime,
    environmentOf: () => clockAhead(FIVE_MINUTES),
    named: { ready: [AHEAD], log: [AHEAD], lasts: true },
    disturb: nothing
  },
  {
    name: "clocks-behind",
    title: "the clocks of all relayers and miners are 5 minutes behind",
    sessions: 2,
    prepare: installFakeTime,
    environmentOf: () => clockAhead(-FIVE_MINUTES),
    named: { ready: [BEHIND], log: [BEHIND], lasts: true },
    disturb: nothing
  },
  {
    name: "clocks-apart",
    title: "one miner and one relayer are 5 minutes ahead, another miner is 5 minutes behind",
    sessions: 2,
    prepare: installFakeTime,
    environmentOf: (name) =>
      name === "miner-2" ? clockAhead(-FIVE_MINUTES) : name.endsWith("-1") ? clockAhead(FIVE_MINUTES) : {},
    named: { ready: [AHEAD, BEHIND], log: [AHEAD, BEHIND], lasts: true },
    disturb: nothing
  },
  {
    name: "unfunded",
    title: "two operators have no uPOKT when their claims are due, and are funded in the middle of the window",
    named: { ready: [UNFUNDED], log: [UNFUNDED] },
    disturb: emptyForAWhile
  },
  {
    name: "unfunded-for-good",
    title: "an operator has no uPOKT from before its claims are due",
    named: { ready: [UNFUNDED], log: [UNFUNDED, /error: claim missed .*insufficient_funds/] },
    disturb: emptyForGood
  },
  {
    name: "application-without-key",
    title: "an application's account has no public key until its second session",
    chain: { keylessApplications: 1 },
    // That a key is missing is remembered for some seconds, at each step of the way to it.
    sessions: 4,
    check: isServedLater,
    named: { ready: [/no public key on chain/], log: [/no public key on chain/] },
    disturb: keyInTime
  },
  {
    name: "unknown-service",
    title: "every third relay is for a service that is not on chain",
    unknownServiceEvery: 3,
    named: { ready: [/service is not offered here/], log: [/service is not offered here/] },
    disturb: nothing
  },
  {
    name: "params-unusable",
    title: "both nodes tell compute units without a price, in the session and while its claims are due",
    named: { ready: [UNUSABLE], log: [UNUSABLE] },
    disturb: tellParams(3n, 12n, { computeUnitsToTokensMultiplier: 0, computeUnitCostGranularity: 0 })
  },
  {
    name: "params-unfit",
    title: "both nodes tell windows that are longer than unbonding, and grace past the claim window's opening",
    named: { ready: [/the chain breaks its own rules/], log: [/the chain breaks its own rules/] },
    disturb: tellParams(3n, 12n, { supplierUnbondingPeriodSessions: 1, gracePeriodEndOffsetBlocks: 5 })
  }
]
