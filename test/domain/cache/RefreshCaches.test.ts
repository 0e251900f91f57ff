/** The leader's refresh of the shared caches, two leaders at once, and the warm-up of a replica. */
import { assert, describe, it } from "@effect/vitest"
import { bytesToHex } from "@noble/curves/utils.js"
import { Context, Deferred, Duration, Effect, Fiber, Layer, Option } from "effect"
import { TestClock } from "effect/testing"
import * as CachedChainQuery from "../../../domain/cache/CachedChainQuery.ts"
import type { ChainCaches } from "../../../domain/cache/ChainCaches.ts"
import { keepCachesFresh, refreshCaches, warmUp } from "../../../domain/cache/RefreshCaches.ts"
import { ApplicationSchema } from "../../../domain/chain/proto/pocket/application_pb.ts"
import { decodeQuery } from "../../../domain/chain/QueryMessages.ts"
import type { Blocks } from "../../../domain/ports/Blocks.ts"
import { ChainQuery } from "../../../domain/ports/ChainQuery.ts"
import { SharedCache, SharedCacheUnavailable } from "../../../domain/ports/SharedCache.ts"
import { ApplicationAddress } from "../../../domain/protocol/Identifiers.ts"
import { testKey } from "../../support/RelayBuilder.ts"
import {
  APPLICATION,
  BLOCK_TIME,
  type CacheWorld,
  makeWorld,
  portsOf,
  type ReplicaPorts,
  SERVICE
} from "./CacheWorld.ts"

const stranger = testKey("stranger").address

type Ports = Blocks | ChainCaches | SharedCache

/** A leader: its caches and everything that a refresh needs. */
const leaderOf = (world: CacheWorld, ports: ReplicaPorts = {}) =>
  Effect.map(
    Layer.build(CachedChainQuery.layer({ blockTime: BLOCK_TIME }).pipe(Layer.provideMerge(portsOf(world, ports)))),
    (context) => ({
      context,
      run: <A, E>(effect: Effect.Effect<A, E, Ports>) => Effect.provideContext(effect, context)
    })
  )

const know = (world: CacheWorld, ...applications: ReadonlyArray<string>) =>
  Effect.andThen(
    world.cache.changeMembers("cache:known:applications", { add: applications, remove: [] }),
    world.cache.changeMembers("cache:known:services", { add: [SERVICE], remove: [] })
  )

/** The application's stake in Redis. */
const stakeInRedis = (world: CacheWorld) =>
  Effect.map(world.cache.get(`cache:application:${APPLICATION}`), (found) => {
    const decoded = decodeQuery(ApplicationSchema, Option.getOrThrow(found))
    return decoded._tag === "Success" ? decoded.success.stake?.amount : undefined
  })

