/**
 * Runs a scenario: a fleet under load, one thing that goes wrong, and the count of every relay from the gateway to its
 * settlement.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { bytesToHex } from "@noble/hashes/utils.js"
import { Duration, Effect, Layer, Option, Schema } from "effect"
import { DEFAULT_COMMAND_TIMEOUT, defaultNamespace } from "../../adapters/redis/RedisSettings.ts"
import * as RedisConnections from "../../adapters/redis/RedisConnections.ts"
import { StreamLosses } from "../../adapters/redis/StreamLosses.ts"
import * as SupplierStoreRedis from "../../adapters/redis/SupplierStoreRedis.ts"
import { Blocks } from "../../domain/ports/Blocks.ts"
import { ChainQuery } from "../../domain/ports/ChainQuery.ts"
import { settlementHeight } from "../../domain/session/SessionWindow.ts"
import { audit, type AuditTotals, problemsOf, type SessionAudit, totalsOf } from "./Audit.ts"
import { type ChildProcess, expectThat, ProcessTestFailure, startProcess, within } from "./ChildProcess.ts"
import {
  type Fleet,
  type FleetOptions,
  type Member,
  type RedisKind,
  ownedBy,
  START_LIMIT,
  startChain,
  startFleet
} from "./Fleet.ts"
import type { FleetChain } from "./FleetChain.ts"
import type { FleetWatch } from "./FleetWatch.ts"
import { type LoadOptions, LoadTotals } from "./LoadOptions.ts"
import { type Sight, type SightWatch, watchSight } from "./Sight.ts"
import { readJournal, type TxTotals, txTotals } from "./TxAudit.ts"
import * as RemoteChain from "./RemoteChain.ts"

/** What was measured while something went wrong. */
export interface Observed {
  /** From the fault to the last fence of another owner. */
  readonly takeoverMillis?: number
  /** From the fault to another leader. */
  readonly leaderMillis?: number
  /** What did not go as it has to. */
  readonly problems?: ReadonlyArray<string>
  /** Suppliers whose claims cannot be made, with the reason of their `ClaimMissed`. */
  readonly missed?: ReadonlyMap<string, string>
}

/** A scenario; what is left out is that of `defaults`. */
export interface Scenario {
  readonly name: string
  readonly title: string
  readonly chain?: Partial<FleetChain>
  readonly redis?: RedisKind
  readonly miners?: number
  readonly relayers?: number
  /** `default`: the product's own times. */
  readonly lease?: number | "default"
  readonly hasLinks?: boolean
  /** Sessions under load, from the first on. */
  readonly sessions?: number
  /** Answered relays may be counted late instead of claimed. */
  readonly mayBeLate?: boolean
  readonly relaysPerSecond?: number
  /** Every so many relays is for a service that is not on chain. */
  readonly unknownServiceEvery?: number
  /** Takes many minutes: run only when it is asked for by name. */
  readonly isLong?: boolean
  /** Further sections of the miners' configuration. */
  readonly minerConfig?: FleetOptions["minerConfig"]
  /** Runs before everything: what a scenario needs on this machine. */
  readonly prepare?: Effect.Effect<void, ProcessTestFailure>
  /** Added to the environment of a process by its name. */
  readonly environmentOf?: FleetOptions["environmentOf"]
  /** What has to be said meanwhile. Of `ready`, nothing is said any more at the end unless the fault lasts. */
  readonly named?: {
    readonly ready?: ReadonlyArray<RegExp>
    readonly log?: ReadonlyArray<RegExp>
    readonly lasts?: true
  }
  /** What else is wrong with what became of the sessions, in sentences. */
  readonly check?: (sessions: ReadonlyArray<SessionAudit>, chain: FleetChain) => ReadonlyArray<string>
  /** Does the harm while relays flow; the chain is at its first block when it begins. */
  readonly disturb: (fleet: Fleet) => Effect.Effect<Observed, ProcessTestFailure, Blocks>
}

