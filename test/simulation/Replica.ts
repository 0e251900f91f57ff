/**
 * One relayer or miner of a run, over all its incarnations: each starts with fresh memory over the shared stores, and ends
 * gracefully or by a crash.
 */
import { Context, Deferred, Effect, Fiber, Layer, Option } from "effect"
import { nodeSha256 } from "../../adapters/crypto/NodeSha256.ts"
import * as RelaySpoolMemory from "../../adapters/memory/RelaySpoolMemory.ts"
import { BulkSha256 } from "../../domain/crypto/BulkSha256.ts"
import { type Miner, startMiner } from "../../domain/mining/Miner.ts"
import { MinerSettings } from "../../domain/mining/MinerSettings.ts"
import { Backends } from "../../domain/ports/Backends.ts"
import { Blocks } from "../../domain/ports/Blocks.ts"
import { Broadcast } from "../../domain/ports/Broadcast.ts"
import { ChainQuery } from "../../domain/ports/ChainQuery.ts"
import { ChainTx } from "../../domain/ports/ChainTx.ts"
import { Leases } from "../../domain/ports/Leases.ts"
import { MeterStore } from "../../domain/ports/MeterStore.ts"
import { RelayLog, type RelayLogEntry } from "../../domain/ports/RelayLog.ts"
import { RelaySpool } from "../../domain/ports/RelaySpool.ts"
import { RingVerifier } from "../../domain/ports/RingVerifier.ts"
import { SupplierKeys } from "../../domain/ports/SupplierKeys.ts"
import { SupplierStore } from "../../domain/ports/SupplierStore.ts"
import { type RelayPolicy, RelayPolicyRef } from "../../domain/relay/RelayPolicy.ts"
import { type RelayAnswer, type RelayCall, ServeRelay } from "../../domain/relay/ServeRelay.ts"
import * as RelayPrograms from "../../layers/RelayPrograms.ts"
import type { NodePorts } from "../../adapters/simchain/SimNode.ts"
import { type GateKeeper, IncarnationGate } from "./Gate.ts"
import { ringVerifier } from "./RequestPool.ts"

/** Ports that all replicas share; each passes them through its own gate. */
export type SharedPorts = Backends | Broadcast | Leases | MeterStore | RelayLog | SupplierKeys | SupplierStore

/** What a replica needs of its run. */
export interface ReplicaHost {
  readonly ports: Context.Context<SharedPorts>
  readonly keeper: GateKeeper
  /** Runs an effect as a fiber of the run. */
  readonly fork: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
  readonly record: (text: string) => void
}

/** Longest graceful stop, virtual milliseconds; then it is a crash. */
const STOP_MILLIS = 15_000

interface Incarnation {
  readonly gate: IncarnationGate
  /** Done when the process is gone. */
  readonly gone: Deferred.Deferred<void>
  readonly fibers: Set<Fiber.Fiber<unknown, unknown>>
}

/** What both kinds of replica share: incarnations. */
abstract class Replica {
  readonly name: string
  readonly node: NodePorts
  protected readonly host: ReplicaHost
  protected current: Incarnation | undefined
  #incarnations = 0
  /** Crashes and kills so far. */
  crashes = 0

  constructor(name: string, node: NodePorts, host: ReplicaHost) {
    this.name = name
    this.node = node
    this.host = host
  }

  /** Whether a process is there, stopping or not. */
  get isRunning(): boolean {
    return this.current !== undefined
  }

  /** Number of the latest incarnation, from 1. */
  get incarnation(): number {
    return this.#incarnations
  }

  /** Starts an incarnation unless one is running. */
  start(): void {
    if (this.current !== undefined) return
    this.#incarnations++
    const incarnation: Incarnation = {
      gate: new IncarnationGate(this.name, this.#incarnations, this.host.keeper),
      gone: Deferred.makeUnsafe(),
      fibers: new Set()
    }
    this.current = incarnation
    this.host.record(`${this.name}#${this.#incarnations} starts`)
    incarnation.fibers.add(this.host.fork(this.launch(incarnation.gate)))
  }

  /** The process is gone at once; nobody waits for its fibers. */
  crash(): void {
    const { current } = this
    if (current === undefined) return
    this.crashes++
    this.host.record(`${this.name}#${current.gate.incarnation} is gone`)
    this.end(current)
  }

  /** Drains, then ends; a drain that hangs ends in a crash. */
  get stop(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { current } = this
      if (current === undefined) return Effect.void
      this.host.record(`${this.name}#${current.gate.incarnation} stops`)
      return this.drain.pipe(
        Effect.timeoutOption(STOP_MILLIS),
        Effect.map((drained) => {
          if (this.current !== current) return
          if (Option.isNone(drained)) this.crashes++
          this.host.record(`${this.name}#${current.gate.incarnation} stopped`)
          this.end(current)
        })
      )
    })
  }

  /** The program of one incarnation, over gated ports. */
  protected abstract launch(gate: IncarnationGate): Effect.Effect<never>

  /** The graceful part of a stop. */
  protected abstract readonly drain: Effect.Effect<unknown>

  protected end(incarnation: Incarnation): void {
    incarnation.gate.shut()
    this.current = undefined
    this.forget()
    const fibers = [...incarnation.fibers]
    // Interrupted from outside, after the step that ends the process has returned.
    this.host.fork(
      Effect.andThen(
        Effect.yieldNow,
        Effect.sync(() => fibers.forEach((fiber) => fiber.interruptUnsafe()))
      )
    )
    Deferred.doneUnsafe(incarnation.gone, Effect.void)
  }

  /** Nothing of an ended incarnation is used again. */
  protected abstract forget(): void

  protected chainPorts(gate: IncarnationGate): Context.Context<Blocks | ChainQuery | ChainTx> {
    return Context.make(Blocks, gate.wrap("Blocks", this.node.blocks)).pipe(
      Context.add(ChainQuery, gate.wrap("ChainQuery", this.node.query)),
      Context.add(ChainTx, gate.wrap("ChainTx", this.node.tx))
    )
  }
}

