/**
 * One run's network: a chain, the shared stores, relayers and miners behind their gates, and the checks that watch every
 * step. Everything is in memory and on the run's own clock.
 */
import { Clock, Context, Duration, Effect, type Exit, type Fiber, Layer, Option, SubscriptionRef } from "effect"
import * as BroadcastMemory from "../../adapters/memory/BroadcastMemory.ts"
import * as EntropySeeded from "../../adapters/memory/EntropySeeded.ts"
import * as LeasesMemory from "../../adapters/memory/LeasesMemory.ts"
import { makeStores, MemoryStores } from "../../adapters/memory/MemoryStores.ts"
import * as MeterStoreMemory from "../../adapters/memory/MeterStoreMemory.ts"
import * as RelayLogMemory from "../../adapters/memory/RelayLogMemory.ts"
import * as SupplierStoreMemory from "../../adapters/memory/SupplierStoreMemory.ts"
import type { ChainState } from "../../adapters/simchain/ChainState.ts"
import { genesis } from "../../adapters/simchain/Genesis.ts"
import { type NodeFaults, noFaults } from "../../adapters/simchain/NodeFaults.ts"
import * as SimChain from "../../adapters/simchain/SimChain.ts"
import type { NodePorts } from "../../adapters/simchain/SimNode.ts"
import { makeKeyRing, makeSupplierKeys } from "../../domain/keys/KeyRing.ts"
import { SupplierKeys } from "../../domain/ports/SupplierKeys.ts"
import type { RelayLogEntry } from "../../domain/ports/RelayLog.ts"
import type { SessionCommit } from "../../domain/ports/SupplierStore.ts"
import type { MeterKey } from "../../domain/ports/MeterStore.ts"
import type { Lease } from "../../domain/ports/Leases.ts"
import { encodeMinedRelay } from "../../domain/relay/MinedRelay.ts"
import { defaultRelayPolicy, type RelayPolicy } from "../../domain/relay/RelayPolicy.ts"
import { applications, gateways, supplierKeys, suppliers } from "./Actors.ts"
import { Ability } from "./Ability.ts"
import { ChainConduct } from "./ChainConduct.ts"
import type { BackendMode } from "./Faults.ts"
import { FeeConduct } from "./FeeConduct.ts"
import type { Directive, GateKeeper, Step } from "./Gate.ts"
import { Injection } from "./Injection.ts"
import { LeaseConduct } from "./LeaseConduct.ts"
import { RelayAccounting } from "./RelayAccounting.ts"
import { MinerReplica, RelayerReplica, type ReplicaHost } from "./Replica.ts"
import { signMessage, verifiers } from "./RequestPool.ts"
import type { RunView, Violation } from "./RunView.ts"
import type { Scenario } from "./Scenario.ts"
import { SealConduct } from "./SealConduct.ts"
import { ServingConduct } from "./ServingConduct.ts"
import * as SimBackends from "./SimBackends.ts"
import { Trace } from "./Trace.ts"

/**
 * Where the clock of every run starts: milliseconds since the Unix epoch. Early, because `TestClock` counts in floating
 * point: later a sleep of some nanoseconds would not move it.
 */
export const EPOCH_MILLIS = 1_000_000_000

/** Relays that a poor application can pay for in one session with one supplier. */
const POOR_RELAYS = 4n

export interface World {
  readonly view: RunView
  readonly trace: Trace
  readonly injection: Injection
  readonly chain: SimChain.SimChain["Service"]
  /** A node without faults, for whoever looks at the chain from outside. */
  readonly observer: NodePorts
  readonly relayers: ReadonlyArray<RelayerReplica>
  readonly miners: ReadonlyArray<MinerReplica>
  readonly accounting: RelayAccounting
  readonly serving: ServingConduct
  readonly chainConduct: ChainConduct
  readonly ability: Ability
  readonly seals: SealConduct
  /** The first broken invariant, if any. */
  readonly violation: () => Violation | undefined
  readonly fork: ReplicaHost["fork"]
  readonly record: (text: string) => void
  /** Backends of the service answer like this from now on. */
  readonly setBackend: (service: string, mode: BackendMode | undefined) => void
  /** Commits a block and checks what it says. */
  readonly produceBlock: Effect.Effect<void>
  /** Entries that were ever appended to the supplier's log, in order. */
  readonly appended: (supplier: string) => ReadonlyArray<Uint8Array>
  /** Appends an entry to the supplier's log past all relayers. */
  readonly appendAgain: (supplier: string, data: Uint8Array) => void
  /** Checks all suppliers, and what the miners count as their own. */
  readonly checkAll: () => void
  /** All nodes work again. */
  readonly heal: Effect.Effect<void>
}

