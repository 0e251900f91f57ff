/** Runs one scenario from its first block to its end and says what it found. Synchronous; the same scenario, the same steps. */
import { Cause, Effect, Exit, Layer, Logger, Random, References } from "effect"
import { TestClock } from "effect/testing"
import { noFaults } from "../../adapters/simchain/NodeFaults.ts"
import { updateSharedParams } from "../../adapters/simchain/Governance.ts"
import type { Fault } from "./Faults.ts"
import { Livelock, LoopScheduler } from "./LoopScheduler.ts"
import { checkDrained, checkQuiescence, checkStopped, isQuiet } from "./Quiescence.ts"
import type { Violation } from "./RunView.ts"
import type { MinerReplica } from "./Replica.ts"
import { BLOCK_MILLIS, type Scenario } from "./Scenario.ts"
import { SeededRandom } from "./SeededRandom.ts"
import { startTraffic, type TrafficTally } from "./Traffic.ts"
import { EPOCH_MILLIS, makeWorld, redeliver, type World } from "./World.ts"

/** What came of a run. */
export interface RunReport {
  readonly scenario: Scenario
  readonly violation: Violation | undefined
  readonly digest: string
  /** Lines of the trace. */
  readonly steps: number
  /** Last lines of the trace, oldest first. */
  readonly trace: ReadonlyArray<string>
  readonly served: number
  readonly outcomes: ReadonlyMap<string, number>
  /** Ends of sessions by kind. */
  readonly ends: ReadonlyMap<string, number>
  /** Faults that took effect. */
  readonly fired: ReadonlyArray<Fault>
}

/** Virtual milliseconds between two looks at all stores. */
const TURN_MILLIS = 500

/** How long all replicas may take to stop at the end, and more. */
const STOP_MILLIS = 20_000

/** A run that has not come to rest by this height never will. */
const LAST_HEIGHT = 48n

export const runScenario = (scenario: Scenario): RunReport => {
  const scheduler = new LoopScheduler()
  const random = new SeededRandom(`relaymill ${scenario.seed}`).stream("runtime")
  const tally: TrafficTally = { outcomes: new Map(), served: 0 }
  let world: World | undefined
  let defect: string | undefined
  const main = Effect.gen(function* () {
    yield* TestClock.setTime(EPOCH_MILLIS)
    world = yield* makeWorld(scenario)
    yield* drive(world, tally, scheduler)
  }).pipe(
    Effect.scoped,
    Effect.provideService(Random.Random, random.service),
    Effect.provideService(References.MinimumLogLevel, "Info"),
    Effect.provide(Layer.mergeAll(Logger.layer([logInto(() => world)]), Layer.fresh(TestClock.layer())))
  )
  try {
    const exit = scheduler.run(main)
    if (exit === undefined) defect = "the run stopped before its end: nothing is ready and nobody waits for time"
    else if (Exit.isFailure(exit)) defect = Cause.pretty(exit.cause)
  } catch (error) {
    if (!(error instanceof Livelock)) throw error
    defect = error.message
  }
  const violation =
    world?.violation() ??
    (defect === undefined
      ? undefined
      : ({ invariant: "progress", detail: defect, at: world?.view.now() ?? 0 } as const))
  return {
    scenario,
    violation,
    digest: world?.trace.digest ?? "",
    steps: world?.trace.steps ?? 0,
    trace: world?.trace.last(20_000) ?? [],
    served: tally.served,
    outcomes: tally.outcomes,
    ends: world === undefined ? new Map() : endsOf(world),
    fired: world === undefined ? [] : [...world.injection.fired]
  }
}

