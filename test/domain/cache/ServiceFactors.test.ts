/** Service factors: Go's JSON, kept published by the leader, read by relayers without a read for each relay. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Duration, Effect, Layer, Option, Result, Stream } from "effect"
import { TestClock } from "effect/testing"
import { decodeServiceFactor, encodeServiceFactor } from "../../../domain/cache/ServiceFactor.ts"
import {
  keepServiceFactorsPublished,
  publishServiceFactors,
  ServiceFactors
} from "../../../domain/cache/ServiceFactors.ts"
import { SharedCache, SharedCacheUnavailable } from "../../../domain/ports/SharedCache.ts"
import { type Decimal, decimal, toText } from "../../../domain/protocol/Decimal.ts"
import { type CacheWorld, makeWorld, portsOf, type ReplicaPorts } from "./CacheWorld.ts"

const of = (text: string): Decimal => Result.getOrThrow(decimal(text))
const life = Duration.hours(2)
const textAt = (world: CacheWorld, key: string) =>
  Effect.map(world.cache.get(key), (found) =>
    Option.getOrUndefined(Option.map(found, (bytes) => new TextDecoder().decode(bytes)))
  )
const readerOf = (world: CacheWorld, ports: ReplicaPorts = {}) =>
  Effect.map(Layer.build(Layer.provide(ServiceFactors.layer, portsOf(world, ports))), (context) => {
    const { factor } = Context.get(context, ServiceFactors)
    return (service: string) => Effect.map(factor(service), (found) => Option.getOrUndefined(Option.map(found, toText)))
  })

describe("a service factor as JSON", () => {
  it("is Go's, and read with unknown fields", () => {
    assert.strictEqual(encodeServiceFactor(of("0.5"), 1_700_000_000), '{"factor":0.5,"updated_at":1700000000}')
    const read = (text: string) => Option.getOrUndefined(Option.map(decodeServiceFactor(text), toText))
    assert.strictEqual(read('{"factor":0.5,"updated_at":1700000000}'), "0.5")
    assert.strictEqual(read('{"factor":2,"by":{"a":1}}'), "2")
    assert.strictEqual(read('{"factor":1e-7,"updated_at":"2023-11-14T22:13:20Z"}'), "0.0000001")
    for (const text of ['{"factor":0}', '{"factor":-1}', '{"factor":"1"}', '{"factor":null}', "{}", "1", "", "{"]) {
      assert.isUndefined(read(text), text)
    }
  })
})

describe("service factors", () => {
  it.effect("are published under Go's keys and told on Go's channel; what is not above 0 is not", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const heard: Array<string> = []
      yield* Effect.forkScoped(
        Stream.runForEach(world.bus.subscribe("events:cache:service_factor:invalidate"), (payload) =>
          Effect.sync(() => void heard.push(payload))
        )
      )
      yield* TestClock.setTime(1_700_000_000_000)
      const factors = new Map([
        ["anvil", of("0.75")],
        ["eth", of("0")]
      ])
      yield* Effect.provide(publishServiceFactors({ factors, defaultFactor: of("0.5"), life }), portsOf(world))
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(
        yield* textAt(world, "service_factor:service:anvil"),
        '{"factor":0.75,"updated_at":1700000000}'
      )
      assert.strictEqual(yield* textAt(world, "service_factor:default"), '{"factor":0.5,"updated_at":1700000000}')
      assert.isUndefined(yield* textAt(world, "service_factor:service:eth"))
      assert.deepStrictEqual(heard, ['{"service_id":"anvil"}', "{}"])
    })
  )

  it.effect("do not expire while their leader lives, even if Redis is away now and then", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      let calls = 0
      const cache = SharedCache.of({
        ...world.cache,
        set: (key, value, time) =>
          Effect.suspend(() =>
            ++calls % 3 === 0
              ? Effect.fail(new SharedCacheUnavailable({ operation: "set", cause: "away" }))
              : world.cache.set(key, value, time)
          )
      })
      const factors = new Map([["anvil", of("0.75")]])
      yield* Effect.forkChild(
        Effect.provide(
          keepServiceFactorsPublished({ factors, defaultFactor: undefined, life }),
          portsOf(world, { cache })
        )
      )
      for (let n = 0; n < 200; n++) {
        yield* TestClock.adjust("5 minutes")
        assert.isDefined(yield* textAt(world, "service_factor:service:anvil"))
      }
      // 1 000 minutes: a write each 40 ± 4 minutes and the retries.
      assert.isBelow(calls, 45)
    })
  )

  it.effect("are read once until told, absence too; the service's own before the default", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      let reads = 0
      const cache = SharedCache.of({
        ...world.cache,
        get: (key) =>
          Effect.andThen(
            Effect.sync(() => reads++),
            world.cache.get(key)
          )
      })
      const factor = yield* readerOf(world, { cache })
      const publish = (factors: ReadonlyMap<string, Decimal>, defaultFactor?: Decimal) =>
        Effect.andThen(
          Effect.provide(publishServiceFactors({ factors, defaultFactor, life }), portsOf(world)),
          TestClock.adjust("1 millis")
        )
      for (let n = 0; n < 10; n++) assert.isUndefined(yield* factor("anvil"))
      assert.strictEqual(reads, 2)
      yield* publish(new Map(), of("0.5"))
      assert.strictEqual(yield* factor("anvil"), "0.5")
      yield* publish(new Map([["anvil", of("0.75")]]))
      assert.strictEqual(yield* factor("anvil"), "0.75")
      assert.strictEqual(yield* factor("eth"), "0.5")
      assert.strictEqual(reads, 5)
      yield* world.cache.remove("service_factor:service:anvil")
      yield* TestClock.adjust("60 seconds")
      assert.strictEqual(yield* factor("anvil"), "0.5")
    })
  )

  it.effect("stay in force while Redis is away, and say so when nothing was read before", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      yield* Effect.provide(
        publishServiceFactors({ factors: new Map([["anvil", of("0.75")]]), defaultFactor: undefined, life }),
        portsOf(world)
      )
      let isAway = false
      const cache = SharedCache.of({
        ...world.cache,
        get: (key) =>
          Effect.suspend(() =>
            isAway ? Effect.fail(new SharedCacheUnavailable({ operation: "get", cause: "away" })) : world.cache.get(key)
          )
      })
      const factor = yield* readerOf(world, { cache })
      yield* factor("anvil")
      isAway = true
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* factor("anvil"), "0.75")
      assert.strictEqual((yield* Effect.flip(factor("eth")))._tag, "SharedCacheUnavailable")
    })
  )
})