export const makeWorld = Effect.fnUntraced(function* (scenario: Scenario) {
  const context = yield* Effect.context<never>()
  const clock = yield* Clock.Clock
  const runFork = Effect.runForkWith(context)
  const runSync = Effect.runSyncWith(context)
  const fork = <A, E>(effect: Effect.Effect<A, E>): Fiber.Fiber<A, E> => runFork(effect)
  const now = () => clock.currentTimeMillisUnsafe() - EPOCH_MILLIS
  const trace = new Trace()
  const record = (text: string) => trace.record(now(), text)
  const stores = makeStores()
  const backends = new Map<string, BackendMode>()
  const chain = yield* SimChain.make({ genesis: genesisOf(scenario), seed: "simulation", verifiers })
  const observer = yield* chain.makeNode()
  const nodes = new Map<string, NodePorts>()
  for (const name of [...scenario.relayers, ...scenario.miners]) nodes.set(name, yield* chain.makeNode())
  const spools = new Map<string, ReadonlyMap<number, RelayLogEntry>>()
  const addresses = suppliers.slice(0, scenario.suppliers).map(({ address }) => address)
  let violation: Violation | undefined
  const view: RunView = {
    scenario,
    stores,
    spools,
    suppliers: addresses,
    now,
    clock: () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6,
    chain: () => runSync(chain.state),
    heightOf: (replica) => {
      const node = nodes.get(replica)
      return node === undefined ? 0n : runSync(node.node.height)
    },
    violate: (invariant, detail) => {
      record(`VIOLATION ${invariant} ${detail}`)
      violation ??= { invariant, detail, at: now() }
    }
  }
  const accounting = new RelayAccounting(view)
  const leases = new LeaseConduct(view)
  const chainConduct = new ChainConduct(view, leases)
  const ability = new Ability(view)
  const fees = new FeeConduct(view, (supplier) => ability.isBehind(supplier))
  const serving = new ServingConduct(view)
  const seals = new SealConduct(view)
  const injection = new Injection(scenario.seed, scenario.faults, scenario.healedAt)
  const appended = new Map<string, Array<Uint8Array>>()

  const logged = (supplier: string, id: string, data: Uint8Array) => {
    accounting.logged(supplier, id, data)
    seals.logged(supplier, id, data)
    appended.set(supplier, [...(appended.get(supplier) ?? []), data])
  }

  const nodeOf = (name: string) => Option.getOrThrow(Option.fromUndefinedOr(nodes.get(name)))
  const replicas = new Map<string, RelayerReplica | MinerReplica>()
  const switchesOf = (replica: string) => runSync(nodeOf(replica).node.faults)
  /** Switches of a miner's node before a call to it takes effect. */
  const switches = new WeakMap<Step, NodeFaults>()

  const effected = (step: Step, exit: Exit.Exit<unknown, unknown>) => {
    record(`${step.replica}#${step.incarnation} ${step.operation} ${outcome(exit)}`)
    leases.effected(step, exit)
    serving.effected(step, exit)
    const before = switches.get(step)
    if (before !== undefined) ability.answered(step, before, switchesOf(step.replica), exit)
    switch (step.operation) {
      case "ChainTx.broadcast":
        fees.answered(step.args[0] as Uint8Array, exit)
        break
      case "RelayLog.append": {
        if (exit._tag === "Failure") break
        const { relay } = step.args[0] as RelayLogEntry
        const supplier = relay.supplierOperatorAddress
        const entries = stores.supplier(supplier).log.entries()
        const entry = entries.find(({ id }) => id === exit.value)
        logged(supplier, String(exit.value), entry?.data ?? encodeMinedRelay(relay))
        accounting.remember(relay, false)
        accounting.check(supplier)
        break
      }
      case "RelaySpool.remove":
        for (const supplier of addresses) accounting.check(supplier)
        break
      case "SupplierStore.commit": {
        const { supplier } = step.args[0] as Lease
        if (exit._tag === "Success") {
          const commit = step.args[1] as SessionCommit
          accounting.committed(supplier, commit)
          seals.committed(step, supplier, commit)
        }
        accounting.check(supplier)
        break
      }
      case "SupplierStore.backlog":
        if (exit._tag === "Success") seals.looked(step, (step.args[0] as Lease).supplier)
        break
      case "SupplierStore.dropIntent":
        if (exit._tag === "Success") fees.dropped(String(step.args[1]))
        break
      case "SupplierStore.setAside":
      case "SupplierStore.writeNodes":
      case "SupplierStore.deleteNodes":
      case "SupplierStore.dropNodes":
      case "SupplierStore.forget":
        accounting.check((step.args[0] as Lease).supplier)
        break
      case "MeterStore.take":
        if (exit._tag === "Failure") serving.forgive()
    }
    if (injection.redelivers(step, now())) for (const supplier of addresses) redeliver(stores, supplier)
  }

  const keeper: GateKeeper = {
    begin: (step) => {
      const directive = injection.directive(step, now())
      leases.begin(step)
      ability.begin(step, directive)
      serving.begin(step)
      if (step.operation === "RelayLog.append") seals.appending(step, step.args[0] as RelayLogEntry)
      if (step.operation === "ChainTx.broadcast") {
        chainConduct.broadcast(step, step.args[0] as Uint8Array)
        if (directive.crash?.moment !== "before") fees.broadcast(step, step.args[0] as Uint8Array)
      }
      if (
        step.operation.startsWith("MeterStore.") &&
        (directive.failure !== undefined || directive.crash !== undefined)
      ) {
        serving.forgive()
        if (scenario.failBehavior === "open") serving.uncharged = true
      }
      if (step.operation === "MeterStore.take") {
        const millis = delayOf(directive)
        if (scenario.failBehavior === "open" && millis >= TAKE_WAIT_MILLIS) serving.uncharged = true
        if (millis >= TAKE_LIFE_MILLIS) serving.forgive()
      }
      record(`${step.replica}#${step.incarnation} ${step.operation}${subject(step)}${fate(directive)}`)
      return directive
    },
    entering: (step) => {
      serving.entering(step)
      if (step.operation.startsWith("ChainTx.")) switches.set(step, switchesOf(step.replica))
    },
    effected,
    crashed: (name, restartAfter) => {
      const replica = replicas.get(name)
      if (replica === undefined) return
      if (replica instanceof RelayerReplica) serving.forgive()
      replica.crash()
      fork(
        Effect.delay(
          Effect.sync(() => replica.start()),
          restartAfter
        )
      )
    },
    now,
    detach: (effect) => void fork(Effect.ignore(effect))
  }

  const sharedStores = Layer.succeed(MemoryStores, stores)
  const keys = makeSupplierKeys(yield* SubscriptionRef.make(makeKeyRing(supplierKeys(scenario.suppliers))), signMessage)
  const ports = yield* Layer.build(
    Layer.fresh(
      Layer.mergeAll(
        BroadcastMemory.layer,
        LeasesMemory.layerWith(Duration.millis(scenario.leaseMillis)).pipe(Layer.provide(EntropySeeded.layer)),
        MeterStoreMemory.layer,
        RelayLogMemory.layer,
        SupplierStoreMemory.layer,
        SimBackends.layer((service) => backends.get(service))
      ).pipe(Layer.provide(sharedStores))
    )
  )
  const host: ReplicaHost = { ports: Context.add(ports, SupplierKeys, keys), keeper, fork, record }
  const relayers = scenario.relayers.map((name) => new RelayerReplica(name, nodeOf(name), host, policyOf(scenario)))
  const miners = scenario.miners.map((name) => new MinerReplica(name, nodeOf(name), host, scenario.settings))
  for (const replica of [...relayers, ...miners]) replicas.set(replica.name, replica)
  for (const relayer of relayers) spools.set(relayer.name, relayer.spool)

  const world: World = {
    view,
    trace,
    injection,
    chain,
    observer,
    relayers,
    miners,
    accounting,
    serving,
    chainConduct,
    ability,
    seals,
    violation: () => violation,
    fork,
    record,
    setBackend: (service, mode) => {
      if (mode === undefined) backends.delete(service)
      else backends.set(service, mode)
    },
    produceBlock: Effect.gen(function* () {
      // Nodes tell their replicas while the block is being committed.
      seals.block(view.chain().height + 1n)
      ability.block(view.chain().height)
      const block = yield* chain.produceBlock
      const txs = block.txs.map(({ hash, result }) => `${hash.slice(0, 8)}:${result.code}`)
      record(`block ${block.height} with ${txs.join()}`)
      chainConduct.block([...block.txs.flatMap(({ result }) => result.events), ...block.endBlockEvents])
      fees.block(block.txs)
      ability.committed(block.txs)
      serving.block()
    }),
    appended: (supplier) => appended.get(supplier) ?? [],
    appendAgain: (supplier, data) => {
      const copy = Uint8Array.from(data)
      const { log } = stores.supplier(supplier)
      logged(supplier, log.append({ data: copy, trace: Option.none() }, clock.currentTimeMillisUnsafe()), copy)
    },
    checkAll: () => {
      for (const supplier of addresses) accounting.check(supplier)
      for (const miner of miners) leases.owns(miner.name, miner.incarnation, runSync(miner.owned))
      for (const supplier of addresses) {
        const { fence } = stores.supplier(supplier)
        const owner = miners.find(({ name }) => name === fence?.owner)
        const isHeld = owner?.isRunning === true && runSync(owner.owned).includes(supplier)
        ability.owned(supplier, isHeld ? owner.name : undefined, fence?.nonce)
      }
    },
    heal: Effect.forEach([...nodes.values()], ({ node }) => node.setFaults(noFaults), { discard: true })
  }
  return world
})

