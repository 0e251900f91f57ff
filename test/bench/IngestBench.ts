/**
 * How fast one supplier's relays are folded and committed over memory stores, and how long the event loop is held.
 *
 * `node test/bench/IngestBench.ts [relays] [bytes of a relay]`. Node 24.21 on two shared cores, 30 000 relays of 1 KB:
 * 23 000 to 26 000 relays/s with Node's hash, turns of the event loop 0.6 ms (p50); the longest ones, 13 to 26 ms (p99),
 * are the garbage collector's, which here has everything ever stored to look through.
 */
import { Duration, Effect, Layer, Option } from "effect"
import { randomBytes } from "node:crypto"
import { nodeSha256 } from "../../adapters/crypto/NodeSha256.ts"
import * as EntropySeeded from "../../adapters/memory/EntropySeeded.ts"
import * as LeasesMemory from "../../adapters/memory/LeasesMemory.ts"
import { MemoryStores } from "../../adapters/memory/MemoryStores.ts"
import * as SupplierStoreMemory from "../../adapters/memory/SupplierStoreMemory.ts"
import { BulkSha256 } from "../../domain/crypto/BulkSha256.ts"
import { checkpoint } from "../../domain/mining/Checkpoint.ts"
import { ingestRelays } from "../../domain/mining/IngestRelays.ts"
import { makeSessionLedger, SessionLedger } from "../../domain/mining/SessionLedger.ts"
import { makeSessionTries, SessionTries } from "../../domain/mining/SessionTries.ts"
import { Blocks } from "../../domain/ports/Blocks.ts"
import { ChainQuery } from "../../domain/ports/ChainQuery.ts"
import { Leases } from "../../domain/ports/Leases.ts"
import type { Delivery } from "../../domain/ports/SupplierStore.ts"
import { SessionId, SupplierAddress } from "../../domain/protocol/Identifiers.ts"
import { encodeMinedRelay } from "../../domain/relay/MinedRelay.ts"
import { defaultSharedParams } from "../../domain/protocol/SharedParams.ts"
import { testKey } from "../support/RelayBuilder.ts"

const RELAYS = Number(process.argv[2] ?? 50_000)
const RELAY_BYTES = Number(process.argv[3] ?? 1_000)
const BATCH = 1_000

const supplier = SupplierAddress.make(testKey("supplier").address)
const application = testKey("application").address
const session = SessionId.make("ab".repeat(32))

const delivery = (index: number): Delivery => {
  const relayBytes = randomBytes(RELAY_BYTES)
  const data = encodeMinedRelay({
    relayHash: nodeSha256(relayBytes),
    relayBytes,
    computeUnitsPerRelay: 100n,
    sessionId: session,
    sessionStartHeight: 1n,
    sessionEndHeight: 10n,
    supplierOperatorAddress: supplier,
    serviceId: "svc",
    applicationAddress: application,
    arrivalBlockHeight: 2n,
    publishedAtUnixNano: 0n
  })
  return { id: `${index}-0`, data, trace: Option.none() }
}

const layer = Layer.mergeAll(
  SupplierStoreMemory.layer,
  LeasesMemory.layerWith(Duration.hours(1)),
  Layer.mock(Blocks, { latest: Effect.succeed({ height: 2n, hash: new Uint8Array(32), timeUnixNano: 0n }) }),
  Layer.mock(ChainQuery, {
    computeUnitsPerRelayAt: () => Effect.succeed(100n),
    sharedParamsAt: () => Effect.succeed(defaultSharedParams)
  })
).pipe(
  Layer.provide(MemoryStores.layer),
  Layer.provide(EntropySeeded.layer),
  Layer.provideMerge(Layer.succeed(BulkSha256, nodeSha256))
)

/** Runs `work` and reports how long it took and the longest turns of the event loop meanwhile. */
const timed = async (name: string, work: Effect.Effect<unknown>, relays: number) => {
  const turns: Array<number> = []
  let last = performance.now()
  let isOver = false
  const beat = () => {
    const now = performance.now()
    turns.push(now - last)
    last = now
    if (!isOver) setImmediate(beat)
  }
  setImmediate(beat)
  const from = performance.now()
  await Effect.runPromise(work)
  const millis = performance.now() - from
  isOver = true
  turns.sort((a, b) => a - b)
  const at = (share: number) => (turns[Math.floor((turns.length - 1) * share)] ?? 0).toFixed(2)
  console.log(
    `${name}: ${millis.toFixed(0)} ms, ${((relays / millis) * 1000).toFixed(0)} relays/s; ` +
      `turns of the event loop p50 ${at(0.5)} p99 ${at(0.99)} longest ${at(1)} ms`
  )
}

type Ports = Layer.Success<typeof layer>

const bench = Effect.gen(function* () {
  const lease = Option.getOrThrow(yield* Leases.use((leases) => leases.acquire(supplier, "bench")))
  const tries = yield* makeSessionTries(supplier, 64)
  const ledger = yield* makeSessionLedger(lease).pipe(Effect.provideService(SessionTries, tries))
  const context = yield* Effect.context<Ports>()
  const run = <A, E>(work: Effect.Effect<A, E, Ports | SessionTries | SessionLedger>) =>
    work.pipe(
      Effect.provideService(SessionTries, tries),
      Effect.provideService(SessionLedger, ledger),
      Effect.provideContext(context),
      Effect.orDie
    )
  const deliveries = Array.from({ length: RELAYS }, (_, index) => delivery(index))
  const batches = Array.from({ length: Math.ceil(RELAYS / BATCH) }, (_, index) =>
    deliveries.slice(index * BATCH, (index + 1) * BATCH)
  )
  yield* Effect.promise(async () => {
    await timed("ingest", run(Effect.forEach(batches, ingestRelays, { discard: true })), RELAYS)
    await timed("checkpoint", run(checkpoint(session)), RELAYS)
    await timed(
      "open again",
      run(
        Effect.andThen(
          tries.drop(session),
          ledger.change(session, (copy) => Effect.map(tries.ready(copy, []), () => [{}, undefined] as const))
        )
      ),
      RELAYS
    )
  })
})

await Effect.runPromise(bench.pipe(Effect.provide(layer)))
