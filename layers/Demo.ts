/**
 * Everything in one process, without services: a relayer on a real port and a miner over embedded stores, a simulated
 * chain with short sessions, a backend, and a gateway that sends real relays.
 */
import { Duration, Effect, Layer, Option } from "effect"
import * as ScreenConsole from "../adapters/console/ScreenConsole.ts"
import * as EntropyNode from "../adapters/crypto/EntropyNode.ts"
import { nodeSha256 } from "../adapters/crypto/NodeSha256.ts"
import * as RingVerifierNative from "../adapters/crypto/RingVerifierNative.ts"
import * as SupplierKeysNative from "../adapters/crypto/SupplierKeysNative.ts"
import { startDemoBackend } from "../adapters/demo/DemoBackend.ts"
import * as DemoGateway from "../adapters/demo/DemoGateway.ts"
import { type DemoKey, demoKeys } from "../adapters/demo/DemoKeys.ts"
import * as BackendsHttp from "../adapters/http/BackendsHttp.ts"
import { RelayServer } from "../adapters/http/RelayServer.ts"
import * as BroadcastMemory from "../adapters/memory/BroadcastMemory.ts"
import * as LeasesMemory from "../adapters/memory/LeasesMemory.ts"
import { MemoryStores } from "../adapters/memory/MemoryStores.ts"
import * as MeterStoreMemory from "../adapters/memory/MeterStoreMemory.ts"
import * as RelayLogMemory from "../adapters/memory/RelayLogMemory.ts"
import * as RelaySpoolMemory from "../adapters/memory/RelaySpoolMemory.ts"
import * as SupplierStoreMemory from "../adapters/memory/SupplierStoreMemory.ts"
import { demoGenesis } from "../adapters/simchain/Genesis.ts"
import * as RecordedChain from "../adapters/simchain/RecordedChain.ts"
import * as SimChain from "../adapters/simchain/SimChain.ts"
import * as RelaySpoolDisk from "../adapters/spool/RelaySpoolDisk.ts"
import * as LeasesSqlite from "../adapters/sqlite/LeasesSqlite.ts"
import * as MeterStoreSqlite from "../adapters/sqlite/MeterStoreSqlite.ts"
import * as RelayLogSqlite from "../adapters/sqlite/RelayLogSqlite.ts"
import { SqliteStores } from "../adapters/sqlite/SqliteStores.ts"
import * as SupplierStoreSqlite from "../adapters/sqlite/SupplierStoreSqlite.ts"
import { summary } from "../domain/demo/DemoProgress.ts"
import { DemoFailed, DemoTraffic, makeDemoRun, Screen } from "../domain/demo/RunDemo.ts"
import { verify } from "../domain/keys/SupplierSignature.ts"
import { drain, unfinished } from "../domain/lifecycle/Drain.ts"
import { startMiner } from "../domain/mining/Miner.ts"
import { defaultMinerSettings, MinerSettings } from "../domain/mining/MinerSettings.ts"
import { defaultRelayPolicy, RelayPolicyRef, type ServicePolicy } from "../domain/relay/RelayPolicy.ts"
import type { Entropy } from "../domain/ports/Entropy.ts"
import type { Broadcast } from "../domain/ports/Broadcast.ts"
import type { Leases } from "../domain/ports/Leases.ts"
import type { MeterStore } from "../domain/ports/MeterStore.ts"
import type { RelayLog } from "../domain/ports/RelayLog.ts"
import type { RelaySpool } from "../domain/ports/RelaySpool.ts"
import type { SupplierStore } from "../domain/ports/SupplierStore.ts"
import { ServeRelay } from "../domain/relay/ServeRelay.ts"
import * as RelayPrograms from "./RelayPrograms.ts"
import * as Tracing from "./Tracing.ts"

const SERVICE = "demo-eth"
const COMPUTE_UNITS_PER_RELAY = 100n
const BLOCK_TIME = Duration.seconds(1)
/** Blocks of a session of the demo chain, `demoGenesis`. */
const SESSION_BLOCKS = 6
const DRAIN_DEADLINE = Duration.seconds(10)
const HOST = "127.0.0.1"
/** Bytes of relays that wait for the log, and of their spool on disk. */
const SPOOL_BYTES = 268_435_456

/** What the command line decides about a demo, in the ranges that `DemoCommand` checks. */
export interface DemoOptions {
  /** Relays that the gateway sends in each session. */
  readonly relays: number
  /** Sessions at the same time: one for each application. */
  readonly sessions: number
  readonly suppliers: number
  /** Makes the keys of all actors. */
  readonly seed: string
  /** Port of the relayer on the loopback interface; 0 takes a free one. */
  readonly port: number
  /** End with the first settlement. */
  readonly once: boolean
  /** Directory of everything that has to last: database, spool, journal of the chain. Without it all is in memory. */
  readonly data: Option.Option<string>
  readonly isColored: boolean
}

