/** The registry of suppliers decides who is served, beside the relays: none of them waits for it. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Logger, Metric, Option, SubscriptionRef } from "effect"
import { TestClock } from "effect/testing"
import { encodeSupplierState, type SupplierState } from "../../../domain/cache/SupplierState.ts"
import { SupplierStates } from "../../../domain/cache/SupplierStates.ts"
import { SharedCache, SharedCacheUnavailable } from "../../../domain/ports/SharedCache.ts"
import { SupplierKeys } from "../../../domain/ports/SupplierKeys.ts"
import type { SupplierAddress } from "../../../domain/protocol/Identifiers.ts"
import * as RegistryGate from "../../../domain/relay/RegistryGate.ts"
import { activeState, type CacheWorld, makeWorld, portsOf, SUPPLIER } from "../cache/CacheWorld.ts"
import * as World from "../../support/ServingWorld.ts"

const CHANNEL = "events:cache:supplier:invalidate"
const utf8 = (text: string) => new TextEncoder().encode(text)

const active: SupplierState = { ...activeState, services: [World.SERVICE] }

/** A registry that counts its reads, may be away or silent, and keys that may change. */
const makeRegistry = Effect.gen(function* () {
  const world: CacheWorld = yield* makeWorld
  const held = yield* SubscriptionRef.make<ReadonlyArray<SupplierAddress>>([SUPPLIER])
  const redis = { is: "there" as "there" | "away" | "silent", reads: 0 }
  const cache = SharedCache.of({
    ...world.cache,
    get: (key) =>
      Effect.suspend(() => {
        redis.reads++
        if (redis.is === "silent") return Effect.never
        return redis.is === "away"
          ? Effect.fail(new SharedCacheUnavailable({ operation: "get", cause: "away" }))
          : world.cache.get(key)
      })
  })
  const keys = SupplierKeys.of({
    held: SubscriptionRef.get(held),
    changes: SubscriptionRef.changes(held),
    isHeld: () => true,
    publicKey: () => Effect.succeed(Option.none()),
    sign: () => Effect.die("not asked here")
  })
  const layer = RegistryGate.layer.pipe(
    Layer.provide(SupplierStates.layer),
    Layer.provide([portsOf(world, { cache }), Layer.succeed(SupplierKeys, keys)])
  )
  const write = (json: string) => world.cache.set(`supplier:${SUPPLIER}`, utf8(json), Duration.infinity)
  return {
    redis,
    held,
    layer,
    write,
    announce: world.bus.publish(CHANNEL, `{"operator_address":"${SUPPLIER}"}`)
  }
})

/** Serves one relay; how it went. */
const served = Effect.fnUntraced(function* (salt: string) {
  const answer = yield* World.serve(World.requestBytes(yield* World.currentSession, salt))
  const { error, status } = World.readSigned(answer)
  return answer.refusal ?? `${status}${error === undefined ? "" : ` ${error.codespace} ${error.code}`}`
})

/** Value of a counter over all its labels. */
const counted = (name: string) =>
  Effect.map(Metric.snapshot, (all) =>
    all
      .filter(({ id }) => id === name)
      .reduce((sum, { state }) => sum + ("count" in state ? Number(state.count) : 0), 0)
  )

const OPTIMISTIC = "ha_relayer_relays_served_optimistically_total"
const UNDECLARED = "ha_relayer_undeclared_transport_served_total"

const isolated = Effect.provideServiceEffect(
  Metric.MetricRegistry,
  Effect.sync(() => new Map())
)

