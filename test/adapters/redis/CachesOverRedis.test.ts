/** The caches over a real Redis: what a Go process finds and says there, and what a lost connection costs. */
import { assert, it } from "@effect/vitest"
import { Context, Effect, Layer, Option } from "effect"
import * as BroadcastRedis from "../../../adapters/redis/BroadcastRedis.ts"
import * as RedisConnections from "../../../adapters/redis/RedisConnections.ts"
import * as SharedCacheRedis from "../../../adapters/redis/SharedCacheRedis.ts"
import * as CachedChainQuery from "../../../domain/cache/CachedChainQuery.ts"
import { ChainCaches } from "../../../domain/cache/ChainCaches.ts"
import { refreshCaches } from "../../../domain/cache/RefreshCaches.ts"
import { SupplierStates } from "../../../domain/cache/SupplierStates.ts"
import { Blocks } from "../../../domain/ports/Blocks.ts"
import { ChainQuery } from "../../../domain/ports/ChainQuery.ts"
import {
  APPLICATION,
  application,
  BLOCK_TIME,
  type CacheWorld,
  makeWorld,
  SERVICE,
  stakeThrough,
  SUPPLIER
} from "../../domain/cache/CacheWorld.ts"
import { onEveryStandalone } from "../../support/EveryRedis.ts"
import { eventually } from "../../support/RedisProcess.ts"
import { ask } from "../../support/RedisServers.ts"

/** A replica with connections of its own. */
const replicaOn = (world: CacheWorld, settings: Parameters<typeof RedisConnections.layer>[0]) =>
  Layer.build(
    Layer.merge(CachedChainQuery.layer({ blockTime: BLOCK_TIME }), SupplierStates.layer).pipe(
      Layer.provideMerge(Layer.mergeAll(SharedCacheRedis.layer, BroadcastRedis.layer)),
      Layer.provide(RedisConnections.layer(settings)),
      Layer.provide([Layer.succeed(ChainQuery, world.query), Layer.succeed(Blocks, world.blocks)])
    )
  )

/** Fails until it holds. */
const until = (holds: Effect.Effect<boolean, unknown>) =>
  eventually(Effect.filterOrFail(holds, Boolean, () => "not yet").pipe(Effect.asVoid))

onEveryStandalone("Caches over Redis", (redis) => {
  it.live("lie under Go's keys, are forgotten on Go's word, and after a lost connection", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const settings = redis.settings()
      const { base } = settings.namespace
      const { port } = redis.deployment().servers[0]!
      const [a, b] = [yield* replicaOn(world, settings), yield* replicaOn(world, settings)]
      const [first, second] = [Context.get(a, ChainQuery), Context.get(b, ChainQuery)]
      const caches = Context.get(b, ChainCaches)

      assert.strictEqual(yield* stakeThrough(first), 1n)
      assert.strictEqual(yield* stakeThrough(second), 1n)
      yield* first.publicKey(APPLICATION)
      yield* first.sharedParams
      yield* first.computeUnitsPerRelayAt(SERVICE, 91n)
      assert.strictEqual(world.count("application"), 1)
      const lifeOf = (key: string) => Effect.map(ask(port, "pttl", `${base}:${key}`), Number)
      const life = yield* lifeOf(`cache:application:${APPLICATION}`)
      assert.isTrue(life > 290_000 && life <= 300_000, `${life}`)
      assert.strictEqual(yield* lifeOf(`cache:account:${APPLICATION}`), -1)
      assert.isTrue((yield* lifeOf("cache:shared_params")) > 590_000)
      assert.strictEqual(Number(yield* ask(port, "strlen", `${base}:cache:account:${APPLICATION}`)), 33)
      assert.deepStrictEqual(yield* ask(port, "smembers", `${base}:cache:known:applications`), [APPLICATION])
      assert.strictEqual(yield* ask(port, "get", `${base}:mill:cache:compute_units:anvil:91`), "1")
      assert.deepStrictEqual(yield* ask(port, "keys", `${base}:*lock*`), [])

      // A Go process changed it: it deletes the key and tells.
      world.chain.version = 2n
      yield* ask(port, "del", `${base}:cache:application:${APPLICATION}`)
      yield* ask(port, "publish", `${base}:events:cache:application:invalidate`, "garbage")
      yield* ask(port, "publish", `${base}:events:cache:application:invalidate`, `{"address":"${APPLICATION}"}`)
      yield* until(Effect.map(stakeThrough(second), (stake) => stake === 2n))

      // Its message is lost with the connection; the new one is no reason to believe what was kept.
      world.chain.version = 3n
      yield* ask(port, "client", "kill", "type", "pubsub")
      yield* ask(port, "del", `${base}:cache:application:${APPLICATION}`)
      yield* until(Effect.sync(() => caches.applications.size() === 0))
      assert.strictEqual(yield* stakeThrough(second), 3n)

      // The leader's refresh reaches the other replica.
      world.chain.version = 4n
      assert.strictEqual(yield* Effect.provideContext(refreshCaches(100n), a), "done")
      yield* until(Effect.map(stakeThrough(second), (stake) => stake === 4n))
      assert.deepStrictEqual(yield* second.publicKey(APPLICATION), Option.some(application.publicKey))
    })
  )

  it.live("replace what is of another type at their keys", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const settings = redis.settings()
      const { port } = redis.deployment().servers[0]!
      yield* ask(port, "lpush", `${settings.namespace.base}:cache:application:${APPLICATION}`, "garbage")
      yield* ask(port, "set", `${settings.namespace.base}:cache:known:applications`, "no set")
      const [a, b] = [yield* replicaOn(world, settings), yield* replicaOn(world, settings)]
      assert.strictEqual(yield* stakeThrough(Context.get(a, ChainQuery)), 1n)
      assert.strictEqual(yield* stakeThrough(Context.get(b, ChainQuery)), 1n)
      assert.strictEqual(world.count("application"), 1)
      // The set of what is known is not thrown away for a failure that may pass: it is reported.
      assert.strictEqual(yield* Effect.provideContext(refreshCaches(100n), a), "partial")
      assert.strictEqual(
        yield* ask(port, "strlen", `${settings.namespace.base}:cache:shared_params`).pipe(
          Effect.map((n) => Number(n) > 0)
        ),
        true
      )
    })
  )

  it.live("carry a supplier's state from a miner to a relayer, and from a Go miner", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const settings = redis.settings()
      const { base } = settings.namespace
      const { port } = redis.deployment().servers[0]!
      const [miner, relayer] = [yield* replicaOn(world, settings), yield* replicaOn(world, settings)]
      const states = Context.get(relayer, SupplierStates)
      const statusIs = (status: string) =>
        Effect.map(states.state(SUPPLIER), (known) => known._tag === "State" && known.state.status === status)
      assert.strictEqual((yield* states.state(SUPPLIER))._tag, "Absent")
      yield* Context.get(miner, SupplierStates).publish(SUPPLIER, { isHeld: true, replica: "miner-1" })
      yield* until(statusIs("active"))
      assert.strictEqual(Number(yield* ask(port, "pttl", `${base}:supplier:${SUPPLIER}`)), -1)
      const go = `{"status":"unstaking","staked":true,"services":["anvil"],"unstake_session_end_height":110,"operator_address":"${SUPPLIER}","owner_address":"","last_updated":1}`
      yield* ask(port, "set", `${base}:supplier:${SUPPLIER}`, go)
      yield* ask(port, "publish", `${base}:events:cache:supplier:invalidate`, `{"operator_address":"${SUPPLIER}"}`)
      yield* until(statusIs("unstaking"))
    })
  )
})