/** Runs until the first settlement (`once`) or until interrupted; drains and prints a summary either way. */
export const runDemo = (options: DemoOptions, output: ScreenConsole.Output) =>
  Effect.scoped(
    Effect.gen(function* () {
      const server = yield* RelayServer
      const relays = yield* ServeRelay
      const endpoint = `http://${HOST}:${server.port}`
      const miner = yield* startMiner
      yield* Effect.forkScoped(relays.keepHouse)
      return yield* Effect.gen(function* () {
        const traffic = yield* DemoTraffic
        const run = yield* makeDemoRun(endpoint, Option.isSome(options.data))
        const screen = yield* Screen
        const say = screen.line
        yield* say(
          `relaying at ${endpoint} (suppliers ${options.suppliers}, applications ${options.sessions}); Ctrl-C drains`
        )
        const end = Effect.gen(function* () {
          yield* say("draining")
          const reports = yield* drain(
            [
              { name: "not ready", run: server.unready },
              { name: "gateway stopped", run: traffic.stop },
              { name: "relays in flight finished", run: server.drain },
              { name: "spool flushed, meter settled", run: relays.drain },
              { name: "committed, checkpointed, leases released", run: miner.drain }
            ],
            DRAIN_DEADLINE
          )
          for (const line of summary(yield* run.look)) yield* say(line)
          const left = unfinished(reports)
          if (left.length > 0) yield* say(`not finished in time: ${left.join("; ")}`)
        })
        yield* run.watch(options.once).pipe(
          Effect.raceFirst(storesEnded),
          Effect.onExit(() => end)
        )
      }).pipe(
        Effect.provide(
          DemoGateway.layer({
            applications: applicationsOf(options).map(({ key, gateway }) => ({
              address: key.address,
              publicKey: key.publicKey,
              service: SERVICE,
              gatewayKey: gateway.privateKey
            })),
            relayer: endpoint,
            relays: options.relays,
            sessionTime: Duration.times(BLOCK_TIME, SESSION_BLOCKS),
            verifySignature: verify
          })
        )
      )
    })
  ).pipe(
    Effect.provide(
      layerProcess(options).pipe(
        // Around everything that traces, within the logger that it reports to.
        Layer.provideMerge(Tracing.layer()),
        Layer.provideMerge(ScreenConsole.layerLogger),
        Layer.provideMerge(ScreenConsole.layer(output, { isColored: options.isColored }))
      )
    )
  )

/** A database that is gone does not come back: the process ends, and its next start finds all that was confirmed. */
const storesEnded = Effect.flatMap(
  Effect.serviceOption(SqliteStores),
  Option.match({
    onNone: () => Effect.never,
    onSome: ({ ended }) => Effect.mapError(ended, ({ message }) => new DemoFailed({ reason: message }))
  })
)

/** Relayer and ports of the one process. */
const layerProcess = (options: DemoOptions) =>
  Option.match(options.data, {
    onNone: () => layerPorts(options, layerMemoryStores, SimChain.layer(chainOf(options))),
    // The database first: who has it open is alone in the directory.
    onSome: (directory) =>
      layerPorts(
        options,
        layerStoresIn(directory),
        RecordedChain.layer({ ...chainOf(options), path: `${directory}/chain.jsonl`, origin: originOf(options) })
      ).pipe(Layer.provideMerge(SqliteStores.layer({ directory })))
  })

/** Relayer over these stores and this chain. */
const layerPorts = <E1, R1, E2>(
  options: DemoOptions,
  stores: Layer.Layer<StorePorts, E1, R1>,
  chain: Layer.Layer<SimChain.SimChain, E2>
) => {
  const relaying = RelayServer.layer({
    host: HOST,
    port: options.port,
    maxBodyBytes: defaultRelayPolicy.maxBodyBytes
  }).pipe(Layer.provideMerge(RelayPrograms.layer))
  return relaying.pipe(
    Layer.provideMerge(stores),
    Layer.provideMerge(layerNode(chain)),
    Layer.provideMerge(layerBackends),
    Layer.provideMerge(
      Layer.mergeAll(
        RingVerifierNative.layer,
        SupplierKeysNative.layer(
          demoKeys(options.seed, "supplier", options.suppliers).map(({ privateKey }) => privateKey)
        ),
        EntropyNode.layer,
        layerPolicy,
        layerMinerSettings
      )
    )
  )
}

type StorePorts = RelayLog | SupplierStore | Leases | MeterStore | Broadcast | RelaySpool

