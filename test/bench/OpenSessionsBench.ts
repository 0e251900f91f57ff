/**
 * Memory of a miner with many open sessions over a real Redis: what an idle session costs on the heap, and the whole
 * process with tries evicted and opened again on demand.
 *
 * `node --expose-gc test/bench/OpenSessionsBench.ts [--sessions N] [--suppliers N] [--relays N]`
 */
import { parseArgs } from "node:util"
import { Duration, Effect, Option } from "effect"
import * as RedisConnections from "../../adapters/redis/RedisConnections.ts"
import { command } from "../../adapters/redis/RedisLink.ts"
import { ingestRelays } from "../../domain/mining/IngestRelays.ts"
import { MinerSettings } from "../../domain/mining/MinerSettings.ts"
import { makeSessionLedger, SessionLedger } from "../../domain/mining/SessionLedger.ts"
import { makeSessionTries, SessionTries } from "../../domain/mining/SessionTries.ts"
import { TrieMemoryRef } from "../../domain/mining/TrieMemory.ts"
import { Leases } from "../../domain/ports/Leases.ts"
import { SupplierStore } from "../../domain/ports/SupplierStore.ts"
import { SupplierAddress } from "../../domain/protocol/Identifiers.ts"
import { encodeMinedRelay } from "../../domain/relay/MinedRelay.ts"
import { redisBinaries } from "../support/RedisBinaries.ts"
import { redisProcess } from "../support/RedisProcess.ts"
import { testKey } from "../support/RelayBuilder.ts"
import { benchRelay } from "./BenchRelay.ts"
import { print } from "./Harness.ts"
import { layerOver, sessionOf, settingsWith } from "./IngestBench.ts"

const BATCH = 1_000
const MEGABYTE = 1_048_576

const supplierOf = (n: number) => SupplierAddress.make(testKey(`supplier ${n}`).address)

const memory = () => {
  globalThis.gc?.()
  const { heapUsed, arrayBuffers, rss } = process.memoryUsage()
  return { live: heapUsed + arrayBuffers, rss }
}

/** One supplier with its share of the sessions, as the miner's pipeline holds them. */
const makeSupplier = Effect.fnUntraced(function* (n: number) {
  const supplier = supplierOf(n)
  const lease = Option.getOrThrow(yield* Leases.use((leases) => leases.acquire(supplier, "bench")))
  const tries = yield* makeSessionTries(supplier, 64)
  const ledger = yield* makeSessionLedger(lease).pipe(Effect.provideService(SessionTries, tries))
  const { commands, names } = yield* RedisConnections.RedisConnections
  const store = yield* SupplierStore
  const feed = Effect.fnUntraced(function* (sessions: ReadonlyArray<string>, relays: number) {
    const entries = sessions.flatMap((session) =>
      Array.from({ length: relays }, () => encodeMinedRelay(benchRelay(supplier, session)))
    )
    for (let from = 0; from < entries.length; from += BATCH) {
      const some = entries.slice(from, from + BATCH)
      yield* commands.pipeline(some.map((data) => command("xadd", names.relays(supplier), "*", "data", data)))
    }
    for (let done = 0; done < entries.length;) {
      const deliveries = yield* store.deliveries(lease, BATCH, Duration.seconds(5))
      if ((yield* ingestRelays(deliveries)) > 0) return yield* Effect.die("a relay stayed in the log")
      done += deliveries.length
    }
  })
  return {
    tries,
    feed: (sessions: ReadonlyArray<string>, relays: number) =>
      feed(sessions, relays).pipe(
        Effect.provideService(SessionTries, tries),
        Effect.provideService(SessionLedger, ledger),
        Effect.provideService(MinerSettings, settingsWith(50_000))
      )
  }
})

const measure = Effect.fnUntraced(function* (sessions: number, suppliers: number, relays: number) {
  const each = Math.ceil(sessions / suppliers)
  const all = yield* Effect.forEach(
    Array.from({ length: suppliers }, (_, n) => n),
    makeSupplier
  )
  const idsOf = (n: number) => Array.from({ length: each }, (_, session) => sessionOf(n * each + session + 1))
  const before = memory()
  let peak = before.rss
  for (const [n, { feed }] of all.entries()) {
    yield* feed(idsOf(n), 1)
    peak = Math.max(peak, process.memoryUsage().rss)
  }
  const idle = (memory().live - before.live) / (each * suppliers)
  // Again and again in another order, so that what was evicted is opened again.
  for (const round of [0, 1]) {
    for (const [n, { feed }] of all.entries()) {
      const ids = idsOf(n)
      yield* feed(round === 0 ? ids : ids.toReversed(), relays)
      peak = Math.max(peak, process.memoryUsage().rss)
    }
  }
  const tries = yield* TrieMemoryRef
  return {
    sessions: each * suppliers,
    suppliers,
    relaysEach: 1 + 2 * relays,
    idleSessionBytes: Math.round(idle),
    emptyRssMb: Math.round(before.rss / MEGABYTE),
    peakRssMb: Math.round(peak / MEGABYTE),
    triesMb: Math.round(tries.total / MEGABYTE)
  }
})

const { values } = parseArgs({
  options: { sessions: { type: "string" }, suppliers: { type: "string" }, relays: { type: "string" } }
})
const [binary] = redisBinaries()
if (binary === undefined) throw new Error("no Redis server")
print(
  await Effect.gen(function* () {
    const { port } = yield* redisProcess(binary.path, { args: [] })
    return yield* Effect.provide(
      measure(Number(values.sessions ?? 10_000), Number(values.suppliers ?? 100), Number(values.relays ?? 25)),
      layerOver(port)
    )
  }).pipe(Effect.scoped, Effect.orDie, Effect.runPromise)
)
