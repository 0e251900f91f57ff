/**
 * One supplier's pipeline through a real Redis on the loopback interface: a stream that is full of relays is taken in
 * batches, folded and committed with their acknowledgements. Beside it the same with one relay at a time, what opening and
 * checkpoints cost, memory of a relay on the server, and the price of many idle suppliers.
 *
 * `node test/bench/IngestBench.ts [--quick] [--aof no|everysec|always] [--relays N] [--idle N]`. Rates are of the wall clock, `cpu`
 * of one process each: on a machine whose cores are shared with others only the latter says what one core would do.
 */
import { pathToFileURL } from "node:url"
import { parseArgs } from "node:util"
import { Duration, Effect, Fiber, Layer, Option } from "effect"
import * as EntropyNode from "../../adapters/crypto/EntropyNode.ts"
import { nodeSha256 } from "../../adapters/crypto/NodeSha256.ts"
import * as LeasesRedis from "../../adapters/redis/LeasesRedis.ts"
import * as RedisConnections from "../../adapters/redis/RedisConnections.ts"
import { command } from "../../adapters/redis/RedisLink.ts"
import { StreamLosses } from "../../adapters/redis/StreamLosses.ts"
import * as SupplierStoreRedis from "../../adapters/redis/SupplierStoreRedis.ts"
import { BulkSha256 } from "../../domain/crypto/BulkSha256.ts"
import { checkpoint } from "../../domain/mining/Checkpoint.ts"
import { ingestRelays } from "../../domain/mining/IngestRelays.ts"
import { defaultMinerSettings, MinerSettings } from "../../domain/mining/MinerSettings.ts"
import { makeSessionLedger, SessionLedger } from "../../domain/mining/SessionLedger.ts"
import { makeSessionTries, SessionTries } from "../../domain/mining/SessionTries.ts"
import { Blocks } from "../../domain/ports/Blocks.ts"
import { ChainQuery } from "../../domain/ports/ChainQuery.ts"
import { Leases } from "../../domain/ports/Leases.ts"
import { SupplierStore } from "../../domain/ports/SupplierStore.ts"
import { SessionId, SupplierAddress } from "../../domain/protocol/Identifiers.ts"
import { defaultSharedParams } from "../../domain/protocol/SharedParams.ts"
import { encodeMinedRelay } from "../../domain/relay/MinedRelay.ts"
import { redisBinaries } from "../support/RedisBinaries.ts"
import { redisProcess } from "../support/RedisProcess.ts"
import { settingsFor, standaloneAddress } from "../support/RedisServers.ts"
import { testKey } from "../support/RelayBuilder.ts"
import { benchRelay, RELAY_BYTES } from "./BenchRelay.ts"
import { cpuMicros, print } from "./Harness.ts"

/** Relays from one number of leaves to the next, without a checkpoint between. */
export interface IngestStep {
  /** Leaves at the end of the step. */
  readonly leaves: number
  readonly relaysPerSecond: number
  /** CPU µs of a relay in the miner, and in the server. */
  readonly minerCpu: number
  readonly redisCpu: number
}

/** Figures of one run. */
export interface IngestFigures {
  readonly server: string
  readonly appendfsync: string
  readonly relays: number
  readonly relaysPerSecond: number
  readonly minerCpu: number
  readonly redisCpu: number
  /** Relays that one core of the miner can do in a second. */
  readonly byCoreSecond: number
  readonly steps: ReadonlyArray<IngestStep>
  /** Cost of the last step by the first. */
  readonly growth: number
  readonly oneByOnePerSecond: number
  readonly byOneByOne: number
  /** The same with inner nodes stored after each 50 000 leaves, by CPU of the miner. */
  readonly withCheckpoints: number
  readonly openSeconds: number
  readonly checkpointSeconds: number
  /** Bytes of server memory for each relay beyond its own, with leaves only and after a checkpoint. */
  readonly leafBytes: number
  readonly checkpointBytes: number
  readonly idle: { readonly suppliers: number; readonly minerCore: number; readonly redisCore: number }
}

const BATCH = 1_000
const ONE_BY_ONE = 300

const supplier = SupplierAddress.make(testKey("supplier").address)