/** What came of a scenario. */
export interface ScenarioResult extends Observed {
  readonly name: string
  readonly totals: AuditTotals
  readonly txs: TxTotals
  /** What `/ready` and the logs said, and what `/ready` said at the end. */
  readonly sight: Sight
  readonly atEnd: ReadonlyArray<string>
  /** Tries without a usable answer, by cause. */
  readonly refused: Readonly<Record<string, number>>
  readonly seconds: number
  /** Empty: all holds. */
  readonly problems: ReadonlyArray<string>
  readonly sessions: ReadonlyArray<SessionAudit>
  /** Where the logs are; only kept when there are problems. */
  readonly directory: string
}

const chainDefaults: FleetChain = {
  seed: "fleet",
  suppliers: 6,
  applications: 2,
  keylessApplications: 0,
  blockMillis: 1_000,
  sessionBlocks: 6,
  // Two blocks behind the end of grace: what is served at its last moment is in the log before the seal.
  claimOpensAfterBlocks: 3,
  claimWindowBlocks: 8,
  proofWindowBlocks: 5
}
const LEASE_SECONDS = 4
const RELAYS_PER_SECOND = 20
/** Beyond the last settlement: longest wait until the miners have recorded it. */
const SETTLE_LIMIT = Duration.seconds(40)
const DRAIN_LIMIT = Duration.seconds(40)

/** Runs it; fails when the fleet does not start, or does not end. */
export const runScenario = (scenario: Scenario) =>
  Effect.gen(function* () {
    const began = Date.now()
    if (scenario.prepare !== undefined) yield* scenario.prepare
    const directory = mkdtempSync(join(tmpdir(), `relaymill-${scenario.name}-`))
    const result = yield* Effect.scoped(inDirectory(scenario, directory, began))
    if (result.problems.length === 0) rmSync(directory, { recursive: true, force: true })
    return result
  })

const inDirectory = Effect.fnUntraced(function* (scenario: Scenario, directory: string, began: number) {
  const chain = { ...chainDefaults, ...scenario.chain }
  const served = yield* startChain(chain, directory)
  return yield* Effect.gen(function* () {
    const control = yield* RemoteChain.ChainControl
    const fleet = yield* startFleet(
      {
        chain,
        redis: scenario.redis ?? "plain",
        miners: scenario.miners ?? 3,
        relayers: scenario.relayers ?? 2,
        leaseSeconds: scenario.lease === "default" ? undefined : (scenario.lease ?? LEASE_SECONDS),
        hasLinks: scenario.hasLinks ?? false,
        directory,
        minerConfig: scenario.minerConfig ?? {},
        environmentOf: scenario.environmentOf ?? (() => ({}))
      },
      served
    )
    const load = yield* startLoad(fleet, {
      chain,
      chainUrl: served.url,
      relayers: fleet.relayers.map(({ url }) => url),
      relaysPerSecond: scenario.relaysPerSecond ?? RELAYS_PER_SECOND,
      unknownServiceEvery: scenario.unknownServiceEvery ?? 0,
      untilHeight: (scenario.sessions ?? 1) * chain.sessionBlocks
    })
    yield* load.until("ready", START_LIMIT)
    const sight = yield* watchSight(() => membersOf(fleet), fleet.nodes)
    yield* control.setHalted(false)
    const observed = yield* scenario.disturb(fleet)
    const { facts } = yield* load.until("totals", Duration.seconds(180))
    const totals = yield* Schema.decodeUnknownEffect(LoadTotals)(facts)
    const sessions = yield* settledSessions(totals).pipe(Effect.provide(layerStore(fleet)))
    const txs = txTotals(sessions, yield* readJournal(fleet.controlUrl))
    yield* keepFacts(directory, fleet, sessions)
    const atEnd = yield* wellAgain(sight, (scenario.named?.lasts === true ? undefined : scenario.named?.ready) ?? [])
    const seen = sight.seen()
    const problems = [
      ...(observed.problems ?? []),
      ...(totals.sessions.length === 0 ? ["no relay was sent"] : []),
      ...problemsOf(sessions, scenario.mayBeLate ?? false, observed.missed ?? new Map()),
      ...(totals.unknown.answered > 0
        ? [`${totals.unknown.answered} relays for an unknown service were answered`]
        : []),
      ...(scenario.check?.(sessions, chain) ?? []),
      ...txs.problems,
      ...atEnd.problems,
      ...unsaid("/ready", scenario.named?.ready ?? [], seen.ready),
      ...unsaid("the log", scenario.named?.log ?? [], seen.log),
      ...(yield* drainAll(membersOf(fleet)))
    ]
    return {
      ...observed,
      name: scenario.name,
      totals: totalsOf(sessions),
      txs,
      sight: seen,
      atEnd: atEnd.reasons,
      refused: totals.causes,
      seconds: (Date.now() - began) / 1_000,
      problems,
      sessions,
      directory
    } satisfies ScenarioResult
  }).pipe(Effect.provide(RemoteChain.layer(served.url)))
})

