/** A miner among others: what it says of itself, what it leaves to Go miners, and what the fleet learns of its suppliers. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Layer, Logger, Redacted, Scope } from "effect"
import { fund } from "../../../adapters/simchain/Operation.ts"
import { SimNode } from "../../../adapters/simchain/SimNode.ts"
import { SimChain } from "../../../adapters/simchain/SimChain.ts"
import * as LeadershipMemory from "../../../adapters/memory/LeadershipMemory.ts"
import * as SharedCacheMemory from "../../../adapters/memory/SharedCacheMemory.ts"
import * as SupplierKeysMemory from "../../../adapters/memory/SupplierKeysMemory.ts"
import * as CachedChainQuery from "../../../domain/cache/CachedChainQuery.ts"
import { SupplierStates } from "../../../domain/cache/SupplierStates.ts"
import { startFleetMiner } from "../../../domain/mining/FleetMiner.ts"
import { noMonitors } from "../../../domain/monitoring/MonitorSettings.ts"
import { MinerSettings } from "../../../domain/mining/MinerSettings.ts"
import { reasonsNotReady } from "../../../domain/mining/MinerStatus.ts"
import { ForeignMiners } from "../../../domain/ports/ForeignMiners.ts"
import { testKey } from "../../support/RelayBuilder.ts"
import {
  append,
  headerAt,
  inWorld,
  otherSupplier,
  relaysOf,
  runBlocks,
  SERVICE,
  stateOf,
  supplier,
  testSettings
} from "./MinerWorld.ts"

const stranger = testKey("never staked")

/** Starts a replica; it has the keys of two suppliers on chain and of one that is not. */
const replica = Effect.fnUntraced(function* (
  name: string,
  alive: () => ReadonlyArray<string> = () => [],
  besideGoMiners = false
) {
  const scope = yield* Scope.make()
  const miner = yield* startFleetMiner({
    leaderId: name,
    heartbeat: Duration.seconds(10),
    reconcileEvery: Duration.seconds(5),
    besideGoMiners,
    factors: { factors: new Map(), defaultFactor: undefined, life: Duration.hours(2) },
    monitors: noMonitors,
    lostEntries: Effect.succeed(new Map([["pokt1lossy", 3]]))
  }).pipe(
    Effect.provide(
      Layer.mergeAll(
        SupplierStates.layer,
        CachedChainQuery.layer({ blockTime: Duration.seconds(1) }),
        LeadershipMemory.layer,
        SupplierKeysMemory.layer(
          [supplier, otherSupplier, stranger].map(({ privateKey }) => Redacted.make(privateKey))
        ),
        Layer.succeed(ForeignMiners, { alive: Effect.sync(alive) })
      ).pipe(Layer.provideMerge(SharedCacheMemory.layer))
    ),
    Effect.provideService(MinerSettings, {
      ingest: testSettings.ingest,
      submission: testSettings.submission,
      fleet: { ...testSettings.fleet, replica: name, handOverPause: Duration.seconds(2) }
    }),
    Scope.provide(scope)
  )
  return { miner, crash: Scope.close(scope, Exit.void) }
})

const staked = [supplier.address, otherSupplier.address].toSorted()
const reasons = (status: { readonly notReady: ReadonlyArray<{ readonly reason: string }> }) =>
  status.notReady.map(({ reason }) => reason)