/** Ports of the miner over a server on this port; leases live for an hour. */
export const layerOver = (port: number) =>
  Layer.mergeAll(
    SupplierStoreRedis.layer,
    LeasesRedis.layerWith(Duration.hours(1)),
    Layer.mock(Blocks, {
      latest: Effect.succeed({ height: 2n, hash: new Uint8Array(32), timeUnixNano: 0n }),
      peek: () => undefined
    }),
    Layer.mock(ChainQuery, {
      computeUnitsPerRelayAt: () => Effect.succeed(100n),
      sharedParamsAt: () => Effect.succeed(defaultSharedParams)
    })
  ).pipe(
    Layer.provide(StreamLosses.layer),
    Layer.provideMerge(RedisConnections.layer(settingsFor(standaloneAddress(port)))),
    Layer.provide(EntropyNode.layer),
    Layer.provideMerge(Layer.succeed(BulkSha256, nodeSha256))
  )

/** Defaults with this many leaves between checkpoints. */
export const settingsWith = (checkpointLeaves: number): MinerSettings => ({
  ingest: { ...defaultMinerSettings.ingest, checkpointLeaves },
  submission: defaultMinerSettings.submission,
  fleet: defaultMinerSettings.fleet
})

/** CPU µs and memory of the server so far. */
const serverNow = Effect.gen(function* () {
  const { info } = yield* RedisConnections.RedisConnections
  const [fields] = (yield* info("cpu", "memory")).values()
  const number = (name: string) => Number(fields?.get(name) ?? 0)
  return { cpu: (number("used_cpu_user") + number("used_cpu_sys")) * 1e6, memory: number("used_memory") }
})

/** Fills the supplier's stream. */
const preload = Effect.fnUntraced(function* (session: string, relays: number) {
  const { commands, names } = yield* RedisConnections.RedisConnections
  for (let done = 0; done < relays; done += BATCH) {
    yield* commands.pipeline(
      Array.from({ length: Math.min(BATCH, relays - done) }, () =>
        command("xadd", names.relays(supplier), "*", "data", encodeMinedRelay(benchRelay(supplier, session)))
      )
    )
  }
})

/** Takes `relays` from the stream, `max` at a time, as the miner's loop does. */
const ingest = Effect.fnUntraced(function* (relays: number, max: number) {
  const store = yield* SupplierStore
  const { lease } = yield* SessionLedger
  for (let done = 0; done < relays;) {
    const deliveries = yield* store.deliveries(lease, Math.min(max, Math.ceil(relays - done)), Duration.seconds(5))
    if ((yield* ingestRelays(deliveries)) > 0) return yield* Effect.die("a relay stayed in the log")
    done += deliveries.length
  }
})

/** Wall clock and CPU of both sides for each of `relays` that `work` does. */
const measured = Effect.fnUntraced(function* <E, R>(relays: number, work: Effect.Effect<unknown, E, R>) {
  const server = yield* serverNow
  const cpu = cpuMicros()
  const from = performance.now()
  yield* work
  const seconds = (performance.now() - from) / 1_000
  const minerCpu = (cpuMicros() - cpu) / relays
  return {
    seconds,
    relaysPerSecond: relays / seconds,
    minerCpu,
    redisCpu: ((yield* serverNow).cpu - server.cpu) / relays
  }
})

const pipeline = Effect.gen(function* () {
  const lease = Option.getOrThrow(yield* Leases.use((leases) => leases.acquire(supplier, "bench")))
  const tries = yield* makeSessionTries(supplier, 64)
  const ledger = yield* makeSessionLedger(lease).pipe(Effect.provideService(SessionTries, tries))
  const mined = <A, E, R>(work: Effect.Effect<A, E, R>, checkpointLeaves = 10_000_000) =>
    work.pipe(
      Effect.provideService(SessionTries, tries),
      Effect.provideService(SessionLedger, ledger),
      Effect.provideService(MinerSettings, settingsWith(checkpointLeaves))
    )
  return { tries, ledger, mined }
})

/** Id of the session with this number. */
export const sessionOf = (n: number) => SessionId.make(n.toString(16).padStart(64, "0"))