/** All processes of the product, also those that have ended. */
const membersOf = (fleet: Fleet): ReadonlyArray<Member> => [...fleet.relayers, ...fleet.restarted(), ...fleet.miners]

/** Longest wait until every process is ready again and says nothing of the fault any more. */
const WELL_LIMIT = Duration.seconds(90)

/** Waits until all processes are ready and nobody says any of the sentences; what they still say, and what does not hold. */
const wellAgain = Effect.fnUntraced(function* ({ now }: SightWatch, gone: ReadonlyArray<RegExp>) {
  let reasons: ReadonlyArray<string> = []
  const problems = yield* within(
    WELL_LIMIT,
    Effect.flatMap(now, ({ notReady, reasons: said }) => {
      reasons = said
      const left = said.filter((reason) => gone.some((sentence) => sentence.test(reason)))
      return expectThat(
        notReady.length === 0 && left.length === 0,
        () => `not well again: ${[...notReady, ...left].join("; ")}`
      )
    })
  ).pipe(Effect.match({ onFailure: ({ detail }) => [detail], onSuccess: () => [] }))
  return { problems, reasons }
})

/** Sentences that nobody said. */
const unsaid = (where: string, sentences: ReadonlyArray<RegExp>, seen: Sight["log"]): ReadonlyArray<string> =>
  sentences
    .filter((sentence) => !seen.some(({ text }) => sentence.test(text)))
    .map((sentence) => `${where} did not say ${sentence}`)

/** For whoever looks into a failure: times of blocks, records of sessions, changes of owners. */
const keepFacts = Effect.fnUntraced(function* (
  directory: string,
  { watch }: Fleet,
  sessions: ReadonlyArray<SessionAudit>
) {
  const blocks = yield* Blocks
  const { height } = yield* blocks.latest
  const times = yield* Effect.forEach(Array.from({ length: Number(height) }), (_, index) =>
    Effect.map(blocks.at(BigInt(index + 1)), (block) =>
      Option.match(block, {
        onNone: () => "",
        onSome: ({ height, timeUnixNano }) => `${height} ${timeUnixNano / 1_000_000n}`
      })
    )
  )
  const text = JSON.stringify(
    { blocks: times, owners: watch.changes(), sessions },
    (_, value: unknown) =>
      typeof value === "bigint" ? value.toString() : value instanceof Uint8Array ? bytesToHex(value) : value,
    2
  )
  writeFileSync(join(directory, "facts.json"), text)
})

const startLoad = (fleet: Fleet, options: LoadOptions) =>
  startProcess("load", "LoadProcess.ts", [JSON.stringify(options)], join(fleet.options.directory, "load.log"))

const layerStore = ({ address }: Fleet) =>
  SupplierStoreRedis.layer.pipe(
    Layer.provide(StreamLosses.layer),
    Layer.provide(
      RedisConnections.layer({
        address,
        namespace: defaultNamespace,
        poolSize: 5,
        poolTimeout: Duration.seconds(5),
        commandTimeout: DEFAULT_COMMAND_TIMEOUT
      })
    )
  )

