/** Chain records through three tiers: who is asked, what is kept for how long, and what a Go fleet would find in Redis. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Duration, Effect, Exit, Fiber, Layer, Option } from "effect"
import { TestClock } from "effect/testing"
import { bytesToHex } from "@noble/curves/utils.js"
import { readFresh } from "../../../domain/cache/FreshRead.ts"
import { ChainQuery } from "../../../domain/ports/ChainQuery.ts"
import { SharedCache, SharedCacheUnavailable } from "../../../domain/ports/SharedCache.ts"
import { ApplicationAddress, ServiceId } from "../../../domain/protocol/Identifiers.ts"
import { RingDirectory } from "../../../domain/relay/RingDirectory.ts"
import { testKey } from "../../support/RelayBuilder.ts"
import { APPLICATION, application, gateway, makeWorld, replica, SERVICE, stakeThrough, SUPPLIER } from "./CacheWorld.ts"

const stranger = testKey("stranger").address
const utf8 = (text: string) => new TextEncoder().encode(text)

/** Protobuf field of a text or message: tag, length, bytes. */
const field = (number: number, value: Uint8Array | string): Uint8Array => {
  const bytes = typeof value === "string" ? utf8(value) : value
  return Uint8Array.from([(number << 3) | 2, bytes.length, ...bytes])
}
const joined = (...parts: ReadonlyArray<Uint8Array>) => Uint8Array.from(parts.flatMap((part) => [...part]))

