/** What Go's relayers and miners and ours find of each other in one Redis, and what foreign values at our keys do. */
import { assert, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Option, Stream } from "effect"
import * as EntropyNode from "../../../adapters/crypto/EntropyNode.ts"
import * as BroadcastRedis from "../../../adapters/redis/BroadcastRedis.ts"
import { listedMiners, searchedMiners } from "../../../adapters/redis/ForeignMiners.ts"
import * as LeasesRedis from "../../../adapters/redis/LeasesRedis.ts"
import * as MeterStoreRedis from "../../../adapters/redis/MeterStoreRedis.ts"
import * as RedisConnections from "../../../adapters/redis/RedisConnections.ts"
import * as SharedCacheRedis from "../../../adapters/redis/SharedCacheRedis.ts"
import { Broadcast } from "../../../domain/ports/Broadcast.ts"
import { Leases } from "../../../domain/ports/Leases.ts"
import { MeterStore } from "../../../domain/ports/MeterStore.ts"
import { SharedCache } from "../../../domain/ports/SharedCache.ts"
import { alice, bob, first, renewOne } from "../../contract/StoreFixtures.ts"
import { onEveryRedis, type RedisUnderTest } from "../../support/EveryRedis.ts"
import { eventually, RedisTestFailure } from "../../support/RedisProcess.ts"

type Ports = Leases | MeterStore | SharedCache | Broadcast | RedisConnections.RedisConnections

const TTL = Duration.seconds(20)

/** Ports over a fresh namespace; the meter's prefix is its base, as the configuration should have it. */
const ports = (redis: RedisUnderTest) =>
  Layer.suspend(() => {
    const settings = redis.settings()
    return Layer.mergeAll(
      LeasesRedis.layerWith(TTL),
      MeterStoreRedis.layerWith({ keyPrefix: settings.namespace.base, lifetime: Duration.hours(1) }),
      SharedCacheRedis.layer,
      BroadcastRedis.layer
    ).pipe(Layer.provide(EntropyNode.layer), Layer.provideMerge(RedisConnections.layer(settings)))
  })