describe("a relayer with a registry of suppliers", () => {
  const cases: ReadonlyArray<readonly [string, Partial<SupplierState> | string, string]> = [
    ["an active supplier", {}, "200"],
    ["an unstaking one", { status: "unstaking", unstakeSessionEndHeight: 100n }, "200"],
    ["one that is not staked", { status: "not_staked", staked: false, services: [] }, "supplier_not_staked"],
    ["one without services", { status: "unstaking", services: [] }, "supplier_not_staked"],
    ["one of another service", { services: ["sol"] }, "supplier_not_staked"],
    ["a state that is contaminated", encodeSupplierState({ ...active, services: [] }), "200"],
    ["a state that is garbage", "{", "200"]
  ]
  for (const [what, written, expected] of cases) {
    it.effect(`serves or refuses: ${what}`, () =>
      Effect.gen(function* () {
        const { layer, write } = yield* makeRegistry
        yield* write(typeof written === "string" ? written : encodeSupplierState({ ...active, ...written }))
        assert.strictEqual(yield* Effect.provide(served("1"), Layer.provide(World.layer(), layer)), expected)
        assert.strictEqual(yield* counted(OPTIMISTIC), typeof written === "string" ? 1 : 0)
      }).pipe(isolated)
    )
  }

  it.effect("serves a supplier of whom nothing is written, and counts that", () =>
    Effect.gen(function* () {
      const { layer } = yield* makeRegistry
      yield* Effect.gen(function* () {
        assert.strictEqual(yield* served("1"), "200")
        assert.strictEqual(yield* served("2"), "200")
      }).pipe(Effect.provide(Layer.provide(World.layer(), layer)))
      assert.strictEqual(yield* counted(OPTIMISTIC), 2)
    }).pipe(isolated)
  )

  for (const is of ["away", "silent"] as const) {
    it.effect(`serves at once while Redis is ${is}, from the start or later`, () =>
      Effect.gen(function* () {
        const { layer, redis, write } = yield* makeRegistry
        yield* write(encodeSupplierState({ ...active, services: ["sol"] }))
        redis.is = is
        const serving = yield* Effect.forkScoped(Layer.build(Layer.provide(World.layer(), layer)))
        yield* TestClock.adjust("3 seconds")
        const context = yield* Fiber.join(serving)
        // No time passes while a relay is served.
        assert.strictEqual(yield* Effect.provide(served("1"), context), "200")
        redis.is = "there"
        yield* TestClock.adjust("6 seconds")
        assert.strictEqual(yield* Effect.provide(served("2"), context), "supplier_not_staked")
        redis.is = is
        yield* TestClock.adjust("5 minutes")
        assert.strictEqual(yield* Effect.provide(served("3"), context), "supplier_not_staked")
        // What was true ten minutes ago is no reason to refuse.
        yield* TestClock.adjust("7 minutes")
        assert.strictEqual(yield* Effect.provide(served("4"), context), "200")
      }).pipe(isolated)
    )
  }

  it.effect("reads nothing for a relay, and follows changes that are announced", () =>
    Effect.gen(function* () {
      const { announce, layer, redis, write } = yield* makeRegistry
      yield* write(encodeSupplierState(active))
      yield* Effect.gen(function* () {
        const before = redis.reads
        for (let i = 0; i < 10; i++) assert.strictEqual(yield* served(String(i)), "200")
        assert.strictEqual(redis.reads, before)
        yield* write(encodeSupplierState({ ...active, services: ["sol"] }))
        yield* announce
        yield* TestClock.adjust("1 millis")
        assert.strictEqual(yield* served("10"), "supplier_not_staked")
        // Not announced: within a minute and a look.
        yield* write(encodeSupplierState(active))
        yield* TestClock.adjust("66 seconds")
        assert.strictEqual(yield* served("11"), "200")
      }).pipe(Effect.provide(Layer.provide(World.layer(), layer)))
    }).pipe(isolated)
  )

  it.effect("looks at a supplier whose key comes later", () =>
    Effect.gen(function* () {
      const { held, layer, write } = yield* makeRegistry
      yield* SubscriptionRef.set(held, [])
      yield* write(encodeSupplierState({ ...active, services: ["sol"] }))
      yield* Effect.gen(function* () {
        assert.strictEqual(yield* served("1"), "200")
        yield* SubscriptionRef.set(held, [SUPPLIER])
        yield* TestClock.adjust("1 millis")
        assert.strictEqual(yield* served("2"), "supplier_not_staked")
      }).pipe(Effect.provide(Layer.provide(World.layer(), layer)))
    }).pipe(isolated)
  )

  it.effect("serves over a transport that is not staked, counts that and says it once", () =>
    Effect.gen(function* () {
      const { layer, write } = yield* makeRegistry
      yield* write(
        encodeSupplierState({ ...active, stakedEndpoints: [{ serviceId: World.SERVICE, rpcType: "websocket" }] })
      )
      const lines: Array<string> = []
      const logger = Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])
      yield* Effect.gen(function* () {
        assert.strictEqual(yield* served("1"), "200")
        assert.strictEqual(yield* served("2"), "200")
      }).pipe(Effect.provide(Layer.provideMerge(Layer.provide(World.layer(), layer), logger)))
      assert.strictEqual(yield* counted(UNDECLARED), 2)
      const told = lines.filter((line) => line.includes("has not staked"))
      assert.strictEqual(told.length, 1)
    }).pipe(isolated)
  )
})