describe("chain records through the caches", () => {
  it.effect("are read from the chain once, by one replica for all", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const [a, b] = [yield* replica(world), yield* replica(world)]
      for (const { query } of [a, a, b]) {
        assert.strictEqual(yield* stakeThrough(query), 1n)
        assert.isTrue(Option.isSome(yield* query.service(SERVICE)))
        assert.isTrue(Option.isSome(yield* query.supplier(SUPPLIER)))
        assert.deepStrictEqual(yield* query.publicKey(APPLICATION), Option.some(application.publicKey))
        assert.strictEqual(Option.getOrThrow(yield* query.account(APPLICATION)).accountNumber, 7n)
        assert.strictEqual((yield* query.sharedParams).computeUnitsToTokensMultiplier, 1n)
        assert.strictEqual((yield* query.proofParams).proofMissingPenalty, 1n)
        assert.strictEqual((yield* query.sessionParams).numSuppliersPerSession, 15n)
        assert.strictEqual((yield* query.session(APPLICATION, SERVICE, 91n)).suppliers[0]?.operatorAddress, SUPPLIER)
        assert.strictEqual(yield* query.computeUnitsPerRelayAt(SERVICE, 91n), 1n)
        assert.deepStrictEqual(yield* query.difficultyTargetAt(SERVICE, 91n), new Uint8Array(32).fill(1))
        assert.strictEqual((yield* query.sharedParamsAt(91n)).numBlocksPerSession, 10n)
      }
      for (const operation of [
        "application",
        "service",
        "supplier",
        "publicKey",
        "sharedParams",
        "sessionParams",
        "session",
        "computeUnitsPerRelayAt",
        "difficultyTargetAt"
      ]) {
        assert.strictEqual(world.count(operation), 1, operation)
      }
      // Signing and deciding about proofs, each replica asks the chain itself.
      assert.deepStrictEqual([world.count("account"), world.count("proofParams")], [2, 2])
      // Once for its height, once for the end of the session, which is not settled.
      assert.strictEqual(world.count("sharedParamsAt"), 2)
    })
  )

  it.effect("of what a block can hold are asked for again after a minute", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const { query } = yield* replica(world)
      const limit = Effect.map(query.blockLimits, ({ maxGas }) => maxGas)
      world.chain.away = true
      assert.isTrue(Exit.isFailure(yield* Effect.exit(limit)))
      world.chain.away = false
      assert.deepStrictEqual([yield* limit, yield* limit], [1n, 1n])
      assert.strictEqual(world.count("blockLimits"), 2)
      world.chain.version = 2n
      yield* TestClock.adjust("61 seconds")
      assert.strictEqual(yield* limit, 2n)
    })
  )

  it.effect("lie in Redis as a Go fleet has them", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const { query } = yield* replica(world)
      yield* query.application(APPLICATION)
      yield* query.service(SERVICE)
      yield* query.publicKey(APPLICATION)
      yield* query.sharedParams
      const stored = (key: string) => Effect.map(world.cache.get(key), (found) => bytesToHex(Option.getOrThrow(found)))
      // Field numbers of poktroll's messages: Application 1 address, 2 stake, 3 service_configs; Service 1, 2, 3, 4.
      assert.strictEqual(
        yield* stored(`cache:application:${APPLICATION}`),
        bytesToHex(
          joined(field(1, APPLICATION), field(2, joined(field(1, "upokt"), field(2, "1"))), field(3, field(1, "anvil")))
        )
      )
      assert.strictEqual(
        yield* stored("cache:service:anvil"),
        bytesToHex(joined(field(1, "anvil"), field(2, "Anvil"), Uint8Array.from([0x18, 1]), field(4, SUPPLIER)))
      )
      assert.strictEqual(yield* stored(`cache:account:${APPLICATION}`), bytesToHex(application.publicKey))
      assert.isTrue((yield* stored("cache:shared_params")).startsWith("080a"))
      assert.deepStrictEqual(yield* world.cache.members("cache:known:applications"), [APPLICATION])
      assert.deepStrictEqual(yield* world.cache.members("cache:known:services"), ["anvil"])
    })
  )

  it.effect("are read from what a Go fleet wrote, unknown fields and all", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const record = joined(
        field(1, APPLICATION),
        field(2, joined(field(1, "upokt"), field(2, "55"))),
        field(15, "of a newer chain")
      )
      yield* world.cache.set(`cache:application:${APPLICATION}`, record, Duration.minutes(5))
      yield* world.cache.set(`cache:account:${APPLICATION}`, application.publicKey, Duration.infinity)
      const { query } = yield* replica(world)
      assert.strictEqual(yield* stakeThrough(query), 55n)
      assert.deepStrictEqual(yield* query.publicKey(APPLICATION), Option.some(application.publicKey))
      assert.deepStrictEqual([world.count("application"), world.count("publicKey")], [0, 0])
    })
  )

  it.effect("that are another's, cut or garbage in Redis are removed and read from the chain", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const wrong = {
        [`cache:application:${APPLICATION}`]: joined(field(1, stranger), field(2, field(1, "upokt"))),
        [`cache:account:${APPLICATION}`]: testKey("stranger").publicKey,
        "cache:service:anvil": field(1, "anvil").subarray(0, 4),
        "cache:shared_params": utf8("{}"),
        "mill:cache:session:x": utf8("x")
      }
      for (const [key, bytes] of Object.entries(wrong)) yield* world.cache.set(key, bytes, Duration.infinity)
      yield* world.cache.set(`mill:cache:session:${APPLICATION}:anvil:91`, utf8("short"), Duration.infinity)
      yield* world.cache.set("mill:cache:compute_units:anvil:91", utf8("12a"), Duration.infinity)
      yield* world.cache.set("mill:cache:difficulty:anvil:91", utf8("short"), Duration.infinity)
      const { query } = yield* replica(world)
      assert.strictEqual(yield* stakeThrough(query), 1n)
      assert.deepStrictEqual(yield* query.publicKey(APPLICATION), Option.some(application.publicKey))
      assert.strictEqual(Option.getOrThrow(yield* query.service(SERVICE)).name, "Anvil")
      assert.strictEqual((yield* query.sharedParams).numBlocksPerSession, 10n)
      assert.strictEqual((yield* query.session(APPLICATION, SERVICE, 91n)).sessionId, "5e55")
      assert.strictEqual(yield* query.computeUnitsPerRelayAt(SERVICE, 91n), 1n)
      assert.strictEqual((yield* query.difficultyTargetAt(SERVICE, 91n)).length, 32)
      // Repaired: another replica finds them.
      const other = yield* replica(world)
      assert.strictEqual(yield* stakeThrough(other.query), 1n)
      assert.deepStrictEqual(yield* other.query.publicKey(APPLICATION), Option.some(application.publicKey))
      assert.deepStrictEqual([world.count("application"), world.count("publicKey")], [1, 1])
    })
  )

  it.effect("are shared while they are read, within a replica and between replicas", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const [a, b] = [yield* replica(world), yield* replica(world)]
      const gate = yield* Deferred.make<void>()
      world.chain.during = Deferred.await(gate)
      const reads = yield* Effect.forEach([a, a, b, b], ({ query }) =>
        Effect.forkChild(stakeThrough(query), { startImmediately: true })
      )
      yield* TestClock.adjust("1 millis")
      yield* Deferred.succeed(gate, undefined)
      yield* TestClock.adjust("100 millis")
      for (const read of reads) assert.strictEqual(yield* Fiber.join(read), 1n)
      assert.strictEqual(world.count("application"), 1)
    })
  )

  it.effect(
    "are read without waiting longer for a replica that does not come back with them, whose lock stays its own",
    () =>
      Effect.gen(function* () {
        const world = yield* makeWorld
        const lock = `cache:lock:application:${APPLICATION}`
        assert.isTrue(yield* world.cache.setIfAbsent(lock, utf8("another's"), Duration.seconds(5)))
        const { query } = yield* replica(world)
        const read = yield* Effect.forkChild(stakeThrough(query), { startImmediately: true })
        yield* TestClock.adjust("75 millis")
        assert.strictEqual(yield* Fiber.join(read), 1n)
        assert.deepStrictEqual(yield* world.cache.get(lock), Option.some(utf8("another's")))
      })
  )

  it.effect("are read once when a replica gets its lock right after another shared them", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const late = SharedCache.of({
        ...world.cache,
        setIfAbsent: (key, value, life) => Effect.delay(world.cache.setIfAbsent(key, value, life), "50 millis")
      })
      const [a, b] = [yield* replica(world), yield* replica(world, { cache: late })]
      const second = yield* Effect.forkChild(stakeThrough(b.query), { startImmediately: true })
      yield* stakeThrough(a.query)
      yield* TestClock.adjust("50 millis")
      assert.strictEqual(yield* Fiber.join(second), 1n)
      assert.strictEqual(world.count("application"), 1)
    })
  )

  it.effect("give their lock back at once, also when the chain does not answer", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const { query } = yield* replica(world)
      world.chain.away = true
      yield* Effect.flip(stakeThrough(query))
      assert.deepStrictEqual(yield* world.cache.get(`cache:lock:application:${APPLICATION}`), Option.none())
    })
  )

  it.effect(
    "that are absent are looked up again after five seconds, failures after a quarter, neither from Redis",
    () =>
      Effect.gen(function* () {
        const world = yield* makeWorld
        const [a, b] = [yield* replica(world), yield* replica(world)]
        const unknown = ServiceId.make("unknown")
        for (const { query } of [a, a, b]) {
          assert.isTrue(Option.isNone(yield* query.service(unknown)))
          assert.strictEqual((yield* Effect.flip(query.computeUnitsPerRelayAt(unknown, 91n)))._tag, "ServiceNotFound")
        }
        assert.deepStrictEqual([world.count("service"), world.count("computeUnitsPerRelayAt")], [2, 2])
        yield* TestClock.adjust("5 seconds")
        yield* a.query.service(unknown)
        assert.strictEqual(world.count("service"), 3)
        world.chain.away = true
        for (let n = 0; n < 3; n++) {
          assert.strictEqual((yield* Effect.flip(a.query.supplier(SUPPLIER)))._tag, "ChainUnavailable")
        }
        assert.strictEqual(world.count("supplier"), 1)
        yield* TestClock.adjust("250 millis")
        world.chain.away = false
        assert.isTrue(Option.isSome(yield* a.query.supplier(SUPPLIER)))
      })
  )

  it.effect("live their time: applications a minute here and five in Redis, params stale for ten minutes more", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const { query } = yield* replica(world)
      yield* stakeThrough(query)
      yield* query.sharedParams
      world.chain.version = 2n
      yield* TestClock.adjust("61 seconds")
      // From Redis, where nobody refreshed it.
      assert.strictEqual(yield* stakeThrough(query), 1n)
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(yield* stakeThrough(query), 2n)
      assert.strictEqual(world.count("application"), 2)

      // Ten minutes in Redis: 2 × 10 blocks of 30 s.
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual((yield* query.sharedParams).computeUnitsToTokensMultiplier, 2n)
      yield* TestClock.adjust("10 minutes")
      world.chain.away = true
      world.chain.version = 3n
      assert.strictEqual((yield* query.sharedParams).computeUnitsToTokensMultiplier, 2n)
      const reads = world.count("sharedParams")
      yield* query.sharedParams
      assert.strictEqual(world.count("sharedParams"), reads)
      yield* TestClock.adjust("3 minutes")
      assert.strictEqual((yield* Effect.flip(query.sharedParams))._tag, "ChainUnavailable")
      world.chain.away = false
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* query.sharedParams).computeUnitsToTokensMultiplier, 3n)
    })
  )

  it.effect("of heights that are not settled are asked again with each block, and are in no Redis", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const { query } = yield* replica(world)
      for (const height of [98n, 100n, 110n]) {
        const before = world.count("computeUnitsPerRelayAt")
        yield* query.computeUnitsPerRelayAt(SERVICE, height)
        yield* query.computeUnitsPerRelayAt(SERVICE, height)
        assert.strictEqual(world.count("computeUnitsPerRelayAt"), before + 1)
        assert.isTrue(Option.isNone(yield* world.cache.get(`mill:cache:compute_units:anvil:${height}`)))
      }
      yield* query.sharedParamsAt(110n)
      yield* query.difficultyTargetAt(SERVICE, 110n)
      // Decided before the height came.
      world.chain.version = 2n
      yield* world.setHeight(113n)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* query.computeUnitsPerRelayAt(SERVICE, 110n), 2n)
      assert.strictEqual((yield* query.sharedParamsAt(110n)).computeUnitsToTokensMultiplier, 2n)
      assert.strictEqual((yield* query.difficultyTargetAt(SERVICE, 110n))[0], 2)
      assert.isTrue(Option.isSome(yield* world.cache.get("mill:cache:compute_units:anvil:110")))
      // Final: whatever the chain would say now.
      world.chain.version = 3n
      yield* TestClock.adjust("29 minutes")
      assert.strictEqual(yield* query.computeUnitsPerRelayAt(SERVICE, 110n), 2n)
    })
  )

  it.effect("of sessions live until nobody may ask for them; the future and the latest are not kept", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const { query } = yield* replica(world)
      for (const height of [0n, 101n]) {
        const before = world.count("session")
        yield* Effect.exit(query.session(APPLICATION, SERVICE, height))
        yield* Effect.exit(query.session(APPLICATION, SERVICE, height))
        assert.strictEqual(world.count("session"), before + 2)
      }
      const key = `mill:cache:session:${APPLICATION}:anvil:91`
      yield* query.session(APPLICATION, SERVICE, 91n)
      // Session 91 to 100, grace 1, height 100: useful to 103, three blocks of 30 s and ten seconds.
      yield* TestClock.adjust("99 seconds")
      assert.isTrue(Option.isSome(yield* world.cache.get(key)))
      yield* TestClock.adjust("2 seconds")
      assert.isTrue(Option.isNone(yield* world.cache.get(key)))
      const before = world.count("session")
      yield* query.session(APPLICATION, SERVICE, 91n)
      assert.strictEqual(world.count("session"), before + 1)
    })
  )

  it.effect("go on being read when Redis is away, which is left out for a second", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      let calls = 0
      const away = (operation: "get") =>
        Effect.suspend(() => {
          calls++
          return Effect.fail(new SharedCacheUnavailable({ operation, cause: "away" }))
        })
      const cache = SharedCache.of({
        get: () => away("get"),
        set: () => away("get"),
        setIfAbsent: () => away("get"),
        remove: () => away("get"),
        removeIf: () => away("get"),
        members: () => away("get"),
        changeMembers: () => away("get")
      })
      const { query } = yield* replica(world, { cache })
      assert.strictEqual(yield* stakeThrough(query), 1n)
      yield* query.application(ApplicationAddress.make(stranger))
      // One read, one attempt to repair what cannot be read.
      assert.strictEqual(calls, 2)
      yield* TestClock.adjust("61 seconds")
      yield* stakeThrough(query)
      assert.strictEqual(calls, 4)
      const silent = yield* replica(world, { cache: SharedCache.of({ ...cache, get: () => Effect.never }) })
      const read = yield* Effect.forkChild(stakeThrough(silent.query), { startImmediately: true })
      yield* TestClock.adjust("250 millis")
      assert.strictEqual(yield* Fiber.join(read), 1n)
    })
  )

  it.effect("are read past every tier by who asks for it, and then kept", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const { query } = yield* replica(world)
      yield* stakeThrough(query)
      world.chain.version = 2n
      assert.strictEqual(yield* stakeThrough(query), 1n)
      assert.strictEqual(yield* readFresh(stakeThrough(query)), 2n)
      assert.strictEqual(yield* stakeThrough(query), 2n)
    })
  )

  it.effect("do not keep a gateway that was added from signing: its ring is read past them", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const { query } = yield* replica(world)
      const rings = Context.get(
        yield* Layer.build(Layer.provide(RingDirectory.layer, Layer.succeed(ChainQuery, query))),
        RingDirectory
      )
      const before = yield* rings.ring(APPLICATION, 100n)
      assert.isFalse(before.has(gateway.publicKey))
      world.chain.gateways = [gateway.address]
      assert.isFalse((yield* rings.ring(APPLICATION, 110n)).has(gateway.publicKey))
      assert.isTrue((yield* rings.refreshed(APPLICATION, 110n)).has(gateway.publicKey))
    })
  )

  it.effect("named by texts that are no ids make no keys", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const { query } = yield* replica(world)
      for (const name of ["a:b", "a\nb", "", "x".repeat(129), "{a}"]) {
        const service = ServiceId.make(name)
        assert.isTrue(Option.isNone(yield* query.service(service)))
        assert.isTrue(Option.isNone(yield* query.account(name)))
        assert.strictEqual((yield* Effect.flip(query.difficultyTargetAt(service, 91n)))._tag, "ServiceNotFound")
      }
      assert.strictEqual(world.count("service"), 5)
    })
  )

  it.effect("that must be what the chain has now are not kept at all", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const { query } = yield* replica(world)
      for (let n = 0; n < 2; n++) {
        yield* query.balance(SUPPLIER)
        yield* query.claims(SUPPLIER, 1n)
        yield* query.blockEvents(90n)
      }
      for (const operation of ["balance", "claims", "blockEvents"]) assert.strictEqual(world.count(operation), 2)
    })
  )
})
