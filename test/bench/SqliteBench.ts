/**
 * One supplier's pipeline over the database on a real disk: relays are taken from the log in batches, folded and committed
 * with their acknowledgements. Beside it the same with one relay at a time, and how fast relays come into the log.
 *
 * `node test/bench/SqliteBench.ts [--quick]`. Figures are of the wall clock, as waiting for the disk is what is measured;
 * `cpu` is that of the process, database thread included.
 */
import { mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { Duration, Effect, Layer, Option } from "effect"
import * as EntropyNode from "../../adapters/crypto/EntropyNode.ts"
import { nodeSha256 } from "../../adapters/crypto/NodeSha256.ts"
import * as LeasesSqlite from "../../adapters/sqlite/LeasesSqlite.ts"
import * as RelayLogSqlite from "../../adapters/sqlite/RelayLogSqlite.ts"
import { SqliteStores } from "../../adapters/sqlite/SqliteStores.ts"
import * as SupplierStoreSqlite from "../../adapters/sqlite/SupplierStoreSqlite.ts"
import { BulkSha256 } from "../../domain/crypto/BulkSha256.ts"
import { checkpoint } from "../../domain/mining/Checkpoint.ts"
import { ingestRelays } from "../../domain/mining/IngestRelays.ts"
import { defaultMinerSettings, MinerSettings } from "../../domain/mining/MinerSettings.ts"
import { makeSessionLedger, SessionLedger } from "../../domain/mining/SessionLedger.ts"
import { makeSessionTries, SessionTries } from "../../domain/mining/SessionTries.ts"
import { Blocks } from "../../domain/ports/Blocks.ts"
import { ChainQuery } from "../../domain/ports/ChainQuery.ts"
import { Leases } from "../../domain/ports/Leases.ts"
import { RelayLog, type RelayLogEntry } from "../../domain/ports/RelayLog.ts"
import { SupplierStore } from "../../domain/ports/SupplierStore.ts"
import { SessionId, SupplierAddress } from "../../domain/protocol/Identifiers.ts"
import { defaultSharedParams } from "../../domain/protocol/SharedParams.ts"
import { testKey } from "../support/RelayBuilder.ts"
import { benchRelay } from "./BenchRelay.ts"
import { type BenchLength, cpuMicros, lengthFromArguments, median, print } from "./Harness.ts"

/** Figures of one run; rates are relays a second. */
export interface SqliteFigures {
  readonly relays: number
  /** Median over the rounds, and the best round: the machine is shared. */
  readonly pipeline: number
  readonly pipelineBest: number
  /** CPU µs of a relay in the pipeline, both threads, and relays for each second of it: what a busy machine leaves true. */
  readonly pipelineCpu: number
  readonly pipelineByCpuSecond: number
  readonly oneByOne: number
  readonly pipelineByOneByOne: number
  /** Relays appended by 1000 callers at once, and by one. */
  readonly append: number
  readonly appendOneByOne: number
  readonly checkpointMilliseconds: number
  /** The session of all relays loaded, its trie rebuilt from leaves that no checkpoint covers. */
  readonly openMilliseconds: number
  readonly fileBytesByRelay: number
}

const BATCH = 1_000
const ONE_BY_ONE = 300

const supplier = SupplierAddress.make(testKey("supplier").address)

const entryOf = (session: string): RelayLogEntry => ({ relay: benchRelay(supplier, session), trace: Option.none() })

const layerOver = (directory: string) =>
  Layer.mergeAll(
    SupplierStoreSqlite.layer,
    RelayLogSqlite.layer,
    LeasesSqlite.layerWith(Duration.hours(1)),
    // A batch of 1000 relays of 1 KB is one commit; the default cuts it in two, which Redis likes better.
    Layer.succeed(MinerSettings, {
      ingest: { ...defaultMinerSettings.ingest, commitBytes: 4_194_304 },
      submission: defaultMinerSettings.submission,
      fleet: defaultMinerSettings.fleet
    }),
    Layer.mock(Blocks, {
      latest: Effect.succeed({ height: 2n, hash: new Uint8Array(32), timeUnixNano: 0n }),
      peek: () => undefined
    }),
    Layer.mock(ChainQuery, {
      computeUnitsPerRelayAt: () => Effect.succeed(100n),
      sharedParamsAt: () => Effect.succeed(defaultSharedParams)
    })
  ).pipe(
    Layer.provide(SqliteStores.layer({ directory })),
    Layer.provide(EntropyNode.layer),
    Layer.provideMerge(Layer.succeed(BulkSha256, nodeSha256))
  )

/** Seconds that `work` takes. */
const seconds = Effect.fnUntraced(function* <A, E, R>(work: Effect.Effect<A, E, R>) {
  const from = performance.now()
  yield* work
  return (performance.now() - from) / 1_000
})

const appendAll = (entries: ReadonlyArray<RelayLogEntry>, concurrency: number) =>
  RelayLog.use((log) => Effect.forEach(entries, log.append, { concurrency, discard: true }))

/** Takes `relays` from the log, `max` at a time, as the miner's loop does. */
const ingest = Effect.fnUntraced(function* (relays: number, max: number) {
  const store = yield* SupplierStore
  const { lease } = yield* SessionLedger
  for (let done = 0; done < relays;) {
    const deliveries = yield* store.deliveries(lease, max, Duration.seconds(5))
    if ((yield* ingestRelays(deliveries)) > 0) return yield* Effect.die("a relay stayed in the log")
    done += deliveries.length
  }
})

const measure = (directory: string, relays: number, { rounds }: BenchLength) =>
  Effect.gen(function* () {
    const lease = Option.getOrThrow(yield* Leases.use((leases) => leases.acquire(supplier, "bench")))
    const tries = yield* makeSessionTries(supplier, 64)
    const ledger = yield* makeSessionLedger(lease).pipe(Effect.provideService(SessionTries, tries))
    const mined = <A, E, R>(work: Effect.Effect<A, E, R | SessionTries | SessionLedger>) =>
      work.pipe(Effect.provideService(SessionTries, tries), Effect.provideService(SessionLedger, ledger))
    const pipeline: Array<number> = []
    const cpu: Array<number> = []
    const oneByOne: Array<number> = []
    const append: Array<number> = []
    const appendOneByOne: Array<number> = []
    let session = SessionId.make("00".repeat(32))
    for (let round = 0; round <= rounds; round++) {
      session = SessionId.make(round.toString(16).padStart(64, "0"))
      const entries = Array.from({ length: relays }, () => entryOf(session))
      const appended = yield* seconds(appendAll(entries, BATCH))
      const cpuBefore = cpuMicros()
      const ingested = yield* seconds(mined(ingest(relays, BATCH)))
      const cpuAfter = cpuMicros()
      const few = Array.from({ length: ONE_BY_ONE }, () => entryOf(session))
      const appendedFew = yield* seconds(appendAll(few, 1))
      const ingestedFew = yield* seconds(mined(ingest(ONE_BY_ONE, 1)))
      if (round === 0) continue
      pipeline.push(relays / ingested)
      cpu.push((cpuAfter - cpuBefore) / relays)
      append.push(relays / appended)
      oneByOne.push(ONE_BY_ONE / ingestedFew)
      appendOneByOne.push(ONE_BY_ONE / appendedFew)
    }
    const open = mined(
      Effect.andThen(
        tries.drop(session),
        ledger.change(session, (copy) => Effect.map(tries.ready(copy, []), () => [{}, undefined] as const))
      )
    )
    const opened = yield* seconds(open)
    const checkpointed = yield* seconds(mined(checkpoint(session)))
    const figures: SqliteFigures = {
      relays,
      pipeline: median(pipeline),
      pipelineBest: Math.max(...pipeline),
      pipelineCpu: median(cpu),
      pipelineByCpuSecond: 1e6 / median(cpu),
      oneByOne: median(oneByOne),
      pipelineByOneByOne: median(pipeline.map((rate, round) => rate / (oneByOne[round] ?? Number.NaN))),
      append: median(append),
      appendOneByOne: median(appendOneByOne),
      checkpointMilliseconds: checkpointed * 1_000,
      openMilliseconds: opened * 1_000,
      fileBytesByRelay: statSync(join(directory, "relaymill.db")).size / ((relays + ONE_BY_ONE) * (rounds + 1))
    }
    return figures
  }).pipe(Effect.provide(layerOver(directory)), Effect.scoped, Effect.orDie)

/** Measures on the disk of the system's temporary directory. */
export const benchSqlite = async (length: BenchLength): Promise<SqliteFigures> => {
  const directory = mkdtempSync(join(tmpdir(), "relaymill-bench-"))
  try {
    return await Effect.runPromise(measure(directory, Math.round(30_000 * Math.max(length.share, 1 / 3)), length))
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) print(await benchSqlite(lengthFromArguments()))
