/** Failover, retries by class, circuit breaker and deadline of a pool, in virtual time. */
import { assert, describe, it } from "@effect/vitest"
import { type Duration, Effect, Fiber, Option, Result, Schema } from "effect"
import { TestClock } from "effect/testing"
import { EndpointFailed, type FailureKind } from "../../../adapters/chain/EndpointFailed.ts"
import { EndpointFaults } from "../../../adapters/chain/EndpointHealth.ts"
import { defaultPoolSettings, type EndpointPool, makeEndpointPool } from "../../../adapters/chain/EndpointPool.ts"

/** A client that does as it is told, and counts. */
interface Told {
  mode: FailureKind | "ok" | "silent" | "refusal"
  calls: number
}

class Refusal extends Schema.TaggedError<Refusal>()("Refusal", {}) {}

const settings = { ...defaultPoolSettings("query"), failureThreshold: 3 }

const use = (client: Told, endpoint: string): Effect.Effect<string, Refusal | EndpointFailed> => {
  client.calls++
  switch (client.mode) {
    case "ok":
      return Effect.succeed(endpoint)
    case "silent":
      return Effect.never
    case "refusal":
      return Effect.fail(new Refusal())
    default:
      return Effect.fail(new EndpointFailed({ endpoint, operation: "read", kind: client.mode, detail: "told so" }))
  }
}

const build = (...modes: ReadonlyArray<Told["mode"]>) =>
  Effect.gen(function* () {
    const clients = modes.map((mode): Told => ({ mode, calls: 0 }))
    const pool = yield* makeEndpointPool(
      clients.map((client, index) => ({ name: `node${index}:9090`, client })),
      settings
    )
    return { pool, clients, calls: () => clients.map(({ calls }) => calls) }
  })

/** Runs a call while virtual time passes. */
const ask = (pool: EndpointPool<Told>, passing: Duration.Input = "6 seconds") =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(Effect.result(pool.run("read", use)))
    yield* TestClock.adjust(passing)
    return yield* Fiber.join(fiber)
  })

const causeOf = (result: Result.Result<unknown, unknown>): unknown =>
  Result.isFailure(result) && typeof result.failure === "object" && result.failure !== null && "cause" in result.failure
    ? result.failure.cause
    : undefined