const layerMemoryStores: Layer.Layer<StorePorts, never, Entropy> = Layer.mergeAll(
  RelayLogMemory.layer,
  SupplierStoreMemory.layer,
  LeasesMemory.layer,
  MeterStoreMemory.layer,
  BroadcastMemory.layer,
  RelaySpoolMemory.layer
).pipe(Layer.provide(MemoryStores.layer))

/** Broadcast stays in memory: the process is alone. The spool keeps relays that the database confirms too slowly. */
const layerStoresIn = (directory: string) =>
  Layer.mergeAll(
    RelayLogSqlite.layer,
    SupplierStoreSqlite.layer,
    LeasesSqlite.layer,
    MeterStoreSqlite.layer,
    BroadcastMemory.layer.pipe(Layer.provide(MemoryStores.layer)),
    RelaySpoolDisk.layer({ dir: `${directory}/spool`, maxBytes: SPOOL_BYTES, fsync: true })
  )

/** The chain's ports, with blocks coming. */
const layerNode = <E>(chain: Layer.Layer<SimChain.SimChain, E>) =>
  SimChain.layerNode().pipe(Layer.provideMerge(SimChain.layerProducer(BLOCK_TIME)), Layer.provide(chain))

/** All that the chain's blocks follow from, besides times and transactions. */
const originOf = ({ seed, sessions, suppliers }: DemoOptions): string =>
  `--seed ${JSON.stringify(seed)} --sessions ${sessions} --suppliers ${suppliers}`

const chainOf = (options: DemoOptions): SimChain.SimChainOptions => {
  const applications = applicationsOf(options)
  return {
    seed: options.seed,
    verifiers: { sha256: nodeSha256 },
    genesis: demoGenesis({
      services: [{ id: SERVICE, name: "Demo JSON-RPC", computeUnitsPerRelay: COMPUTE_UNITS_PER_RELAY }],
      gateways: uniqueGateways(applications).map(({ publicKey }) => ({ publicKey })),
      applications: applications.map(({ key, gateway }) => ({
        publicKey: key.publicKey,
        serviceIds: [SERVICE],
        gateways: [gateway.address]
      })),
      suppliers: demoKeys(options.seed, "supplier", options.suppliers).map(({ publicKey }) => ({
        publicKey,
        services: [{ serviceId: SERVICE }]
      }))
    })
  }
}

const layerBackends = Layer.unwrap(
  Effect.map(startDemoBackend, (url) =>
    BackendsHttp.layer([
      {
        service: SERVICE,
        rpcType: "jsonrpc",
        endpoints: [{ url: new URL(url), basePath: undefined, headers: {}, authorization: undefined }],
        loadBalancing: "round_robin",
        timeout: Duration.seconds(5),
        connectTimeout: Duration.seconds(2),
        headersTimeout: Duration.zero,
        keepAliveDelay: Duration.seconds(30),
        maxConnections: 64,
        idleTimeout: Duration.seconds(30),
        maxAnswerBytes: defaultRelayPolicy.maxBodyBytes,
        maxRetries: 1,
        failureThreshold: 3,
        recovery: Duration.seconds(5)
      }
    ])
  )
)

const demoService: ServicePolicy = {
  id: SERVICE,
  rpcTypes: new Set(["jsonrpc"]),
  defaultRpcType: "jsonrpc",
  validation: "eager",
  maxBodyBytes: defaultRelayPolicy.maxBodyBytes
}

const layerPolicy = Layer.succeed(RelayPolicyRef, {
  ...defaultRelayPolicy,
  relayer: "demo",
  nextBlockWait: Duration.times(BLOCK_TIME, 2),
  services: new Map([[SERVICE, demoService]])
})

const layerMinerSettings = Layer.succeed(MinerSettings, {
  ingest: { ...defaultMinerSettings.ingest, deliveryWait: Duration.millis(200) },
  submission: {
    ...defaultMinerSettings.submission,
    blockTime: BLOCK_TIME,
    sealPatience: Duration.millis(500),
    recheckEvery: Duration.millis(100)
  },
  fleet: { ...defaultMinerSettings.fleet, replica: "demo", drainDeadline: DRAIN_DEADLINE }
})

/** All applications are signed for by one gateway. */
const applicationsOf = (options: DemoOptions): ReadonlyArray<{ readonly key: DemoKey; readonly gateway: DemoKey }> => {
  const [gateway] = demoKeys(options.seed, "gateway", 1)
  return demoKeys(options.seed, "application", options.sessions).flatMap((key) =>
    gateway === undefined ? [] : [{ key, gateway }]
  )
}

const uniqueGateways = (applications: ReadonlyArray<{ readonly gateway: DemoKey }>): ReadonlyArray<DemoKey> => [
  ...new Map(applications.map(({ gateway }) => [gateway.address, gateway])).values()
]