describe("a miner of a fleet", () => {
  it.effect("takes what is staked, leads, and says so", () =>
    Effect.gen(function* () {
      const { miner } = yield* replica("a")
      yield* runBlocks(3)
      const status = yield* miner.status
      assert.deepInclude(status, { keys: 3, isLeader: true, foreignMiners: [], notReady: [] })
      assert.deepStrictEqual<ReadonlyArray<string>>(status.suppliers, staked)
      assert.deepStrictEqual([...status.lostEntries], [["pokt1lossy", 3]])
    }).pipe(inWorld())
  )

  it.effect("says what keeps a claim from the chain, once in the log, until it is over", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => {
        lines.push(`${logLevel} ${String(Array.isArray(message) ? message[0] : message)}`)
      })
      const { miner } = yield* replica("a").pipe(Effect.provide(Logger.layer([logger])))
      const header = yield* headerAt(1n)
      yield* append(header, relaysOf(header, 2))
      yield* runBlocks(7)
      const sentence =
        `1 session of ${supplier.address} cannot be claimed or proven now, insufficient_funds: spendable balance ` +
        "0upokt is smaller than 1upokt: insufficient funds: insufficient funds; fund it"
      assert.deepStrictEqual((yield* miner.status).notices, [sentence])
      yield* SimChain.use((chain) => chain.administer(fund(supplier.publicKey, 1_000n)))
      yield* runBlocks(3)
      assert.deepStrictEqual((yield* miner.status).notices, [])
      assert.isDefined((yield* stateOf(header)).claimedUpokt)
      assert.deepStrictEqual(
        lines.filter((line) => /claim/.test(line)),
        [`Warn ${sentence}`, "Info nothing keeps its claims and proofs from the chain any more"]
      )
    }).pipe(
      inWorld({
        suppliers: [supplier, otherSupplier].map(({ publicKey }) => ({
          publicKey,
          services: [{ serviceId: SERVICE }],
          balance: 0n
        }))
      })
    )
  )

  it.effect("says that its sessions wait for the chain while it cannot be read", () =>
    Effect.gen(function* () {
      const { miner } = yield* replica("a")
      const node = yield* SimNode
      const header = yield* headerAt(1n)
      yield* append(header, relaysOf(header, 2))
      yield* runBlocks(4)
      yield* node.setFaults({ queriesFail: true })
      yield* runBlocks(3)
      const [sentence, ...others] = (yield* miner.status).notices
      assert.match(
        sentence ?? "",
        /^1 session of pokt1\w+ cannot be claimed or proven now, no_chain: the chain did not answer sharedParamsAt: switched off/
      )
      assert.deepStrictEqual(others, [])
      yield* node.setFaults({ queriesFail: false })
      yield* runBlocks(1)
      assert.deepStrictEqual((yield* miner.status).notices, [])
    }).pipe(inWorld())
  )

  it.effect("passes suppliers and leadership on within a second when it stops in order", () =>
    Effect.gen(function* () {
      const a = yield* replica("a")
      yield* runBlocks(2)
      const b = yield* replica("b")
      yield* runBlocks(3)
      assert.lengthOf(yield* b.miner.suppliers, 1)
      assert.isFalse((yield* b.miner.status).isLeader)
      yield* Effect.forkChild(a.miner.drain)
      yield* runBlocks(1)
      assert.deepStrictEqual<ReadonlyArray<string>>(yield* b.miner.suppliers, staked)
      assert.include(reasons(yield* a.miner.status), "draining")
      yield* runBlocks(10)
      assert.isTrue((yield* b.miner.status).isLeader)
    }).pipe(inWorld())
  )

  it.effect("takes nothing while a Go miner is alive, keeps what it has, and says why it is not ready", () =>
    Effect.gen(function* () {
      let alive: ReadonlyArray<string> = ["go-1"]
      const a = yield* replica("a", () => alive)
      yield* runBlocks(5)
      assert.lengthOf(yield* a.miner.suppliers, 0)
      const status = yield* a.miner.status
      assert.deepStrictEqual(reasons(status), ["foreign_miners"])
      assert.include(status.notReady[0]?.detail, "go-1")
      alive = []
      yield* runBlocks(2)
      assert.lengthOf(yield* a.miner.suppliers, 2)
      alive = ["go-2"]
      yield* runBlocks(20)
      assert.lengthOf(yield* a.miner.suppliers, 2)
      assert.deepStrictEqual((yield* a.miner.status).foreignMiners, ["go-2"])
    }).pipe(inWorld())
  )

  it.effect("takes beside Go miners what the operator says is nobody else's", () =>
    Effect.gen(function* () {
      const a = yield* replica("a", () => ["go-1"], true)
      yield* runBlocks(3)
      assert.lengthOf(yield* a.miner.suppliers, 2)
      assert.deepStrictEqual((yield* a.miner.status).notReady, [])
    }).pipe(inWorld())
  )
})

describe("readiness", () => {
  it("names every reason", () => {
    const facts = {
      hasBlock: false,
      balance: "unavailable",
      foreignMiners: undefined,
      disjointKeys: false,
      isDraining: true
    } as const
    assert.deepStrictEqual(
      reasonsNotReady(facts).map(({ reason }) => reason),
      ["draining", "no_block", "leases", "foreign_miners"]
    )
    assert.lengthOf(
      reasonsNotReady({ ...facts, hasBlock: true, balance: "done", isDraining: false, disjointKeys: true }),
      0
    )
  })
})