/** Waits for the last settlement and until the miners have recorded the end of each session, or time is over. */
const settledSessions = Effect.fnUntraced(function* (totals: LoadTotals) {
  const query = yield* ChainQuery
  const last = totals.sessions.reduce((most, { sessionEnd }) => (sessionEnd > most ? sessionEnd : most), 0n)
  yield* reach(settlementHeight(yield* query.sharedParamsAt(last), last) + 1n)
  let sessions = yield* audit(totals)
  yield* Effect.ignore(
    within(
      SETTLE_LIMIT,
      Effect.gen(function* () {
        sessions = yield* audit(totals)
        yield* expectThat(
          sessions.every(
            ({ answered, hasEnded, inTrie, late }) => (hasEnded || inTrie === 0n) && inTrie + late >= BigInt(answered)
          ),
          () => "not ended"
        )
      })
    )
  )
  return sessions
})

/** Longest wait for a block, whatever the machine is busy with. */
const REACH_LIMIT = Duration.seconds(180)

/** Waits until the chain is at this height. */
export const reach = (height: bigint): Effect.Effect<void, ProcessTestFailure, Blocks> =>
  Effect.flatMap(Blocks, (blocks) =>
    within(
      REACH_LIMIT,
      Effect.flatMap(Effect.orDie(blocks.latest), (latest) =>
        expectThat(latest.height >= height, () => `the chain is at ${latest.height}, not at ${height}`)
      )
    )
  )

/** Ends who is still running with SIGTERM; sentences about those that did not end with exit 0. */
const drainAll = (members: ReadonlyArray<Member>) =>
  Effect.forEach(
    members.filter(({ process }) => process.isRunning()),
    ({ name, process }) =>
      Effect.andThen(process.signal("SIGTERM"), process.exit(DRAIN_LIMIT)).pipe(
        Effect.match({
          onFailure: ({ detail }) => [`${name} did not drain: ${detail}`],
          onSuccess: (status) => (status === 0 ? [] : [`${name} ended with ${status}: ${process.tail()}`])
        })
      ),
    { concurrency: "unbounded" }
  ).pipe(Effect.map((found) => found.flat()))

/** Longest wait for another owner or leader. */
const TAKEOVER_LIMIT = Duration.seconds(60)

/** Milliseconds from `since` until each of these suppliers was fenced by somebody else than `former`. */
export const takeover = (watch: FleetWatch, suppliers: ReadonlyArray<string>, former: string, since: number) =>
  within(
    TAKEOVER_LIMIT,
    Effect.suspend(() => {
      const moments = suppliers.map((supplier) =>
        watch
          .changes()
          .find((each) => each.supplier === supplier && each.at >= since && (each.owner ?? former) !== former)
      )
      const missing = moments.filter((moment) => moment === undefined).length
      return Effect.as(
        expectThat(missing === 0, () => `${missing} suppliers of ${former} were not taken over`),
        Math.max(0, ...moments.map((moment) => (moment?.at ?? since) - since))
      )
    })
  )

/** Milliseconds from `since` until somebody else leads. */
export const otherLeader = (watch: FleetWatch, former: string, since: number) =>
  within(
    TAKEOVER_LIMIT,
    Effect.suspend(() => {
      const { at, id } = watch.leader()
      return Effect.as(
        expectThat(id !== undefined && id !== former, () => `${former} still leads, or nobody`),
        at - since
      )
    })
  )

/** The miner that leads, by the process id in its name. */
export const leaderOf = ({ miners, watch }: Fleet): Member | undefined =>
  miners.find(({ process }) => watch.leader().id?.endsWith(`-${process.pid}`))

/** A miner with suppliers that does not lead, else any with suppliers. */
export const ownerOf = (fleet: Fleet): Effect.Effect<Member, ProcessTestFailure> => {
  const owners = fleet.miners.filter(
    ({ name, process }) => process.isRunning() && ownedBy(fleet.watch, name).length > 0
  )
  const found = owners.find((each) => each !== leaderOf(fleet)) ?? owners[0]
  return found === undefined
    ? Effect.fail(new ProcessTestFailure({ detail: "no miner owns a supplier" }))
    : Effect.succeed(found)
}

/** Ends a process at once and waits until it is gone. */
export const kill = (process: ChildProcess): Effect.Effect<void, ProcessTestFailure> =>
  Effect.andThen(process.signal("SIGKILL"), Effect.asVoid(process.exit(Duration.seconds(20))))