describe("a refresh", () => {
  it.effect("puts params and what is known into Redis, and takes off the list what the chain does not know", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      yield* know(world, APPLICATION, stranger, "garbage from anybody")
      const { run } = yield* leaderOf(world)
      assert.strictEqual(yield* run(refreshCaches(100n)), "done")
      for (const key of ["cache:shared_params", "cache:proof_params", "cache:service:anvil"]) {
        assert.isTrue(Option.isSome(yield* world.cache.get(key)), key)
      }
      assert.strictEqual(yield* stakeInRedis(world), "1")
      assert.deepStrictEqual(yield* world.cache.members("cache:known:applications"), [APPLICATION])
      // Field 4 of poktroll's proof params is the missing penalty, a coin; 1 upokt here.
      const proofParams = bytesToHex(Option.getOrThrow(yield* world.cache.get("cache:proof_params")))
      assert.include(proofParams, bytesToHex(new TextEncoder().encode("\n\u0005upokt\u0012\u00011")))
      world.chain.version = 2n
      assert.strictEqual(yield* run(refreshCaches(104n)), "done")
      assert.strictEqual(yield* stakeInRedis(world), "2")
    })
  )

  it.effect("keeps everything when the chain does not answer, and says that it is not done", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      yield* know(world, APPLICATION)
      const { run } = yield* leaderOf(world)
      yield* run(refreshCaches(100n))
      world.chain.away = true
      assert.strictEqual(yield* run(refreshCaches(104n)), "partial")
      assert.strictEqual(yield* stakeInRedis(world), "1")
      assert.deepStrictEqual(yield* world.cache.members("cache:known:applications"), [APPLICATION])
    })
  )

  it.effect("is one for all leaders: at a height that another has refreshed, or a lower one, nothing is done", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      yield* know(world, APPLICATION)
      const [a, b] = [yield* leaderOf(world), yield* leaderOf(world)]
      assert.strictEqual(yield* a.run(refreshCaches(100n)), "done")
      const reads = world.count("application")
      assert.strictEqual(yield* b.run(refreshCaches(100n)), "superseded")
      assert.strictEqual(yield* b.run(refreshCaches(99n)), "superseded")
      assert.strictEqual(world.count("application"), reads)
      assert.strictEqual(yield* b.run(refreshCaches(101n)), "done")
      // A chain that begins anew is not held up for long.
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(yield* b.run(refreshCaches(1n)), "done")
    })
  )

  it.effect("of a leader that lags does not undo what another wrote at a later height", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      yield* know(world, APPLICATION)
      const gate = yield* Deferred.make<void>()
      // Reads now, answers later.
      const lagging = ChainQuery.of({
        ...world.query,
        application: (address) => Effect.tap(world.query.application(address), () => Deferred.await(gate))
      })
      const [old, young] = [yield* leaderOf(world, { query: lagging }), yield* leaderOf(world)]
      const slow = yield* Effect.forkChild(old.run(refreshCaches(100n)), { startImmediately: true })
      yield* TestClock.adjust("1 seconds")
      world.chain.version = 2n
      assert.strictEqual(yield* young.run(refreshCaches(101n)), "done")
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(yield* Fiber.join(slow), "superseded")
      assert.strictEqual(yield* stakeInRedis(world), "2")
    })
  )

  it.effect("ends after thirty seconds, and does nothing without Redis", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      yield* know(world, APPLICATION)
      const { run } = yield* leaderOf(world)
      world.chain.during = Effect.never
      const hanging = yield* Effect.forkChild(run(refreshCaches(100n)), { startImmediately: true })
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* Fiber.join(hanging), "partial")
      const away = Effect.fail(new SharedCacheUnavailable({ operation: "get", cause: "away" }))
      const cache = SharedCache.of({ ...world.cache, get: () => away })
      assert.strictEqual(yield* (yield* leaderOf(world, { cache })).run(refreshCaches(200n)), "unavailable")
    })
  )

  it.effect("reads at most sixteen records at once", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      yield* know(world, ...Array.from({ length: 100 }, (_, n) => `pokt1known${n}`))
      let [now, most] = [0, 0]
      const query = ChainQuery.of({
        ...world.query,
        application: (address) =>
          Effect.suspend(() => {
            most = Math.max(most, ++now)
            return Effect.andThen(Effect.sleep("1 millis"), world.query.application(ApplicationAddress.make(address)))
          }).pipe(Effect.ensuring(Effect.sync(() => now--)))
      })
      const { run } = yield* leaderOf(world, { query })
      const refreshing = yield* Effect.forkChild(run(refreshCaches(100n)), { startImmediately: true })
      yield* TestClock.adjust("1 seconds")
      assert.strictEqual(yield* Fiber.join(refreshing), "done")
      assert.strictEqual(most, 16)
    })
  )

  it.effect("comes with the first block and with every fourth, however many are skipped", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const { run } = yield* leaderOf(world)
      yield* Effect.forkChild(run(keepCachesFresh), { startImmediately: true })
      const refreshed: Array<bigint> = []
      let before = 0
      for (const height of [100n, 101n, 103n, 104n, 105n, 111n, 114n, 115n]) {
        yield* world.setHeight(height)
        yield* TestClock.adjust("1 seconds")
        if (world.count("sharedParams") > before) refreshed.push(height)
        before = world.count("sharedParams")
      }
      assert.deepStrictEqual(refreshed, [100n, 104n, 111n, 115n])
    })
  )
})

describe("a warm-up", () => {
  it.effect("fills the process with params, known records and the keys of their rings", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      yield* know(world)
      const { run, context } = yield* leaderOf(world)
      const settings = { applications: [APPLICATION, stranger], concurrency: 10, limit: Duration.seconds(30) }
      yield* run(warmUp(settings))
      world.chain.away = true
      const query = Context.get(context, ChainQuery)
      assert.isTrue(Option.isSome(yield* query.application(APPLICATION)))
      assert.isTrue(Option.isSome(yield* query.publicKey(APPLICATION)))
      assert.isTrue(Option.isSome(yield* query.service(SERVICE)))
      assert.strictEqual((yield* query.sharedParams).numBlocksPerSession, 10n)
      // Known to the leader from now on.
      assert.deepStrictEqual(yield* world.cache.members("cache:known:applications"), [APPLICATION])
    })
  )

  it.effect("ends in its time", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const { run } = yield* leaderOf(world)
      world.chain.during = Effect.never
      const warming = yield* Effect.forkChild(
        run(warmUp({ applications: [APPLICATION], concurrency: 10, limit: Duration.seconds(30) })),
        { startImmediately: true }
      )
      yield* TestClock.adjust("30 seconds")
      yield* Fiber.join(warming)
    })
  )
})
