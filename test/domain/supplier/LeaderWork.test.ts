/** Two leaders at once leave behind what one alone would. */
import { assert, describe, it } from "@effect/vitest"
import { bytesToHex } from "@noble/curves/utils.js"
import { Duration, Effect, Layer, Option, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as CachedChainQuery from "../../../domain/cache/CachedChainQuery.ts"
import { noMonitors } from "../../../domain/monitoring/MonitorSettings.ts"
import { makeNotices } from "../../../domain/monitoring/Notices.ts"
import { Blocks } from "../../../domain/ports/Blocks.ts"
import { decimalOfDouble } from "../../../domain/protocol/Decimal.ts"
import { leaderWork } from "../../../domain/supplier/LeaderWork.ts"
import { APPLICATION, BLOCK_TIME, type CacheWorld, makeWorld, portsOf, SERVICE } from "../cache/CacheWorld.ts"

const KEYS = [
  "cache:shared_params",
  "cache:proof_params",
  `cache:application:${APPLICATION}`,
  `cache:service:${SERVICE}`,
  "service_factor:default",
  `service_factor:service:${SERVICE}`,
  "mill:cache:refreshed_at"
]

const factor = (value: number) => {
  const decoded = decimalOfDouble(value)
  if (decoded._tag === "Failure") throw new Error(`${value} is no factor`)
  return decoded.success
}
const factors = {
  factors: new Map([[SERVICE, factor(0.5)]]),
  defaultFactor: factor(0.25),
  life: Duration.hours(2)
}

/** A leader of `world` that sees the chain as `seen` does, until the scope ends. */
const lead = Effect.fnUntraced(function* (world: CacheWorld, seen: CacheWorld) {
  const context = yield* Layer.build(
    CachedChainQuery.layer({ blockTime: BLOCK_TIME }).pipe(
      Layer.provideMerge(Layer.merge(portsOf(world, { query: seen.query }), Layer.succeed(Blocks, seen.blocks)))
    )
  )
  for (const { run } of leaderWork(factors, noMonitors, makeNotices()))
    yield* Effect.forkScoped(Effect.provideContext(run, context))
})

/** What Redis holds after 17 blocks, in each of which everything on the chain has changed. */
const endState = (overlap: boolean) =>
  Effect.scoped(
    Effect.gen(function* () {
      yield* TestClock.setTime(1_700_000_000_000)
      const world = yield* makeWorld
      yield* world.cache.changeMembers("cache:known:applications", { add: [APPLICATION], remove: [] })
      yield* world.cache.changeMembers("cache:known:services", { add: [SERVICE], remove: [] })
      const behind = yield* makeWorld
      yield* behind.setHeight(97n)
      yield* lead(world, world)
      if (overlap) yield* lead(world, behind)
      for (let height = 100n; height <= 116n; height++) {
        world.chain.version = height
        behind.chain.version = height - 3n
        yield* world.setHeight(height)
        yield* behind.setHeight(height - 3n)
        yield* TestClock.adjust("1 second")
      }
      return yield* Effect.forEach(KEYS, (key) =>
        Effect.map(world.cache.get(key), (bytes) => [key, bytesToHex(Option.getOrThrow(bytes))] as const)
      )
    })
  )

describe("the work of a leader", () => {
  it.effect("ends where one leader's would, although another one lags behind it and does the same", () =>
    Effect.gen(function* () {
      const alone = yield* endState(false)
      assert.deepStrictEqual(yield* endState(true), alone)
      // The state is that of the last refresh, not of nothing.
      const mark = alone.find(([key]) => key === "mill:cache:refreshed_at")
      assert.strictEqual(mark?.[1], bytesToHex(new TextEncoder().encode("116")))
    })
  )

  it.effect("tells the fleet of every block, in the words of Go's leader", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const heard: Array<string> = []
      yield* Effect.forkScoped(
        Stream.runForEach(world.bus.subscribe("events:blocks"), (text) => Effect.sync(() => heard.push(text)))
      )
      yield* lead(world, world)
      yield* TestClock.adjust("1 second")
      yield* world.setHeight(101n)
      yield* TestClock.adjust("1 second")
      const { height, hash } = yield* world.blocks.latest
      assert.strictEqual(height, 101n)
      const last: unknown = JSON.parse(heard.at(-1) ?? "")
      assert.deepInclude(last, { height: 101, hash: Buffer.from(hash).toString("base64") })
      assert.match(heard.at(-1) ?? "", /"timestamp":"\d{4}-\d\d-\d\dT[^"]+Z"\}$/)
    })
  )
})