/** What the supplier's owner holds is handed out again. */
export const redeliver = (stores: MemoryStores["Service"], supplier: string): void => {
  const { fence, log } = stores.supplier(supplier)
  if (fence !== undefined) log.redeliver(fence.nonce)
}

const genesisOf = (scenario: Scenario): ChainState => {
  const price = 42n
  const { shared } = scenario.params
  const offsets =
    (shared?.claimWindowOpenOffsetBlocks ?? 0n) +
    (shared?.claimWindowCloseOffsetBlocks ?? 0n) +
    (shared?.proofWindowOpenOffsetBlocks ?? 0n) +
    (shared?.proofWindowCloseOffsetBlocks ?? 0n)
  const blocks = shared?.numBlocksPerSession ?? 1n
  const pending = (offsets + blocks - 1n) / blocks
  const poorStake = POOR_RELAYS * 1_000n * price * BigInt(scenario.suppliers) * (pending + 1n)
  return genesis({
    chainId: "simulation",
    params: scenario.params,
    applications: applications.map(({ publicKey, gateways: delegates }, index) => ({
      publicKey,
      serviceIds: scenario.services.map(({ id }) => id),
      gateways: delegates.map(({ address }) => address),
      ...(scenario.poor[index] === true ? { stake: poorStake } : {})
    })),
    gateways: gateways.map(({ publicKey }) => ({ publicKey })),
    suppliers: suppliers.slice(0, scenario.suppliers).map(({ publicKey }) => ({
      publicKey,
      services: scenario.services.map(({ id }) => ({ serviceId: id }))
    })),
    services: scenario.services.map(({ id, computeUnitsPerRelay, target }) => ({
      id,
      computeUnitsPerRelay,
      ...(target === undefined ? {} : { targetHash: target })
    }))
  })
}

