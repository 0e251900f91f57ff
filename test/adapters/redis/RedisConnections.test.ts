/** Connections on real servers: every call ends in time with a reply or a typed failure, and they come back. */
import { assert, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Option, Result, Stream } from "effect"
import { layer, RedisConnections } from "../../../adapters/redis/RedisConnections.ts"
import { command, scriptCommand } from "../../../adapters/redis/RedisLink.ts"
import { makeScript } from "../../../adapters/redis/RedisScript.ts"
import { onEveryRedis } from "../../support/EveryRedis.ts"
import { eventually, RedisTestFailure } from "../../support/RedisProcess.ts"

const increment = makeScript("increment", "return redis.call('INCRBY', KEYS[1], ARGV[1])")

onEveryRedis("RedisConnections", (redis) => {
  const test = <E>(title: string, body: (connections: RedisConnections["Service"]) => Effect.Effect<void, E>) =>
    it.live(title, () => Effect.suspend(() => Effect.provide(RedisConnections.use(body), layer(redis.settings()))))

  test("sends commands and returns text or bytes", (connections) =>
    Effect.gen(function* () {
      const { commands, names } = connections
      const key = names.mill("pokt1supplier", "key")
      const bytes = Uint8Array.from({ length: 256 }, (_, n) => n)
      assert.strictEqual(yield* commands.call("set", key, bytes.subarray(1, 200)), "OK")
      const stored = yield* commands.callBytes("get", key)
      assert.deepStrictEqual(stored, Buffer.from(bytes.subarray(1, 200)))
      assert.strictEqual(yield* commands.call("strlen", key), 199)
      assert.strictEqual(yield* commands.call("set", key, 9_223_372_036_854_775_807n), "OK")
      assert.strictEqual(yield* commands.call("get", key), "9223372036854775807")
    }))

  test("answers many calls at once, each with its own reply", (connections) =>
    Effect.gen(function* () {
      const { commands, names } = connections
      const replies = yield* Effect.forEach(
        Array.from({ length: 500 }, (_, n) => n),
        (n) =>
          Effect.andThen(
            commands.call("set", names.mill(`s${n % 40}`, n), n),
            commands.call("get", names.mill(`s${n % 40}`, n))
          ),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        replies,
        Array.from({ length: 500 }, (_, n) => String(n))
      )
    }))

  test("runs scripts that the server does not know yet, also after it forgot them", (connections) =>
    Effect.gen(function* () {
      const { commands, commits, names, callEach } = connections
      const key = names.mill("pokt1supplier", "count")
      yield* callEach("script", "flush")
      assert.strictEqual(yield* commands.run(increment, [key], [2]), 2)
      assert.strictEqual(yield* commands.run(increment, [key], [2]), 4)
      yield* callEach("script", "flush")
      const results = yield* commits.pipeline([
        scriptCommand(increment, [key], [1]),
        command("get", key),
        scriptCommand(increment, [key], [1])
      ])
      // The plain command ran between two refused ones; those ran after it, in their order.
      assert.deepStrictEqual(results.map(Result.getOrThrow), [5, Buffer.from("4"), 6])
    }))

  test("gives each command of a pipeline its own result", (connections) =>
    Effect.gen(function* () {
      const { commands, names } = connections
      const text = names.mill("pokt1supplier", "text")
      const results = yield* commands.pipeline([
        command("set", text, "x"),
        command("lpush", text, "y"),
        command("get", text)
      ])
      assert.deepStrictEqual(
        results.map((result) => (Result.isFailure(result) ? result.failure.kind : String(result.success))),
        ["OK", "wrongtype", "x"]
      )
      assert.deepStrictEqual(yield* commands.pipeline([]), [])
    }))

  test("names what the server refused, without the arguments", (connections) =>
    Effect.gen(function* () {
      const { commands, names } = connections
      const key = names.mill("pokt1supplier", "text")
      yield* commands.call("set", key, "x")
      const wrong = yield* Effect.flip(commands.call("xadd", key, "*", "data", "secret"))
      assert.strictEqual(wrong.kind, "wrongtype")
      const inside = yield* Effect.flip(
        commands.run(makeScript("push", "return redis.call('LPUSH', KEYS[1], ARGV[1])"), [key], ["secret"])
      )
      assert.strictEqual(inside.kind, "wrongtype")
      const unknown = yield* Effect.flip(commands.call("nosuchcommand", key, "secret"))
      assert.strictEqual(unknown.kind, "unsupported")
      const group = yield* Effect.flip(commands.call("xgroup", "create", names.mill("s", "none"), "g", "0"))
      assert.strictEqual(group.kind, "rejected")
      yield* commands.call("xgroup", "create", names.mill("s", "x"), "g", "0", "mkstream")
      const busy = yield* Effect.flip(commands.call("xgroup", "create", names.mill("s", "x"), "g", "0"))
      assert.strictEqual(busy.kind, "busygroup")
      const none = yield* Effect.flip(
        commands.call("xreadgroup", "group", "other", "c", "count", 1, "streams", names.mill("s", "x"), ">")
      )
      assert.strictEqual(none.kind, "nogroup")
      for (const failure of [wrong, inside, unknown, group, busy, none]) assert.notInclude(failure.message, "secret")
    }))

  test("knows which commands the server has", (connections) =>
    Effect.gen(function* () {
      assert.isTrue(yield* connections.supports("xadd"))
      assert.isFalse(yield* connections.supports("nosuchcommand"))
      const version = /\d+\.\d+/.exec(redis.binary.version)?.[0] ?? ""
      if (redis.binary.version.startsWith("redis")) {
        assert.strictEqual(yield* connections.supports("xackdel"), Number(version) >= 8.2)
      }
    }))

  test("asks every master", (connections) =>
    Effect.gen(function* () {
      const replies = yield* connections.callEach("dbsize")
      assert.lengthOf([...replies], redis.topology === "cluster" ? 3 : 1)
      for (const info of (yield* connections.info("server", "replication")).values()) {
        assert.match(info.get("run_id") ?? "", /^[\da-f]{40}$/)
        assert.strictEqual(info.get("role"), "master")
      }
    }))

  it.live("has as many connections as the pool, waits for a free one and then says so", () =>
    Effect.gen(function* () {
      const settings = redis.settings({ poolSize: 3, poolTimeout: Duration.millis(100) })
      yield* Effect.gen(function* () {
        const { blocking, names } = yield* RedisConnections
        const only = Effect.scoped(
          Effect.gen(function* () {
            const link = yield* blocking("reader", Duration.seconds(1))
            assert.isNull(yield* link.call("blpop", names.mill("s", "none"), "0.05"))
            const failure = yield* Effect.flip(Effect.scoped(blocking("another", Duration.seconds(1))))
            assert.strictEqual(failure.kind, "unavailable")
            assert.include(failure.message, "redis.pool_size")
          })
        )
        yield* only
        yield* only
      }).pipe(Effect.provide(layer(settings)))
    })
  )

  test("ends a call without reply in time, and the connection works again", (connections) =>
    Effect.gen(function* () {
      const server = redis.deployment().servers[0]!
      yield* connections.ping
      yield* server.signal("SIGSTOP")
      const [passed, failures] = yield* Effect.timed(
        Effect.flip(
          Effect.forEach(
            Array.from({ length: 200 }, (_, n) => n),
            (n) => connections.commands.call("set", connections.names.mill(`s${n}`, "k"), n),
            { concurrency: "unbounded" }
          )
        )
      ).pipe(Effect.ensuring(server.signal("SIGCONT")))
      assert.include(["timeout", "unavailable"], failures.kind)
      assert.isBelow(Duration.toMillis(passed), 3_500)
      yield* eventually(connections.commands.call("set", connections.names.mill("s", "k"), 1).pipe(Effect.asVoid))
    }))

  test("fails calls at once while the server is gone, then comes back and says that it is another one", (connections) =>
    Effect.gen(function* () {
      // The last test may have made a cluster replace a master.
      const masters = [...(yield* connections.info("replication")).keys()]
      const server = redis.deployment().servers.find(({ port }) => masters[0] === `127.0.0.1:${port}`)!
      const next = yield* Effect.forkChild(Stream.runHead(connections.reconnects))
      yield* eventually(
        Effect.flatMap(connections.state, ({ identified }) =>
          identified ? Effect.void : Effect.fail(new RedisTestFailure({ detail: "not identified" }))
        )
      )
      const keys = Array.from({ length: 50 }, (_, n) => connections.names.mill(`s${n}`, "k"))
      const all = Effect.forEach(keys, (key) => connections.commands.call("set", key, 1), { concurrency: "unbounded" })
      yield* server.signal("SIGKILL")
      const [passed, failure] = yield* Effect.timed(Effect.flip(all))
      assert.strictEqual(failure.kind, "unavailable")
      assert.isBelow(Duration.toMillis(passed), 2_500)
      if (redis.topology === "standalone") yield* server.start
      yield* eventually(Effect.asVoid(all))
      const { replaced } = Option.getOrThrow(yield* Fiber.join(next))
      assert.isTrue(replaced)
      if (redis.topology === "cluster") yield* server.start
    }))
})
