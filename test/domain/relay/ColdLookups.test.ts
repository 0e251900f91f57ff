/** The first relay of a session reads what it needs beside each other: its time is that of two reads, not of all. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Duration, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as CachedChainQuery from "../../../domain/cache/CachedChainQuery.ts"
import { warmUp } from "../../../domain/cache/RefreshCaches.ts"
import { ChainCaches } from "../../../domain/cache/ChainCaches.ts"
import { ChainQuery, SessionNotFound } from "../../../domain/ports/ChainQuery.ts"
import { SharedCache } from "../../../domain/ports/SharedCache.ts"
import { RingDirectory } from "../../../domain/relay/RingDirectory.ts"
import { SessionDirectory } from "../../../domain/relay/SessionDirectory.ts"
import { APPLICATION, BLOCK_TIME, type CacheWorld, gateway, makeWorld, portsOf, SERVICE } from "../cache/CacheWorld.ts"

const ROUND_TRIP = Duration.millis(200)

/** The world's chain with each read taking a round trip; counts reads under way. */
const slowly = (world: CacheWorld) => {
  let underWay = 0
  const most = { reads: 0 }
  world.chain.during = Effect.suspend(() => {
    most.reads = Math.max(most.reads, ++underWay)
    return Effect.ensuring(
      Effect.sleep(ROUND_TRIP),
      Effect.sync(() => underWay--)
    )
  })
  return most
}

/** Milliseconds of the clock that this takes. */
const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const before = yield* Clock.currentTimeMillis
    const running = yield* Effect.forkScoped(Effect.zip(Effect.exit(effect), Clock.currentTimeMillis))
    for (let step = 0; step < 200 && running.pollUnsafe() === undefined; step++) yield* TestClock.adjust("50 millis")
    const [exit, after] = yield* Fiber.join(running)
    return { exit, millis: after - before }
  })

const header = {
  applicationAddress: APPLICATION,
  serviceId: SERVICE,
  sessionId: "5e55",
  sessionStartBlockHeight: 91n,
  sessionEndBlockHeight: 100n
}

describe("cold look-ups of a relay", () => {
  it.effect("of a session take the time of two reads, shared by all who wait", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      slowly(world)
      const context = yield* Layer.build(Layer.provide(SessionDirectory.layer, portsOf(world)))
      const sessions = Context.get(context, SessionDirectory)
      const { exit, millis } = yield* timed(
        Effect.all([sessions.facts(header), sessions.facts(header)], { concurrency: 2 })
      )
      assert.strictEqual(exit._tag, "Success")
      assert.isAtMost(millis, 400)
      for (const operation of ["session", "computeUnitsPerRelayAt", "difficultyTargetAt"]) {
        assert.strictEqual(world.count(operation), 1, operation)
      }
    })
  )

  it.effect("of a session that is none end with that, whatever else cannot be read", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const query = ChainQuery.of({
        ...world.query,
        session: (application, service, height) =>
          Effect.andThen(
            Effect.sleep(ROUND_TRIP),
            Effect.fail(new SessionNotFound({ application, service, height, reason: "no_application" }))
          )
      })
      world.chain.away = true
      const context = yield* Layer.build(Layer.provide(SessionDirectory.layer, portsOf(world, { query })))
      const sessions = Context.get(context, SessionDirectory)
      const { exit, millis } = yield* timed(Effect.flip(sessions.facts(header)))
      assert.strictEqual(exit._tag === "Success" ? exit.value._tag : "", "SessionNotFound")
      assert.isAtMost(millis, 200)
    })
  )

  it.effect("of a ring and of a share take the time of two reads and of one", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      world.chain.gateways = [gateway.address]
      slowly(world)
      const context = yield* Layer.build(
        Layer.provide(Layer.merge(RingDirectory.layer, SessionDirectory.layer), portsOf(world))
      )
      const ring = yield* timed(Context.get(context, RingDirectory).ring(APPLICATION, 100n))
      assert.isAtMost(ring.millis, 400)
      const sessions = Context.get(context, SessionDirectory)
      const { exit } = yield* timed(sessions.facts(header))
      if (exit._tag !== "Success") return assert.fail("no facts")
      const share = yield* timed(sessions.share(exit.value))
      assert.strictEqual(share.exit._tag, "Success")
      assert.isAtMost(share.millis, 200)
    })
  )

  it.effect("through the shared cache wait for few of its replies", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const slow = <A, E>(effect: Effect.Effect<A, E>) => Effect.andThen(Effect.sleep(ROUND_TRIP), effect)
      const cache = SharedCache.of({
        ...world.cache,
        get: (key) => slow(world.cache.get(key)),
        setIfAbsent: (key, value, life) => slow(world.cache.setIfAbsent(key, value, life)),
        removeIf: (key, value) => slow(world.cache.removeIf(key, value)),
        changeMembers: (key, change) => slow(world.cache.changeMembers(key, change)),
        members: (key) => slow(world.cache.members(key))
      })
      slowly(world)
      const chained = CachedChainQuery.layer({ blockTime: BLOCK_TIME }).pipe(
        Layer.provideMerge(portsOf(world, { cache }))
      )
      const context = yield* Layer.build(Layer.provideMerge(SessionDirectory.layer, chained))
      const sessions = Context.get(context, SessionDirectory)
      const { exit, millis } = yield* timed(sessions.facts(header))
      assert.strictEqual(exit._tag, "Success")
      // Look, lock, look again, chain, fill, lock given back; then the same for the params at the end of the session.
      assert.isAtMost(millis, 2_400)
    })
  )

  it.effect("at the start end with their time, however many there are", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      slowly(world)
      const chained = CachedChainQuery.layer({ blockTime: BLOCK_TIME }).pipe(Layer.provideMerge(portsOf(world)))
      const context = yield* Layer.build(chained)
      const applications = Array.from({ length: 1_000 }, (_, n) => `pokt1app${n}`)
      const { millis } = yield* timed(
        Effect.provideContext(
          warmUp({ applications, concurrency: 10, limit: Duration.seconds(2) }),
          Context.pick(ChainCaches, SharedCache)(context)
        )
      )
      assert.isAtMost(millis, 2_100)
      assert.isAbove(world.count("application"), 50)
    })
  )
})