describe("EndpointPool", () => {
  it.effect("asks the first endpoint of the configuration while it is well", () =>
    Effect.gen(function* () {
      const { pool, calls } = yield* build("ok", "ok")
      for (let i = 0; i < 3; i++) assert.deepStrictEqual(yield* pool.run("read", use), "node0:9090")
      assert.deepStrictEqual(calls(), [3, 0])
    }).pipe(Effect.scoped)
  )

  it.effect("goes on to the next endpoint after each class of failure", () =>
    Effect.gen(function* () {
      for (const kind of ["transport", "deadline", "overloaded", "unimplemented", "undecodable", "internal"] as const) {
        const { pool } = yield* build(kind, "ok")
        assert.deepStrictEqual(yield* ask(pool), Result.succeed("node1:9090"), kind)
      }
    }).pipe(Effect.scoped)
  )

  it.effect("hands on what an endpoint answers, and asks nobody else for another answer", () =>
    Effect.gen(function* () {
      const { pool, calls } = yield* build("refusal", "ok")
      assert.deepStrictEqual(yield* ask(pool), Result.fail(new Refusal()))
      assert.deepStrictEqual(calls(), [1, 0])
    }).pipe(Effect.scoped)
  )

  it.effect("leaves time for the next endpoint when one is silent, and ends within its deadline when all are", () =>
    Effect.gen(function* () {
      const one = yield* build("silent", "ok")
      assert.deepStrictEqual(yield* ask(one.pool, "2500 millis"), Result.succeed("node1:9090"))
      const all = yield* build("silent", "silent")
      const result = yield* ask(all.pool, "5 seconds")
      assert.deepInclude(causeOf(result), { kind: "deadline", endpoint: "node1:9090" })
    }).pipe(Effect.scoped)
  )

  it.effect("repeats what may pass, with pauses; not what an endpoint says for good", () =>
    Effect.gen(function* () {
      const passing = yield* build("overloaded")
      assert.deepInclude(causeOf(yield* ask(passing.pool)), { kind: "overloaded" })
      assert.deepStrictEqual(passing.calls(), [3])
      const forGood = yield* build("internal")
      assert.deepInclude(causeOf(yield* ask(forGood.pool, 0)), { kind: "internal", detail: "told so" })
      assert.deepStrictEqual(forGood.calls(), [1])
    }).pipe(Effect.scoped)
  )

  it.effect("lets an endpoint rest after failures in a row, and tries it with a single call", () =>
    Effect.gen(function* () {
      const { pool, clients, calls } = yield* build("transport")
      yield* ask(pool)
      assert.deepStrictEqual(calls(), [3])
      assert.deepStrictEqual(
        (yield* pool.reasons).map(({ isBlocking }) => isBlocking),
        [true]
      )
      yield* ask(pool, 0) // 6 s passed: this one is the trial
      assert.deepStrictEqual(calls(), [4])
      yield* ask(pool, 0)
      assert.deepStrictEqual(calls(), [4])
      clients[0]!.mode = "silent"
      yield* TestClock.adjust(settings.recovery)
      const trial = yield* Effect.forkChild(Effect.result(pool.run("read", use)))
      yield* TestClock.adjust("1 second")
      assert.deepInclude(causeOf(yield* ask(pool, 0)), { kind: "transport" })
      assert.deepStrictEqual(calls(), [5])
      yield* Fiber.interrupt(trial)
      clients[0]!.mode = "ok"
      yield* TestClock.adjust(settings.recovery)
      assert.deepStrictEqual(yield* ask(pool, 0), Result.succeed("node0:9090"))
      assert.deepStrictEqual(yield* pool.reasons, [])
    }).pipe(Effect.scoped)
  )

  it.effect("tries endpoints that have rested although nobody needs them", () =>
    Effect.gen(function* () {
      const { pool, clients, calls } = yield* build("transport")
      yield* ask(pool, "1 second")
      yield* pool.revive("status", use)
      assert.deepStrictEqual(calls(), [3])
      clients[0]!.mode = "ok"
      yield* TestClock.adjust(settings.recovery)
      assert.deepStrictEqual(
        (yield* pool.reasons).map(({ isBlocking }) => isBlocking),
        [true]
      )
      for (let i = 0; i < 2; i++) yield* pool.revive("status", use)
      assert.deepStrictEqual(yield* pool.reasons, [])
      assert.deepStrictEqual(calls(), [4])
    }).pipe(Effect.scoped)
  )

  it.effect("never lets an endpoint rest for what it says of one question", () =>
    Effect.gen(function* () {
      for (const kind of ["internal", "undecodable"] as const) {
        const { pool, clients } = yield* build(kind)
        for (let i = 0; i < 9; i++) assert.deepInclude(causeOf(yield* ask(pool, 0)), { kind, detail: "told so" })
        clients[0]!.mode = "ok"
        assert.deepStrictEqual(yield* ask(pool, 0), Result.succeed("node0:9090"))
      }
    }).pipe(Effect.scoped)
  )

  it.effect("remembers for a minute that an endpoint does not have a method, and that alone", () =>
    Effect.gen(function* () {
      const { pool, clients, calls } = yield* build("unimplemented")
      assert.deepInclude(causeOf(yield* ask(pool, 0)), { kind: "unimplemented", detail: "told so" })
      clients[0]!.mode = "ok"
      assert.deepInclude(causeOf(yield* ask(pool, "59 seconds")), { kind: "unimplemented" })
      assert.deepStrictEqual(calls(), [1])
      assert.deepStrictEqual(yield* pool.run("other", use), "node0:9090")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* pool.run("read", use), "node0:9090")
    }).pipe(Effect.scoped)
  )

  it.effect("prefers endpoints that are not behind, and never asks one that is not believed", () =>
    Effect.gen(function* () {
      const { pool, clients } = yield* build("ok", "ok")
      yield* pool.report("node0:9090", "lagging", "is 9 blocks behind")
      assert.deepStrictEqual(yield* ask(pool, 0), Result.succeed("node1:9090"))
      assert.deepStrictEqual(yield* pool.reasons, [
        { text: "query endpoint node0:9090: is 9 blocks behind", isBlocking: false }
      ])
      clients[1]!.mode = "transport"
      assert.deepStrictEqual(yield* ask(pool, 0), Result.succeed("node0:9090"))
      assert.isTrue(pool.isBelieved("node0:9090"))
      yield* pool.report("node0:9090", "wrong_chain", "is of chain other, not pocket")
      assert.isFalse(pool.isBelieved("node0:9090"))
      assert.deepInclude(causeOf(yield* ask(pool)), { kind: "transport", endpoint: "node1:9090" })
      yield* pool.report("node0:9090", "wrong_chain", undefined)
      yield* pool.report("node0:9090", "lagging", undefined)
      assert.deepStrictEqual(yield* ask(pool, 0), Result.succeed("node0:9090"))
    }).pipe(Effect.scoped)
  )

  it.effect("prefers an endpoint that failed lately less, and comes back to the first in time", () =>
    Effect.gen(function* () {
      const { pool, clients } = yield* build("transport", "ok")
      yield* ask(pool, 0)
      clients[0]!.mode = "ok"
      assert.deepStrictEqual(yield* ask(pool, 0), Result.succeed("node1:9090"))
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(yield* ask(pool, 0), Result.succeed("node0:9090"))
    }).pipe(Effect.scoped)
  )

  it.effect("asks every endpoint that does not rest when a call goes to all", () =>
    Effect.gen(function* () {
      const { pool, clients } = yield* build("ok", "transport", "refusal")
      const answers = yield* pool.each("read", use)
      assert.deepStrictEqual(
        answers.map(({ endpoint, result }) => [endpoint, Result.isSuccess(result) ? "ok" : result.failure._tag]),
        [
          ["node0:9090", "ok"],
          ["node1:9090", "EndpointFailed"],
          ["node2:9090", "Refusal"]
        ]
      )
      for (let i = 0; i < 2; i++) yield* pool.each("read", use)
      clients[1]!.calls = 0
      assert.strictEqual((yield* pool.each("read", use)).length, 2)
      assert.strictEqual(clients[1]!.calls, 0)
    }).pipe(Effect.scoped)
  )

  it.effect("bounds the calls under way; those that get no turn fail within their deadline", () =>
    Effect.gen(function* () {
      const client: Told = { mode: "silent", calls: 0 }
      const pool = yield* makeEndpointPool([{ name: "node0:9090", client }], {
        ...settings,
        concurrency: 2,
        retries: 0
      })
      const fibers = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(Effect.result(pool.run("read", use))))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(client.calls, 2)
      yield* TestClock.adjust("5 seconds")
      for (const fiber of fibers) assert.isTrue(Result.isFailure(yield* Fiber.join(fiber)))
    }).pipe(Effect.scoped)
  )

  it.effect("finds what another endpoint has where the best has none, and asks no other where it has some", () =>
    Effect.gen(function* () {
      const { pool, calls } = yield* build("ok", "ok")
      const held = (holder: string) => (client: Told, endpoint: string) => {
        client.calls++
        return Effect.succeed(endpoint === holder ? Option.some(endpoint) : Option.none<string>())
      }
      assert.deepStrictEqual(yield* pool.find("read", held("node0:9090")), Option.some("node0:9090"))
      assert.deepStrictEqual(calls(), [1, 0])
      assert.deepStrictEqual(yield* pool.find("read", held("node1:9090")), Option.some("node1:9090"))
      assert.deepStrictEqual(yield* pool.find("read", held("nobody")), Option.none())
    }).pipe(Effect.scoped)
  )

  it.effect("knows of faults that another pool of the same endpoints was told", () =>
    Effect.gen(function* () {
      const endpoint = { name: "node0:9090", client: undefined, faults: new EndpointFaults() }
      const pool = yield* makeEndpointPool([endpoint], settings)
      const bodies = yield* makeEndpointPool([endpoint], { ...settings, wire: "rpc_bodies" })
      yield* pool.report("node0:9090", "forked", "shows another chain")
      assert.isFalse(bodies.isBelieved("node0:9090"))
      assert.deepStrictEqual(yield* bodies.reasons, [
        { text: "rpc_bodies endpoint node0:9090: shows another chain", isBlocking: true }
      ])
      yield* pool.report("node0:9090", "forked", undefined)
      assert.deepStrictEqual(yield* bodies.reasons, [])
    }).pipe(Effect.scoped)
  )
})