export class RelayerReplica extends Replica {
  readonly #policy: RelayPolicy
  /** Survives the process. */
  readonly spool = new Map<number, RelayLogEntry>()
  #serving: ServeRelay["Service"] | undefined
  #accepts = false
  /** Relays being served by the present incarnation. */
  #inFlight = { count: 0 }

  constructor(name: string, node: NodePorts, host: ReplicaHost, policy: RelayPolicy) {
    super(name, node, host)
    this.#policy = { ...policy, relayer: name }
  }

  get accepts(): boolean {
    return this.#accepts
  }

  /**
   * Sends a request. None when the process ended before it answered, or the caller hung up after `patience` milliseconds.
   */
  serve(call: RelayCall, patience: number | undefined): Effect.Effect<Option.Option<RelayAnswer>> {
    return Effect.suspend(() => {
      const { current } = this
      const serving = this.#serving
      if (current === undefined || serving === undefined || !this.#accepts) return Effect.succeedNone
      const inFlight = this.#inFlight
      inFlight.count++
      const fiber = this.host.fork(
        Effect.ensuring(
          serving.serve(call),
          Effect.sync(() => void inFlight.count--)
        )
      )
      current.fibers.add(fiber)
      const answered = Effect.map(Effect.exit(Fiber.join(fiber)), (exit) =>
        exit._tag === "Success" ? Option.some(exit.value) : Option.none()
      )
      const gone = Effect.as(Deferred.await(current.gone), Option.none<RelayAnswer>())
      const heard = Effect.raceFirst(answered, gone)
      if (patience === undefined) return heard
      const hungUp = Effect.as(
        Effect.tap(Effect.sleep(patience), () => Effect.sync(() => fiber.interruptUnsafe())),
        Option.none<RelayAnswer>()
      )
      return Effect.raceFirst(heard, hungUp)
    })
  }

  protected launch(gate: IncarnationGate): Effect.Effect<never> {
    const { ports } = this.host
    const spool = Layer.build(Layer.fresh(RelaySpoolMemory.layerWith(this.spool)))
    return Effect.gen({ self: this }, function* () {
      const kept = Context.get(yield* spool, RelaySpool)
      const context = this.chainPorts(gate).pipe(
        Context.add(RingVerifier, gate.wrap("RingVerifier", ringVerifier)),
        Context.add(SupplierKeys, gate.wrap("SupplierKeys", Context.get(ports, SupplierKeys))),
        Context.add(Broadcast, gate.wrap("Broadcast", Context.get(ports, Broadcast))),
        Context.add(Backends, gate.wrap("Backends", Context.get(ports, Backends))),
        Context.add(MeterStore, gate.wrap("MeterStore", Context.get(ports, MeterStore))),
        Context.add(RelayLog, gate.wrap("RelayLog", Context.get(ports, RelayLog))),
        Context.add(RelaySpool, gate.wrap("RelaySpool", kept)),
        Context.add(RelayPolicyRef, this.#policy)
      )
      const serving = Context.get(
        yield* Effect.provide(Layer.build(Layer.fresh(RelayPrograms.layer)), context),
        ServeRelay
      )
      this.#serving = serving
      this.#accepts = true
      return yield* serving.keepHouse
    }).pipe(Effect.scoped)
  }

  protected get drain(): Effect.Effect<unknown> {
    return Effect.suspend(() => {
      this.#accepts = false
      const idle = Effect.repeat(Effect.sleep(50), { until: () => this.#inFlight.count === 0 })
      const serving = this.#serving
      return serving === undefined ? Effect.void : Effect.andThen(idle, serving.drain)
    })
  }

  protected forget(): void {
    this.#serving = undefined
    this.#accepts = false
    this.#inFlight = { count: 0 }
  }
}

export class MinerReplica extends Replica {
  readonly #settings: MinerSettings
  #miner: Miner | undefined

  constructor(name: string, node: NodePorts, host: ReplicaHost, settings: MinerSettings) {
    super(name, node, host)
    this.#settings = withReplica(settings, name)
  }

  protected launch(gate: IncarnationGate): Effect.Effect<never> {
    const { ports } = this.host
    const context = this.chainPorts(gate).pipe(
      Context.add(Broadcast, gate.wrap("Broadcast", Context.get(ports, Broadcast))),
      Context.add(Leases, gate.wrap("Leases", Context.get(ports, Leases))),
      Context.add(SupplierKeys, gate.wrap("SupplierKeys", Context.get(ports, SupplierKeys))),
      Context.add(SupplierStore, gate.wrap("SupplierStore", Context.get(ports, SupplierStore))),
      Context.add(MinerSettings, this.#settings),
      Context.add(BulkSha256, nodeSha256)
    )
    return Effect.gen({ self: this }, function* () {
      this.#miner = yield* startMiner
      return yield* Effect.never
    }).pipe(Effect.scoped, Effect.provide(context))
  }

  /** Suppliers that the present incarnation counts as its own. */
  get owned(): Effect.Effect<ReadonlyArray<string>> {
    return Effect.suspend(() => this.#miner?.suppliers ?? Effect.succeed([]))
  }

  protected get drain(): Effect.Effect<unknown> {
    return Effect.suspend(() => this.#miner?.drain ?? Effect.void)
  }

  protected forget(): void {
    this.#miner = undefined
  }
}

const withReplica = ({ ingest, submission, fleet }: MinerSettings, replica: string): MinerSettings => ({
  ingest,
  submission,
  fleet: { ...fleet, replica }
})