const measure = Effect.fnUntraced(function* (
  relays: number,
  idleSuppliers: number,
  server: string,
  appendfsync: string
) {
  const { tries, ledger, mined } = yield* pipeline
  // Code that runs for the first time is slow.
  yield* preload(sessionOf(1), relays / 4)
  yield* mined(ingest(relays / 4, BATCH))
  yield* tries.drop(sessionOf(1))

  const session = sessionOf(2)
  const empty = (yield* serverNow).memory
  yield* preload(session, relays)
  const steps: Array<IngestStep> = []
  for (const share of [0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]) {
    const { relaysPerSecond, minerCpu, redisCpu } = yield* measured(
      relays * share,
      mined(ingest(relays * share, BATCH))
    )
    steps.push({ leaves: Math.round(relays * share * (steps.length + 1)), relaysPerSecond, minerCpu, redisCpu })
  }
  const mean = (of: (step: IngestStep) => number) => steps.reduce((sum, step) => sum + of(step), 0) / steps.length
  const leafBytes = ((yield* serverNow).memory - empty) / relays - RELAY_BYTES

  const open = Effect.andThen(
    tries.drop(session),
    ledger.change(session, (copy) => Effect.map(tries.ready(copy, []), () => [{}, undefined] as const))
  )
  const opened = yield* measured(relays, mined(open))
  const checkpointed = yield* measured(relays, mined(checkpoint(session)))
  const checkpointBytes = ((yield* serverNow).memory - empty) / relays - RELAY_BYTES

  yield* preload(sessionOf(3), relays)
  const whole = yield* measured(relays, mined(ingest(relays, BATCH), 50_000))
  yield* preload(sessionOf(4), ONE_BY_ONE)
  const oneByOne = yield* measured(ONE_BY_ONE, mined(ingest(ONE_BY_ONE, 1)))
  const idle = yield* idleCost(idleSuppliers)
  const minerCpu = mean((step) => step.minerCpu)
  const relaysPerSecond = 1 / mean((step) => 1 / step.relaysPerSecond)
  const figures: IngestFigures = {
    server,
    appendfsync,
    relays,
    relaysPerSecond,
    minerCpu,
    redisCpu: mean((step) => step.redisCpu),
    byCoreSecond: 1e6 / minerCpu,
    steps,
    growth: (steps.at(-1)?.minerCpu ?? Number.NaN) / (steps[0]?.minerCpu ?? Number.NaN),
    oneByOnePerSecond: oneByOne.relaysPerSecond,
    byOneByOne: relaysPerSecond / oneByOne.relaysPerSecond,
    withCheckpoints: whole.minerCpu / minerCpu,
    openSeconds: opened.seconds,
    checkpointSeconds: checkpointed.seconds,
    leafBytes,
    checkpointBytes,
    idle
  }
  return figures
})

/** Share of a core that suppliers cost which wait for relays, as the miner's loop waits. */
const idleCost = Effect.fnUntraced(function* (suppliers: number) {
  const store = yield* SupplierStore
  const leases = yield* Effect.forEach(
    Array.from({ length: suppliers }, (_, n) => SupplierAddress.make(`pokt1idle${n}`)),
    (address) =>
      Effect.map(
        Leases.use((all) => all.acquire(address, "bench")),
        Option.getOrThrow
      ),
    { concurrency: 50 }
  )
  const waiting = yield* Effect.forEach(leases, (lease) =>
    Effect.forkChild(Effect.forever(store.deliveries(lease, BATCH, defaultMinerSettings.ingest.deliveryWait)))
  )
  yield* Effect.sleep("3 seconds")
  const cost = yield* measured(1, Effect.sleep("10 seconds"))
  yield* Fiber.interruptAll(waiting)
  return {
    suppliers,
    minerCore: cost.minerCpu / (cost.seconds * 1e6),
    redisCore: cost.redisCpu / (cost.seconds * 1e6)
  }
})

/** Measures on a server of its own. `appendfsync`: `no` without append-only file. */
export const benchIngest = (relays: number, appendfsync = "no", idleSuppliers = 1_000): Promise<IngestFigures> => {
  const [binary] = redisBinaries()
  if (binary === undefined) throw new Error("no Redis server")
  const args = appendfsync === "no" ? [] : ["--appendonly", "yes", "--appendfsync", appendfsync]
  return Effect.gen(function* () {
    const { port } = yield* redisProcess(binary.path, { args })
    return yield* Effect.provide(measure(relays, idleSuppliers, binary.version, appendfsync), layerOver(port))
  }).pipe(Effect.scoped, Effect.orDie, Effect.runPromise)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean" },
      aof: { type: "string" },
      relays: { type: "string" },
      idle: { type: "string" }
    }
  })
  const relays = Number(values.relays ?? (values.quick === true ? 20_000 : 100_000))
  print(await benchIngest(relays, values.aof, Number(values.idle ?? (values.quick === true ? 200 : 1_000))))
}