const drive = Effect.fnUntraced(function* (world: World, tally: TrafficTally, scheduler: LoopScheduler) {
  const { view } = world
  const { scenario } = view
  for (const replica of [...world.relayers, ...world.miners]) replica.start()
  startTraffic(world, tally)
  for (const fault of scenario.faults) startFault(world, fault)
  world.fork(Effect.delay(world.heal, scenario.healedAt))
  world.fork(produce(world))
  while (world.violation() === undefined) {
    yield* turn(world, scheduler)
    const { height } = view.chain()
    if (height >= LAST_HEIGHT || (view.now() > scenario.healedAt && isQuiet(world))) break
  }
  if (world.violation() !== undefined) return
  // What was lost with crashed relayers is given back by those that live, what intents are left is tidied.
  for (let i = 0; i < 3 * (BLOCK_MILLIS / TURN_MILLIS); i++) yield* turn(world, scheduler)
  if (world.violation() !== undefined) return
  yield* checkQuiescence(world, tally)
  for (const replica of [...world.relayers, ...world.miners]) {
    const { crashes } = replica
    world.fork(
      Effect.tap(replica.stop, () =>
        Effect.sync(() => {
          if (replica.crashes > crashes) view.violate("S7", `${replica.name} did not stop in time`)
          else checkStopped(world, replica.name)
        })
      )
    )
  }
  for (let i = 0; i < STOP_MILLIS / TURN_MILLIS; i++) yield* turn(world, scheduler)
  checkDrained(world)
})

const turn = (world: World, scheduler: LoopScheduler) =>
  Effect.andThen(
    TestClock.adjust(TURN_MILLIS),
    Effect.sync(() => {
      scheduler.turned()
      world.checkAll()
    })
  )

/** Log lines that tell of lost data or of a defect: stores lose nothing here, so none may appear. */
const ALARMS = [
  "trie has lost leaves",
  "stored leaf skipped",
  "somebody else wrote",
  "the chain holds a claim with another root",
  "proof cannot be built",
  "step has a defect",
  "folding relays has a defect",
  "relay failed by a defect",
  "entries of the relay log set aside"
]

/** Log lines are lines of the trace. */
const logInto = (world: () => World | undefined) =>
  Logger.make(({ logLevel, message, cause }) => {
    const text = Array.isArray(message) ? message.map(String).join(" ") : String(message)
    if (ALARMS.some((alarm) => text.startsWith(alarm))) world()?.view.violate("S1", `the log says: ${text}`)
    world()?.record(`${logLevel}: ${text}${cause.reasons.length === 0 ? "" : ` ${Cause.pretty(cause)}`}`)
  })

/** A block every `BLOCK_MILLIS`, except while the chain halts. */
const produce = (world: World) => {
  const halts = world.view.scenario.faults.filter((fault) => fault._tag === "Halt")
  const changes = world.view.scenario.faults.filter((fault) => fault._tag === "ParamChange")
  return Effect.forever(
    Effect.gen(function* () {
      yield* Effect.sleep(BLOCK_MILLIS)
      const now = world.view.now()
      const halt = halts.find(({ span }) => span.from <= now && now < span.from + span.millis)
      if (halt !== undefined) return void world.injection.fired.add(halt)
      const next = world.view.chain().height + 1n
      for (const change of changes) {
        if (BigInt(change.height) !== next) continue
        world.injection.fired.add(change)
        yield* Effect.ignore(
          world.chain.administer(
            updateSharedParams({
              claimWindowCloseOffsetBlocks: BigInt(change.claimClose),
              proofWindowCloseOffsetBlocks: BigInt(change.proofClose)
            })
          )
        )
      }
      yield* world.produceBlock
    })
  )
}