onEveryRedis("Neighbours", (redis) => {
  const test = <E>(title: string, body: Effect.Effect<void, E, Ports>) =>
    it.live(title, () => Effect.provide(body, ports(redis)))
  const connections = RedisConnections.RedisConnections

  if (redis.topology === "standalone") {
    test(
      "a Go miner finds a supplier taken while ours has it, and free afterwards",
      Effect.gen(function* () {
        const leases = yield* Leases
        const { commands, names } = yield* connections
        const goClaims = (supplier: string) => commands.call("set", names.claim(supplier), "go-miner-1", "nx", "ex", 30)
        const lease = Option.getOrThrow(yield* leases.acquire(alice, "ours-1"))
        assert.strictEqual(yield* commands.call("get", names.claim(alice)), "ours-1")
        assert.isNull(yield* goClaims(alice))
        const [fence, claim] = yield* Effect.all([
          commands.call("pttl", names.fence(alice)),
          commands.call("pttl", names.claim(alice))
        ])
        assert.closeTo(Number(claim), Number(fence), 50)
        yield* commands.call("pexpire", names.claim(alice), 2_000)
        yield* renewOne(leases, lease)
        assert.isAbove(Number(yield* commands.call("pttl", names.claim(alice))), 15_000)
        yield* leases.release(lease)
        assert.strictEqual(yield* goClaims(alice), "OK")
      })
    )

    test(
      "ours does not acquire what a Go miner has claimed, nor touch its claim",
      Effect.gen(function* () {
        const leases = yield* Leases
        const { commands, names } = yield* connections
        yield* commands.call("set", names.claim(alice), "go-miner-1", "ex", 30)
        assert.isTrue(Option.isNone(yield* leases.acquire(alice, "ours-1")))
        assert.isNull(yield* commands.call("get", names.fence(alice)))
        assert.strictEqual(yield* commands.call("get", names.claim(alice)), "go-miner-1")
        yield* commands.call("del", names.claim(alice))
        const lease = Option.getOrThrow(yield* leases.acquire(alice, "ours-1"))
        // Somebody removed our claim and a Go miner was quicker than our renewal.
        yield* commands.call("set", names.claim(alice), "go-miner-1", "ex", 30)
        assert.strictEqual((yield* Effect.flip(renewOne(leases, lease)))._tag, "LeaseLost")
        yield* leases.release(lease)
        assert.strictEqual(yield* commands.call("get", names.claim(alice)), "go-miner-1")
      })
    )

    test(
      "a foreign value at one supplier's claim keeps no other's lease from being renewed",
      Effect.gen(function* () {
        const leases = yield* Leases
        const { commands, names } = yield* connections
        const held = yield* Effect.forEach([alice, bob], (supplier) => leases.acquire(supplier, "ours-1"))
        const [ofAlice, ofBob] = held.map((lease) => Option.getOrThrow(lease))
        yield* commands.call("del", names.claim(alice))
        yield* commands.call("rpush", names.claim(alice), "foreign")
        yield* commands.call("pexpire", names.fence(bob), 2_000)
        const outcomes = yield* leases.renew([ofAlice!, ofBob!])
        assert.deepInclude(outcomes[0], { _tag: "Failure" })
        assert.match(String(outcomes[0]?._tag === "Failure" && outcomes[0].failure), /LeasesUnavailable/)
        assert.strictEqual(outcomes[1]?._tag, "Success")
        assert.isAbove(Number(yield* commands.call("pttl", names.fence(bob))), 15_000)
      })
    )

    test(
      "live Go miners are seen by their index and by their registrations",
      Effect.gen(function* () {
        const { commands, names } = yield* connections
        const leases = yield* Leases
        yield* leases.announce("ours-1")
        yield* leases.acquire(alice, "ours-1")
        assert.deepStrictEqual([yield* listedMiners, yield* searchedMiners], [[], []])
        yield* commands.call("sadd", names.activeInstances, "go-2", "go-1", "go-dead")
        yield* commands.call("set", names.instance("go-1"), "1700000000", "ex", 30)
        yield* commands.call("set", names.instance("go-2"), "1700000000", "ex", 30)
        yield* commands.call("set", names.instance("go-unlisted"), "1700000000", "ex", 30)
        assert.deepStrictEqual(yield* listedMiners, ["go-1", "go-2"])
        assert.deepStrictEqual(yield* searchedMiners, ["go-1", "go-2", "go-unlisted"])
      })
    )
  }

  test(
    "a lease does not wait for what lies at the key of its epoch, but says what lies at its fence",
    Effect.gen(function* () {
      const leases = yield* Leases
      const { commands, names } = yield* connections
      yield* commands.call("set", names.epoch(alice), "foreign")
      assert.strictEqual(Option.getOrThrow(yield* leases.acquire(alice, "ours-1")).epoch, 1)
      yield* commands.call("rpush", names.fence(bob), "foreign")
      const failure = yield* Effect.flip(leases.acquire(bob, "ours-1"))
      assert.strictEqual(failure._tag, "LeasesUnavailable")
      assert.include(String(failure.cause), "another type")
      assert.strictEqual(yield* commands.call("llen", names.fence(bob)), 1)
    })
  )

  const key = { session: first, supplier: alice }
  const aTake = (wanted: bigint, limit = 100n) => ({ key, unit: 10n, wanted, limit, sessionEnd: 40n })

  test(
    "meters add up with a Go relayer's INCRBY, at its key, and outlive its expiry",
    Effect.gen(function* () {
      const meter = yield* MeterStore
      const { commands, names } = yield* connections
      const consumed = `${names.base}:meter:${first}:${alice}:consumed`
      // Go: SETNX of the description, then the counter at 0 with its expiry, then a relay.
      yield* commands.call("set", `${names.base}:meter:${first}:${alice}:meta`, "{}", "nx", "ex", 5)
      yield* commands.call("set", consumed, "0", "ex", 5)
      yield* commands.call("incrby", consumed, 35)
      assert.strictEqual(yield* meter.take(aTake(90n)), 60n)
      assert.strictEqual(yield* commands.call("get", consumed), "95")
      assert.isAbove(Number(yield* commands.call("ttl", consumed)), 3_500)
      assert.strictEqual(yield* commands.call("incrby", consumed, 5), 100)
      assert.strictEqual(yield* meter.take(aTake(10n)), 0n)
      yield* meter.giveBack(key, 40n)
      assert.strictEqual(yield* commands.call("get", consumed), "60")
      assert.isAbove(Number(yield* commands.call("ttl", consumed)), 3_500)
    })
  )

  test(
    "a Go relayer that comes second does not begin the counter at 0 again, and reads its description",
    Effect.gen(function* () {
      const meter = yield* MeterStore
      const { commands, names } = yield* connections
      assert.strictEqual(yield* meter.take(aTake(30n)), 30n)
      const meta = names.meterMeta(names.base, first, alice)
      assert.isNull(yield* commands.call("set", meta, "{}", "nx"))
      assert.deepInclude(JSON.parse(String(yield* commands.call("get", meta))), {
        session_id: first,
        supplier_address: alice,
        session_end_height: 40,
        max_stake_upokt: 100
      })
      assert.deepStrictEqual(yield* commands.call("smembers", names.activeMeters), [`${first}|${alice}`])
      yield* meter.drop(key)
      assert.isNull(yield* commands.call("get", meta))
      assert.deepStrictEqual(yield* commands.call("smembers", names.activeMeters), [])
    })
  )

  test(
    "a counter that is none is no allowance, and is left as it is",
    Effect.gen(function* () {
      const meter = yield* MeterStore
      const { commands, names } = yield* connections
      const consumed = names.meterConsumed(names.base, first, alice)
      for (const foreign of ["many", "1.5", "", "0x10", "1e3"]) {
        yield* commands.call("set", consumed, foreign)
        assert.strictEqual((yield* Effect.flip(meter.take(aTake(10n))))._tag, "MeterUnavailable")
        assert.strictEqual((yield* Effect.flip(meter.consumed(key)))._tag, "MeterUnavailable")
        assert.strictEqual((yield* Effect.flip(meter.giveBack(key, 1n)))._tag, "MeterUnavailable")
        assert.strictEqual(yield* commands.call("get", consumed), foreign)
      }
      yield* commands.call("del", consumed)
      yield* commands.call("rpush", consumed, "x")
      assert.strictEqual((yield* Effect.flip(meter.take(aTake(10n))))._tag, "MeterUnavailable")
    })
  )

  test(
    "cached values lie below the base as the Go fleet has them; a set at a value's key is no value",
    Effect.gen(function* () {
      const cache = yield* SharedCache
      const { commands, names } = yield* connections
      yield* cache.set("cache:application:pokt1app", Uint8Array.of(1, 2), Duration.minutes(1))
      assert.deepStrictEqual(
        yield* commands.callBytes("get", `${names.base}:cache:application:pokt1app`),
        Buffer.from([1, 2])
      )
      yield* commands.call("sadd", `${names.base}:cache:odd`, "x")
      assert.strictEqual((yield* Effect.flip(cache.get("cache:odd")))._tag, "SharedCacheUnavailable")
      yield* cache.set("cache:odd", Uint8Array.of(3), Duration.minutes(1))
      assert.deepStrictEqual(yield* cache.get("cache:odd"), Option.some(Uint8Array.of(3)))
    })
  )

  test(
    "a listener hears Go's messages, and after a lost connection that it may have missed some",
    Effect.gen(function* () {
      const bus = yield* Broadcast
      const { callEach, commands, names } = yield* connections
      const heard: Array<string> = []
      const listening = yield* Effect.forkChild(
        Stream.runForEach(bus.listen("events:blocks"), (word) =>
          Effect.sync(() => void heard.push(word._tag === "Message" ? word.payload : word._tag))
        )
      )
      const hears = (expected: ReadonlyArray<string>) =>
        eventually(
          Effect.suspend(() =>
            JSON.stringify(heard) === JSON.stringify(expected)
              ? Effect.void
              : Effect.fail(new RedisTestFailure({ detail: heard.join(" ") }))
          )
        )
      yield* hears(["Listening"])
      yield* commands.call("publish", `${names.base}:events:blocks`, "1")
      yield* hears(["Listening", "1"])
      yield* callEach("client", "kill", "type", "pubsub")
      yield* hears(["Listening", "1", "Listening"])
      yield* bus.publish("events:blocks", "2")
      yield* hears(["Listening", "1", "Listening", "2"])
      yield* Fiber.interrupt(listening)
    })
  )
})
