/** The scenarios by name: what goes wrong, when, and what has to follow. */
import { readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import { Duration, Effect } from "effect"
import { badInputScenarios } from "./BadInputScenarios.ts"
import { chainScenarios } from "./ChainScenarios.ts"
import { ProcessTestFailure } from "./ChildProcess.ts"
import { type Fleet, type Member, ownedBy, spoolOf } from "./Fleet.ts"
import { kill, leaderOf, type Observed, otherLeader, ownerOf, reach, type Scenario, takeover } from "./Scenario.ts"

/** Height at which things go wrong: in the middle of the first session. */
const MIDDLE = 3n

const nothing: Scenario["disturb"] = () => Effect.succeed({})

/** Ends a miner at once and measures until its suppliers, and its leadership, are somebody else's. */
const killMiner = Effect.fnUntraced(function* ({ watch }: Fleet, victim: Member, wasLeader: string | undefined) {
  const suppliers = ownedBy(watch, victim.name)
  const since = Date.now()
  yield* kill(victim.process)
  const [takeoverMillis, leaderMillis] = yield* Effect.all(
    [
      takeover(watch, suppliers, victim.name, since),
      wasLeader === undefined ? Effect.succeed(undefined) : otherLeader(watch, wasLeader, since)
    ],
    { concurrency: "unbounded" }
  )
  return { takeoverMillis, ...(leaderMillis !== undefined && { leaderMillis }) } satisfies Observed
})

const killLeader = (fleet: Fleet) =>
  Effect.gen(function* () {
    yield* reach(MIDDLE)
    const victim = leaderOf(fleet)
    const { id } = fleet.watch.leader()
    if (victim === undefined) return yield* new ProcessTestFailure({ detail: `the leader ${id} is no miner here` })
    return yield* killMiner(fleet, victim, id)
  })

const killOwner = (fleet: Fleet) =>
  Effect.gen(function* () {
    yield* reach(MIDDLE)
    return yield* killMiner(fleet, yield* ownerOf(fleet), undefined)
  })

const stopOwner = (fleet: Fleet) =>
  Effect.gen(function* () {
    yield* reach(MIDDLE)
    const { name, process } = yield* ownerOf(fleet)
    const suppliers = ownedBy(fleet.watch, name)
    const since = Date.now()
    yield* process.signal("SIGTERM")
    const takeoverMillis = yield* takeover(fleet.watch, suppliers, name, since)
    const status = yield* process.exit(Duration.seconds(30))
    return { takeoverMillis, problems: status === 0 ? [] : [`${name} ended with ${status}`] }
  })

const killRelayer = ({ relayers }: Fleet) =>
  Effect.gen(function* () {
    yield* reach(MIDDLE)
    if (relayers[0] !== undefined) yield* kill(relayers[0].process)
    return {}
  })

/** While Redis is away a relayer that keeps relays in its spool is killed; both come back, Redis first. */
const killSpoolingRelayer = (fleet: Fleet) =>
  Effect.gen(function* () {
    yield* reach(MIDDLE)
    const [server] = fleet.redis
    const relayer = yield* firstRelayer(fleet)
    if (server === undefined) return {}
    const before = bytesBelow(spoolOf(fleet, relayer))
    yield* server.signal("SIGKILL")
    yield* Effect.sleep("2 seconds")
    yield* kill(relayer.process)
    const spooled = bytesBelow(spoolOf(fleet, relayer)) - before
    yield* Effect.mapError(server.start, ({ detail }) => new ProcessTestFailure({ detail }))
    yield* fleet.restart(relayer)
    return { problems: spooled > 0 ? [] : [`${relayer.name} had nothing in its spool when it was killed`] }
  })

/** Ends the first server at once; the same files are opened again after so long, if at all. */
const killRedis = (backAfter: Duration.Duration | undefined) => (fleet: Fleet) =>
  Effect.gen(function* () {
    yield* reach(MIDDLE)
    const [server] = fleet.redis
    if (server === undefined) return {}
    yield* server.signal("SIGKILL")
    if (backAfter === undefined) return {}
    yield* Effect.sleep(backAfter)
    yield* Effect.mapError(server.start, ({ detail }) => new ProcessTestFailure({ detail }))
    return {}
  })

/** Halts an owner for longer than its leases live, then lets it go on with what it thinks is its own. */
const haltOwner = (fleet: Fleet) =>
  Effect.gen(function* () {
    yield* reach(MIDDLE)
    const { name, process } = yield* ownerOf(fleet)
    const suppliers = ownedBy(fleet.watch, name)
    const since = Date.now()
    yield* process.signal("SIGSTOP")
    const takeoverMillis = yield* takeover(fleet.watch, suppliers, name, since)
    yield* Effect.sleep("3 seconds")
    yield* process.signal("SIGCONT")
    yield* Effect.sleep("3 seconds")
    const stopped = process.linesWith("supplier stopped")
    return {
      takeoverMillis,
      problems: stopped >= suppliers.length ? [] : [`${name} stopped ${stopped} of ${suppliers.length} suppliers`]
    }
  })

/** How long a process is without Redis. */
const CUT = Duration.seconds(20)

/** The link of an owner is silent: what it sent meanwhile arrives when it is back, under leases that are gone. */
const silenceOwner = (fleet: Fleet) =>
  Effect.gen(function* () {
    yield* reach(2n)
    const { link, name } = yield* ownerOf(fleet)
    const suppliers = ownedBy(fleet.watch, name)
    const since = Date.now()
    yield* link?.set("silent") ?? noLink(name)
    yield* Effect.sleep(CUT)
    yield* link?.set("open") ?? noLink(name)
    return { takeoverMillis: yield* takeover(fleet.watch, suppliers, name, since) }
  })

/** The link of a relayer is cut: connections end, and new ones are refused. */
const cutRelayer = (fleet: Fleet) =>
  Effect.gen(function* () {
    yield* reach(2n)
    const { link, name } = yield* firstRelayer(fleet)
    yield* link?.set("cut") ?? noLink(name)
    yield* Effect.sleep(CUT)
    yield* link?.set("open") ?? noLink(name)
    return {}
  })

const noLink = (name: string) => Effect.fail(new ProcessTestFailure({ detail: `${name} has no link of its own` }))

/** Bytes of all files of a folder. */
const bytesBelow = (folder: string): number =>
  readdirSync(folder).reduce((sum, file) => sum + statSync(join(folder, file)).size, 0)

const firstRelayer = ({ relayers }: Fleet) =>
  relayers[0] === undefined
    ? Effect.fail(new ProcessTestFailure({ detail: "there is no relayer" }))
    : Effect.succeed(relayers[0])

/** Every link answers so much later, for the whole run. */
const slow = (roundTrip: number) => (fleet: Fleet) =>
  Effect.as(
    Effect.forEach(
      [...fleet.miners, ...fleet.relayers],
      ({ link, name }) => link?.set({ delayMillis: roundTrip / 2 }) ?? noLink(name)
    ),
    {}
  )

/** All of them, in the order of the table. */
export const scenarios: ReadonlyArray<Scenario> = [
  { name: "baseline", title: "nothing goes wrong", sessions: 2, disturb: nothing },
  {
    name: "tight",
    title: "claims open with the block after grace: relays under way at that moment may be late",
    sessions: 2,
    chain: { claimOpensAfterBlocks: 1 },
    mayBeLate: true,
    disturb: nothing
  },
  { name: "kill-leader", title: "kill -9 of the leader, which owns suppliers", disturb: killLeader },
  { name: "kill-owner", title: "kill -9 of a supplier's owner, leases of 4 s", disturb: killOwner },
  {
    name: "kill-owner-default",
    title: "kill -9 of a supplier's owner at default settings",
    lease: "default",
    chain: { claimWindowBlocks: 18 },
    disturb: killOwner
  },
  { name: "stop-owner", title: "SIGTERM of a supplier's owner", disturb: stopOwner },
  { name: "kill-relayer", title: "kill -9 of a relayer", disturb: killRelayer },
  {
    name: "kill-spooling-relayer",
    title: "kill -9 of Redis, then of a relayer with relays in its spool; both come back",
    redis: "aof always",
    chain: { sessionBlocks: 18, claimWindowBlocks: 6 },
    disturb: killSpoolingRelayer
  },
  {
    name: "kill-redis-always",
    title: "kill -9 of Redis, appendfsync always, back after 2 s",
    redis: "aof always",
    disturb: killRedis(Duration.seconds(2))
  },
  {
    name: "kill-redis-everysec",
    title: "kill -9 of Redis, appendfsync everysec, back after 2 s",
    redis: "aof everysec",
    disturb: killRedis(Duration.seconds(2))
  },
  {
    name: "failover",
    title: "kill -9 of the master, a sentinel promotes its replica",
    redis: "sentinel",
    disturb: killRedis(undefined)
  },
  {
    name: "halt-owner",
    title: "SIGSTOP of an owner past its leases, then SIGCONT",
    chain: { claimWindowBlocks: 12 },
    disturb: haltOwner
  },
  {
    name: "cut-miner",
    title: "a miner whose link to Redis is silent for 20 s",
    hasLinks: true,
    chain: { claimWindowBlocks: 16 },
    disturb: silenceOwner
  },
  {
    name: "cut-relayer",
    title: "a relayer cut off from Redis for 20 s of a session of 24 blocks",
    hasLinks: true,
    chain: { sessionBlocks: 24, claimWindowBlocks: 4, proofWindowBlocks: 4 },
    disturb: cutRelayer
  },
  {
    name: "slow",
    title: "every round trip to Redis takes 200 ms more",
    hasLinks: true,
    // Nothing is in the caches at first: the first relay of a session takes seconds, and the claims of it too.
    chain: { sessionBlocks: 18, claimOpensAfterBlocks: 4, claimWindowBlocks: 10 },
    disturb: slow(200)
  },
  ...chainScenarios,
  ...badInputScenarios
]

/** The scenario of this name. */
export const scenarioNamed = (name: string): Scenario => {
  const found = scenarios.find((each) => each.name === name)
  if (found === undefined)
    throw new Error(`no scenario ${name}; there are ${scenarios.map((each) => each.name).join(", ")}`)
  return found
}
