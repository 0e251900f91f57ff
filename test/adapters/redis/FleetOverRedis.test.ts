/** Miners of a fleet over a real Redis: how fast they pass suppliers on, what lies in Go's keys, what Go's keys make them do. */
import { assert, it } from "@effect/vitest"
import { Clock, Duration, Effect, Exit, Layer, Redacted, Scope } from "effect"
import * as EntropyNode from "../../../adapters/crypto/EntropyNode.ts"
import * as SupplierKeysMemory from "../../../adapters/memory/SupplierKeysMemory.ts"
import * as BroadcastRedis from "../../../adapters/redis/BroadcastRedis.ts"
import * as ForeignMiners from "../../../adapters/redis/ForeignMiners.ts"
import * as LeadershipRedis from "../../../adapters/redis/LeadershipRedis.ts"
import * as LeasesRedis from "../../../adapters/redis/LeasesRedis.ts"
import * as RedisConnections from "../../../adapters/redis/RedisConnections.ts"
import type { RedisSettings } from "../../../adapters/redis/RedisSettings.ts"
import * as SharedCacheRedis from "../../../adapters/redis/SharedCacheRedis.ts"
import { StreamLosses } from "../../../adapters/redis/StreamLosses.ts"
import * as SupplierStoreRedis from "../../../adapters/redis/SupplierStoreRedis.ts"
import * as CachedChainQuery from "../../../domain/cache/CachedChainQuery.ts"
import { SupplierStates } from "../../../domain/cache/SupplierStates.ts"
import { startFleetMiner } from "../../../domain/mining/FleetMiner.ts"
import { defaultMinerSettings, MinerSettings } from "../../../domain/mining/MinerSettings.ts"
import { noMonitors } from "../../../domain/monitoring/MonitorSettings.ts"
import { Blocks } from "../../../domain/ports/Blocks.ts"
import { ChainQuery } from "../../../domain/ports/ChainQuery.ts"
import { ChainTx } from "../../../domain/ports/ChainTx.ts"
import { BLOCK_TIME, type CacheWorld, makeWorld, SUPPLIER, supplier } from "../../domain/cache/CacheWorld.ts"
import { onEveryStandalone } from "../../support/EveryRedis.ts"
import { eventually } from "../../support/RedisProcess.ts"
import { ask } from "../../support/RedisServers.ts"

/** A replica with connections of its own, at the times of operation. */
const replica = Effect.fnUntraced(function* (world: CacheWorld, settings: RedisSettings, name: string) {
  const scope = yield* Scope.make()
  yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
  const { ingest, submission, fleet } = defaultMinerSettings
  const ports = yield* Layer.build(
    Layer.mergeAll(
      SupplierStates.layer,
      SupplierStoreRedis.layer,
      LeasesRedis.layer,
      LeadershipRedis.layer,
      ForeignMiners.layer,
      SupplierKeysMemory.layer([Redacted.make(supplier.privateKey)])
    ).pipe(
      Layer.provideMerge(CachedChainQuery.layer({ blockTime: BLOCK_TIME })),
      Layer.provideMerge(Layer.mergeAll(SharedCacheRedis.layer, BroadcastRedis.layer, StreamLosses.layer)),
      Layer.provideMerge(
        Layer.mergeAll(
          RedisConnections.layer(settings),
          EntropyNode.layer,
          Layer.succeed(ChainQuery, world.query),
          Layer.succeed(Blocks, world.blocks),
          Layer.mock(ChainTx, { chainId: "pocket" }),
          Layer.succeed(MinerSettings, { ingest, submission, fleet: { ...fleet, replica: name } })
        )
      )
    )
  ).pipe(Scope.provide(scope))
  const miner = yield* startFleetMiner({
    leaderId: `${name}-1`,
    heartbeat: Duration.seconds(10),
    reconcileEvery: Duration.seconds(60),
    besideGoMiners: false,
    factors: { factors: new Map(), defaultFactor: undefined, life: Duration.hours(2) },
    monitors: noMonitors,
    lostEntries: Effect.succeed(new Map())
  }).pipe(Effect.provideContext(ports), Scope.provide(scope))
  return miner
})

const until = (holds: Effect.Effect<boolean, unknown>) =>
  eventually(Effect.filterOrFail(holds, Boolean, () => "not yet").pipe(Effect.asVoid))

onEveryStandalone("A fleet over Redis", (redis) => {
  const owns = (miner: { readonly suppliers: Effect.Effect<ReadonlyArray<string>> }) =>
    Effect.map(miner.suppliers, (owned) => owned.length === 1)

  it.live("passes a supplier on within a second of a stop in order", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const world = yield* makeWorld
        const settings = redis.settings()
        const { port } = redis.deployment().servers[0]!
        const { base } = settings.namespace
        const a = yield* replica(world, settings, "a")
        yield* until(owns(a))
        const b = yield* replica(world, settings, "b")
        yield* until(Effect.map(b.status, ({ notReady }) => notReady.length === 0))
        assert.isFalse(yield* owns(b))
        const leader = yield* ask(port, "get", `${base}:miner:global_leader`)
        assert.strictEqual(leader, "a-1")
        const life = Number(yield* ask(port, "pttl", `${base}:miner:global_leader`))
        assert.isTrue(life > 15_000 && life <= 30_000, `${life}`)
        yield* until(Effect.map(ask(port, "get", `${base}:suppliers:${SUPPLIER}`), (text) => text !== null))
        assert.deepStrictEqual(yield* ask(port, "smembers", `${base}:suppliers:index`), [SUPPLIER])

        const stopped = yield* Clock.currentTimeMillis
        yield* Effect.forkChild(a.drain)
        yield* until(owns(b))
        assert.isBelow((yield* Clock.currentTimeMillis) - stopped, 1_000)
        assert.strictEqual(yield* ask(port, "get", `${base}:miner:claim:${SUPPLIER}`), "b")
        // Given up with the process, not at its end of life.
        yield* until(Effect.map(ask(port, "get", `${base}:miner:global_leader`), (now) => now !== "a-1"))
        yield* until(
          Effect.map(ask(port, "get", `${base}:supplier:${SUPPLIER}`), (text) =>
            String(text).includes('"status":"active"')
          )
        )
      })
    )
  )

  it.live("leaves everything to a Go miner that is alive, and says so", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const world = yield* makeWorld
        const settings = redis.settings()
        const { port } = redis.deployment().servers[0]!
        const { base } = settings.namespace
        // Not in the index: only a search finds it.
        yield* ask(port, "set", `${base}:miner:instance:go-1`, "1700000000", "ex", "60")
        const a = yield* replica(world, settings, "a")
        yield* until(Effect.map(a.status, ({ foreignMiners }) => foreignMiners !== undefined))
        const before = yield* a.status
        assert.deepStrictEqual(before.foreignMiners, ["go-1"])
        assert.deepStrictEqual(
          before.notReady.map(({ reason }) => reason),
          ["foreign_miners"]
        )
        assert.deepStrictEqual(before.suppliers, [])
        assert.strictEqual(yield* ask(port, "exists", `${base}:miner:claim:${SUPPLIER}`), 0)
        yield* ask(port, "del", `${base}:miner:instance:go-1`)
        yield* until(owns(a))
        assert.deepStrictEqual((yield* a.status).notReady, [])
      })
    )
  )
})
