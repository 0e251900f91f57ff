/** What other processes changed is forgotten here: in Go's payloads, both ways, garbage passed over. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Duration, Effect, Fiber, Metric, Option, PubSub, Schema, Semaphore, Stream } from "effect"
import { TestClock } from "effect/testing"
import { names } from "../../../domain/cache/CacheNames.ts"
import { decodeHeight, decodeInvalidation, encodeInvalidation } from "../../../domain/cache/Invalidation.ts"
import { Broadcast, type Heard } from "../../../domain/ports/Broadcast.ts"
import { SharedCache, SharedCacheUnavailable } from "../../../domain/ports/SharedCache.ts"
import { SeededRandom } from "../../simulation/SeededRandom.ts"
import { APPLICATION, type CacheWorld, makeWorld, replica, SERVICE, stakeThrough, SUPPLIER } from "./CacheWorld.ts"

const settle = TestClock.adjust("1 millis")
const always = { announce: "always", mayWrite: Effect.succeed(true) } as const
const changes = { announce: "changes", mayWrite: Effect.succeed(true) } as const

const hear = Effect.fnUntraced(function* (world: CacheWorld, channel: string) {
  const heard: Array<string> = []
  yield* Effect.forkScoped(
    Stream.runForEach(world.bus.subscribe(channel), (payload) => Effect.sync(() => void heard.push(payload)))
  )
  yield* settle
  return heard
})

const counted = (name: string, labels: Readonly<Record<string, string>>) =>
  Effect.map(Metric.snapshot, (all) => {
    const found = all.find(
      ({ id, attributes }) =>
        id === name && Object.entries(labels).every(([label, value]) => attributes?.[label] === value)
    )
    return found?.type === "Counter" ? Number(found.state.count) : 0
  })

describe("names", () => {
  it("are those of a Go fleet below its base prefix", () => {
    assert.deepStrictEqual(
      [
        names.application("pokt1a"),
        names.service("anvil"),
        names.account("pokt1a"),
        names.sharedParams,
        names.proofParams,
        names.supplierState("pokt1s"),
        names.serviceFactor("anvil"),
        names.defaultServiceFactor,
        names.knownApplications,
        names.knownServices,
        names.lock("application:pokt1a"),
        names.lock("shared_params")
      ],
      [
        "cache:application:pokt1a",
        "cache:service:anvil",
        "cache:account:pokt1a",
        "cache:shared_params",
        "cache:proof_params",
        "supplier:pokt1s",
        "service_factor:service:anvil",
        "service_factor:default",
        "cache:known:applications",
        "cache:known:services",
        "cache:lock:application:pokt1a",
        "cache:lock:shared_params"
      ]
    )
    assert.deepStrictEqual(
      [
        names.invalidations("application"),
        names.invalidations("shared_params"),
        names.invalidations("service_factor"),
        names.supplierParamsInvalidations,
        names.paramsInvalidations
      ],
      [
        "events:cache:application:invalidate",
        "events:cache:shared_params:invalidate",
        "events:cache:service_factor:invalidate",
        "events:cache:invalidate:supplier_params",
        "events:invalidate:params"
      ]
    )
  })
})

describe("payloads", () => {
  it("are Go's, for one and for all", () => {
    assert.strictEqual(encodeInvalidation("address", Option.some("pokt1a")), '{"address":"pokt1a"}')
    assert.strictEqual(encodeInvalidation("service_id", Option.some("anvil")), '{"service_id":"anvil"}')
    assert.strictEqual(encodeInvalidation("operator_address", Option.some("pokt1s")), '{"operator_address":"pokt1s"}')
    assert.strictEqual(encodeInvalidation("address", Option.none()), "{}")
  })

  it("are read with unknown fields and blanks; what is none is refused", () => {
    const read = (payload: string) => {
      const decoded = decodeInvalidation("address", payload)
      return decoded._tag === "Failure" ? "garbage" : Option.getOrElse(decoded.success, () => "all")
    }
    assert.strictEqual(read('{"address":"pokt1a"}'), "pokt1a")
    assert.strictEqual(read(' { "address" : "pokt1a", "height": 5, "x": null }\n'), "pokt1a")
    for (const payload of ["{}", '{"address":""}', '{"other":1}']) assert.strictEqual(read(payload), "all")
    for (const payload of [
      "",
      "null",
      "[]",
      '[{"address":"pokt1a"}]',
      '"pokt1a"',
      "5",
      '{"address":5}',
      '{"address":null}',
      '{"address":["pokt1a"]}',
      '{"address":"pokt1a"',
      "\u0000",
      `{"address":"${"x".repeat(2_000)}"}`
    ]) {
      assert.strictEqual(read(payload), "garbage", payload)
    }
    assert.deepStrictEqual(decodeHeight("1234"), Option.some(1234n))
    for (const payload of ["", "-1", "1.5", "0x1", " 1", "12345678901234567890", "{}"]) {
      assert.deepStrictEqual(decodeHeight(payload), Option.none())
    }
  })
})

describe("invalidations", () => {
  it.effect("of another process are heard: the value it put into Redis is read at once", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const [leader, relayer] = [yield* replica(world), yield* replica(world)]
      yield* stakeThrough(relayer.query)
      world.chain.version = 2n
      yield* leader.caches.applications.refresh(APPLICATION, always)
      yield* settle
      const now = yield* Clock.currentTimeMillis
      const kept = relayer.caches.applications.peek(APPLICATION, now)
      assert.strictEqual(kept !== undefined && Option.isSome(kept) ? kept.value.stake : undefined, 2n)
      assert.strictEqual(world.count("application"), 2)
    })
  )

  it.effect("of a Go process are heard on every channel, for one and for all", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const { query } = yield* replica(world)
      const read = {
        application: stakeThrough(query),
        service: query.service(SERVICE),
        supplier: query.supplier(SUPPLIER),
        account: query.publicKey(APPLICATION),
        shared_params: query.sharedParams,
        proof_params: query.proofParams
      }
      const cases = [
        ["application", "application", `{"address":"${APPLICATION}"}`, `cache:application:${APPLICATION}`],
        ["application", "application", "{}", `cache:application:${APPLICATION}`],
        ["service", "service", '{"service_id":"anvil"}', "cache:service:anvil"],
        ["service", "service", "{}", "cache:service:anvil"],
        ["supplier", "supplier", `{"operator_address":"${SUPPLIER}"}`, `mill:cache:supplier:${SUPPLIER}`],
        ["account", "publicKey", `{"address":"${APPLICATION}"}`, `cache:account:${APPLICATION}`],
        ["account", "publicKey", "{}", `cache:account:${APPLICATION}`],
        ["shared_params", "sharedParams", "whatever", "cache:shared_params"],
        ["proof_params", "proofParams", "{}", "cache:proof_params"]
      ] as const
      for (const [type, operation, payload, key] of cases) {
        yield* read[type]
        const before = world.count(operation)
        yield* read[type]
        assert.strictEqual(world.count(operation), before)
        yield* world.cache.remove(key)
        yield* world.bus.publish(`events:cache:${type}:invalidate`, payload)
        yield* settle
        yield* read[type]
        assert.strictEqual(world.count(operation), before + 1, `${type} ${payload}`)
      }
      yield* query.sharedParamsAt(50n)
      yield* world.cache.remove("mill:cache:shared_params_at:50")
      yield* world.bus.publish("events:invalidate:params", "50")
      yield* settle
      yield* query.sharedParamsAt(50n)
      assert.strictEqual(world.count("sharedParamsAt"), 2)
    })
  )

  it.effect("that are garbage or about what nobody asked for change nothing, and garbage is counted", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const { query, caches } = yield* replica(world)
      yield* stakeThrough(query)
      const before = yield* counted("ha_cache_invalidations_ignored_total", { cache_type: "application" })
      for (const payload of ["", "garbage", "[]", '{"address":1}', "x".repeat(5_000)]) {
        yield* world.bus.publish("events:cache:application:invalidate", payload)
      }
      for (let n = 0; n < 100; n++) {
        yield* world.bus.publish("events:cache:application:invalidate", `{"address":"pokt1forged${n}"}`)
      }
      yield* world.bus.publish("events:invalidate:params", "all of them")
      yield* settle
      yield* stakeThrough(query)
      assert.deepStrictEqual([world.count("application"), caches.applications.size()], [1, 1])
      assert.strictEqual(
        yield* counted("ha_cache_invalidations_ignored_total", { cache_type: "application" }),
        before + 5
      )
    })
  )

  it.effect("are sent in Go's form by a refresh: of params always, of a record if it changed", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const { caches } = yield* replica(world)
      const [params, applications, services] = [
        yield* hear(world, "events:cache:shared_params:invalidate"),
        yield* hear(world, "events:cache:application:invalidate"),
        yield* hear(world, "events:cache:service:invalidate")
      ]
      for (let n = 0; n < 2; n++) {
        yield* caches.sharedParams.refresh("", always)
        yield* caches.applications.refresh(APPLICATION, changes)
        yield* caches.services.refresh(SERVICE, changes)
      }
      world.chain.version = 2n
      yield* caches.applications.refresh(APPLICATION, changes)
      yield* settle
      assert.deepStrictEqual(params, ["{}", "{}"])
      assert.deepStrictEqual(applications, [`{"address":"${APPLICATION}"}`, `{"address":"${APPLICATION}"}`])
      assert.deepStrictEqual(services, ['{"service_id":"anvil"}'])
    })
  )

  it.effect("are not sent for a value that Redis did not take", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const cache = SharedCache.of({
        ...world.cache,
        set: () => Effect.fail(new SharedCacheUnavailable({ operation: "set", cause: "full" }))
      })
      const { caches } = yield* replica(world, { cache })
      const heard = yield* hear(world, "events:cache:application:invalidate")
      assert.isTrue(Option.isNone(yield* caches.applications.refresh(APPLICATION, always)))
      yield* settle
      assert.deepStrictEqual(heard, [])
    })
  )

  it.effect("that may have been missed empty the process, and only then", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const words = yield* PubSub.unbounded<Heard>({ replay: 1 })
      yield* PubSub.publish(words, { _tag: "Listening" })
      const bus = Broadcast.of({ ...world.bus, listen: () => Stream.fromPubSub(words) })
      const { query, caches } = yield* replica(world, { bus })
      yield* stakeThrough(query)
      yield* query.computeUnitsPerRelayAt(SERVICE, 91n)
      assert.strictEqual(caches.applications.size(), 1)
      // A message was lost: the record changed, Redis has the new one, nobody told us.
      world.chain.version = 2n
      yield* world.cache.remove(names.application(APPLICATION))
      assert.strictEqual(yield* stakeThrough(query), 1n)
      yield* PubSub.publish(words, { _tag: "Listening" })
      yield* settle
      assert.strictEqual(caches.applications.size(), 0)
      assert.strictEqual(yield* stakeThrough(query), 2n)
      // What never changes needs no word.
      assert.strictEqual(caches.computeUnits.size(), 1)
    })
  )

  it.effect("that cannot be heard do not keep a replica from starting", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const bus = Broadcast.of({ ...world.bus, listen: () => Stream.never })
      const starting = yield* Effect.forkChild(replica(world, { bus }), { startImmediately: true })
      yield* TestClock.adjust("9 seconds")
      assert.isUndefined(starting.pollUnsafe())
      yield* TestClock.adjust("1 seconds")
      const { query } = yield* Fiber.join(starting)
      assert.strictEqual(yield* stakeThrough(query), 1n)
    })
  )

  it.effect("during a look-up: its caller is answered, the next one asks anew, Redis keeps nothing of it", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const { query, caches } = yield* replica(world)
      const gate = yield* Deferred.make<void>()
      world.chain.during = Deferred.await(gate)
      const early = yield* Effect.forkChild(stakeThrough(query), { startImmediately: true })
      world.chain.version = 2n
      yield* caches.applications.invalidate(APPLICATION)
      const late = yield* Effect.forkChild(stakeThrough(query), { startImmediately: true })
      // The late one waits for the lock of the early one, then reads the chain itself.
      yield* TestClock.adjust("75 millis")
      yield* Deferred.succeed(gate, undefined)
      yield* settle
      assert.deepStrictEqual([yield* Fiber.join(early), yield* Fiber.join(late)], [1n, 2n])
      const other = yield* replica(world)
      assert.strictEqual(yield* stakeThrough(other.query), 2n)
    })
  )

  it.effect.prop(
    "leave nothing older than themselves, whatever else is under way",
    { seed: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000 })) },
    ({ seed }) =>
      Effect.gen(function* () {
        const world = yield* makeWorld
        let lag = 0
        // Calls of Redis take effect before they answer, and take a while.
        const slowed = <A, E>(call: Effect.Effect<A, E>) => Effect.tap(call, () => Effect.sleep(lag % 7))
        const cache = SharedCache.of({
          get: (key) => slowed(world.cache.get(key)),
          set: (key, value, life) => slowed(world.cache.set(key, value, life)),
          setIfAbsent: (key, value, life) => slowed(world.cache.setIfAbsent(key, value, life)),
          remove: (key) => slowed(world.cache.remove(key)),
          removeIf: (key, value) => slowed(world.cache.removeIf(key, value)),
          members: (key) => slowed(world.cache.members(key)),
          changeMembers: (key, change) => slowed(world.cache.changeMembers(key, change))
        })
        const bus = Broadcast.of({
          publish: () => Effect.void,
          subscribe: () => Stream.never,
          listen: () => Stream.concat(Stream.succeed({ _tag: "Listening" } as const), Stream.never)
        })
        const replicas = yield* Effect.forEach([0, 1, 2], () => replica(world, { cache, bus }))
        yield* settle
        world.chain.during = Effect.suspend(() => Effect.sleep(lag))
        /** Version that is in Redis for sure, and that each replica was told of. */
        let written = 0n
        // A leader refreshes one after the other.
        const leader = yield* Semaphore.make(1)
        const told = [0n, 0n, 0n]
        const check = Effect.gen(function* () {
          const now = yield* Clock.currentTimeMillis
          replicas.forEach(({ caches }, who) => {
            const kept = caches.applications.peek(APPLICATION, now)
            if (kept === undefined || Option.isNone(kept)) return
            assert.isTrue(kept.value.stake >= (told[who] ?? 0n), `${kept.value.stake} after ${told[who]}`)
          })
        })
        const random = new SeededRandom(`${seed}`)
        for (let step = 0; step < 60; step++) {
          const who = random.between(0, 2)
          lag = random.between(0, 40)
          const { query, caches } = replicas[who]!
          const look = stakeThrough(query)
          const refresh = Effect.suspend(() => {
            const version = ++world.chain.version
            return Effect.map(replicas[0]!.caches.applications.refresh(APPLICATION, always), () => {
              if (version > written) written = version
            })
          }).pipe(leader.withPermits(1))
          const invalidate = Effect.suspend(() => {
            const version = written
            return Effect.map(caches.applications.invalidate(APPLICATION), () => {
              if (version > (told[who] ?? 0n)) told[who] = version
            })
          })
          const act: Effect.Effect<unknown, unknown> = random.pick([
            look,
            look,
            look,
            refresh,
            invalidate,
            invalidate,
            caches.applications.clear
          ])
          yield* Effect.forkChild(act, { startImmediately: true })
          for (let wait = random.between(0, 8); wait > 0; wait--) {
            yield* TestClock.adjust("1 millis")
            yield* check
          }
        }
        yield* TestClock.adjust(Duration.seconds(1))
        yield* check
      }),
    { arbitrary: { runs: 60 } }
  )
})