/** Faults that wait for a moment rather than a step. */
const startFault = (world: World, fault: Fault): void => {
  const { view } = world
  const at = (millis: number, effect: Effect.Effect<unknown>) =>
    void world.fork(
      Effect.delay(
        Effect.suspend(() => {
          world.injection.fired.add(fault)
          world.record(`FAULT ${JSON.stringify(fault, bigintText)}`)
          return effect
        }),
        millis
      )
    )
  const replicaNamed = (name: string) => [...world.relayers, ...world.miners].find((replica) => replica.name === name)
  switch (fault._tag) {
    case "Kill": {
      const replica = replicaNamed(fault.replica)
      if (replica === undefined) return
      const restart = Effect.delay(
        Effect.sync(() => replica.start()),
        fault.restartAfter
      )
      return at(
        fault.at,
        Effect.suspend(() => {
          if (replica.isRunning && world.relayers.some((relayer) => relayer === replica)) world.serving.forgive()
          replica.crash()
          return restart
        })
      )
    }
    case "Stop": {
      const replica = replicaNamed(fault.replica)
      if (replica === undefined) return
      const restart = Effect.delay(
        Effect.sync(() => replica.start()),
        fault.restartAfter
      )
      return at(
        fault.at,
        Effect.gen(function* () {
          const { crashes } = replica
          yield* replica.stop
          if (replica.crashes > crashes) world.serving.forgive()
          yield* restart
        })
      )
    }
    case "OwnersDie": {
      const supplier = view.suppliers[fault.supplier]
      if (supplier === undefined) return
      return at(fault.at, ownersDie(world, supplier, fault))
    }
    case "LostLease": {
      const supplier = view.suppliers[fault.supplier]
      if (supplier === undefined) return
      return at(
        fault.at,
        Effect.sync(() => void (view.stores.supplier(supplier).fence = undefined))
      )
    }
    case "Redelivery": {
      const supplier = view.suppliers[fault.supplier]
      if (supplier === undefined) return
      return at(
        fault.at,
        Effect.sync(() => redeliver(view.stores, supplier))
      )
    }
    case "DoubledEntry": {
      const supplier = view.suppliers[fault.supplier]
      if (supplier === undefined) return
      return at(
        fault.at,
        Effect.sync(() => {
          const entries = world.appended(supplier)
          const entry = entries[fault.nth % Math.max(1, entries.length)]
          if (entry !== undefined) world.appendAgain(supplier, entry)
        })
      )
    }
    case "Node": {
      const node = replicaNamed(fault.replica)?.node.node
      if (node === undefined) return
      at(fault.span.from, node.setFaults(fault.faults))
      const restored = Object.fromEntries(Object.keys(fault.faults).map((key) => [key, NODE_DEFAULTS[key]]))
      return at(fault.span.from + fault.span.millis, node.setFaults(restored))
    }
    case "Backend": {
      const service = view.scenario.services[fault.service]
      if (service === undefined) return
      at(
        fault.span.from,
        Effect.sync(() => world.setBackend(service.id, fault.mode))
      )
      return at(
        fault.span.from + fault.span.millis,
        Effect.sync(() => world.setBackend(service.id, undefined))
      )
    }
    case "Shuffle":
      return at(0, world.chain.setShuffled(true))
    default:
  }
}

/** The supplier's owner dies, and whoever owns it next, as often as the fault says. */
const ownersDie = Effect.fnUntraced(function* (
  { view, miners, fork }: World,
  supplier: string,
  { successors, restartAfter }: Extract<Fault, { readonly _tag: "OwnersDie" }>
) {
  let last: string | undefined
  for (const tenure of [0, ...successors]) {
    let heir: MinerReplica | undefined
    for (let tries = 0; tries < SUCCESSION_TRIES && heir === undefined; tries++) {
      const { fence } = view.stores.supplier(supplier)
      const isNew = fence !== undefined && fence.nonce !== last && fence.expiresAt > view.clock()
      heir = isNew ? miners.find(({ name, isRunning }) => isRunning && name === fence.owner) : undefined
      if (heir === undefined) yield* Effect.sleep(SUCCESSION_TURN_MILLIS)
      else last = fence?.nonce
    }
    if (heir === undefined) return
    yield* Effect.sleep(tenure)
    const dying = heir
    dying.crash()
    fork(
      Effect.delay(
        Effect.sync(() => dying.start()),
        restartAfter
      )
    )
  }
})

/** How often and how long a successor is waited for: half a minute. */
const SUCCESSION_TURN_MILLIS = 100
const SUCCESSION_TRIES = 300

const endsOf = ({ view }: World): ReadonlyMap<string, number> => {
  const ends = new Map<string, number>()
  for (const supplier of view.suppliers) {
    for (const { events } of view.stores.supplier(supplier).sessions.values()) {
      for (const event of events) {
        if (!ENDS.has(event._tag)) continue
        const name = "reason" in event ? `${event._tag}(${event.reason})` : event._tag
        ends.set(name, (ends.get(name) ?? 0) + 1)
      }
    }
  }
  return ends
}

const ENDS = new Set([
  "RelaysLate",
  "ClaimMissed",
  "ProofMissed",
  "RootMismatch",
  "Settled",
  "Expired",
  "Discarded",
  "SettlementUnknown",
  "Skipped"
])

const NODE_DEFAULTS: Readonly<Record<string, unknown>> = { ...noFaults }

const bigintText = (_: string, value: unknown): unknown => (typeof value === "bigint" ? value.toString() : value)