const policyOf = (scenario: Scenario): RelayPolicy => ({
  ...defaultRelayPolicy,
  services: new Map(
    scenario.services.map(({ id, validation }) => [
      id,
      {
        id,
        rpcTypes: new Set(["jsonrpc"] as const),
        defaultRpcType: "jsonrpc" as const,
        validation,
        maxBodyBytes: 1_000_000
      }
    ])
  ),
  meter: { ...defaultRelayPolicy.meter, failBehavior: scenario.failBehavior }
})

/** So long a relay waits for the meter, then it is served uncharged where that is the policy. Source: `RelayMeter`. */
const TAKE_WAIT_MILLIS = 250
/** So long a chunk is waited for; then it stays charged, as after a crash. Source: `RelayMeter`. */
const TAKE_LIFE_MILLIS = TAKE_WAIT_MILLIS + 10_000

const delayOf = ({ delayAfter = 0, delayBefore = 0 }: Directive): number => delayBefore + delayAfter

const outcome = (exit: Exit.Exit<unknown, unknown>): string => {
  if (exit._tag === "Success") return "ok"
  const [reason] = exit.cause.reasons
  if (reason?._tag === "Fail") return tagOf(reason.error)
  return reason?._tag ?? "failed"
}

/** What the call is about: supplier and session, shortened. */
const subject = ({ operation, args }: Step): string => {
  const [first, second] = args
  if (operation.startsWith("SupplierStore.")) {
    const supplier = typeof first === "string" ? first : (first as Lease).supplier
    const session = operation === "SupplierStore.commit" ? (second as SessionCommit).session : second
    return ` ${supplier.slice(-4)}${typeof session === "string" ? ` ${session.slice(0, 6)}` : ""}`
  }
  if (!operation.startsWith("MeterStore.")) return ""
  // The counter is the argument, or in it.
  const { session, supplier } = (
    "key" in (first as object) ? (first as { readonly key: MeterKey }).key : first
  ) as MeterKey
  return ` ${supplier.slice(-4)} ${session.slice(0, 6)}${typeof second === "bigint" ? ` ${second}` : ""}`
}

const tagOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "_tag" in error ? String(error._tag) : "failed"

const fate = ({ crash, failure, delayBefore, delayAfter, lateEffect }: ReturnType<Injection["directive"]>): string => {
  if (crash !== undefined) return ` CRASH ${crash.moment}`
  if (failure !== undefined) return ` FAILS, effect ${failure.effect}`
  if (lateEffect !== undefined) return ` LATE ${lateEffect}`
  return delayBefore === undefined ? "" : ` +${delayBefore}/${delayAfter ?? 0}`
}
