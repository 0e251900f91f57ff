/** What an operator hears of a Redis server that is not fit for the purpose, on real servers that are not. */
import { assert, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as RedisConnections from "../../../adapters/redis/RedisConnections.ts"
import { describeFinding, repairOf, severityOf } from "../../../adapters/redis/RedisFindings.ts"
import { inspect, layer, RedisHealth } from "../../../adapters/redis/RedisHealth.ts"
import type { RedisAddress } from "../../../adapters/redis/RedisSettings.ts"
import { onEveryRedis } from "../../support/EveryRedis.ts"
import { redisBinaries } from "../../support/RedisBinaries.ts"
import { eventually, redisProcess, RedisTestFailure } from "../../support/RedisProcess.ts"
import { ask, settingsFor, standalone, standaloneAddress } from "../../support/RedisServers.ts"

const looking = (address: RedisAddress) =>
  Effect.flatMap(RedisHealth, ({ look }) => look).pipe(
    Effect.provide(Layer.provide(layer, RedisConnections.layer(settingsFor(address))))
  )

const LOGGED = ["--appendonly", "yes"]

onEveryRedis("RedisHealth", (redis) => {
  it.live("finds nothing but the missing persistence in a fresh deployment, and leaves nothing behind", () =>
    Effect.gen(function* () {
      const settings = redis.settings()
      const connections = RedisConnections.layer(settings)
      const found = yield* Effect.flatMap(RedisHealth, ({ look }) => look).pipe(
        Effect.provide(Layer.provide(layer, connections))
      )
      assert.deepStrictEqual(
        found.map(({ _tag }) => _tag),
        redis.topology === "cluster" ? ["NotPersistent", "NotPersistent", "NotPersistent"] : ["NotPersistent"]
      )
      const keys = yield* Effect.flatMap(RedisConnections.RedisConnections, ({ search }) =>
        search(`${settings.namespace.base}:*`)
      ).pipe(Effect.provide(connections))
      assert.deepStrictEqual(keys, [])
    })
  )
})

for (const { path, version } of redisBinaries()) {
  const test = <E>(title: string, body: Effect.Effect<void, E, never>) =>
    it.live(`RedisHealth, ${version}: ${title}`, () => body)

  test(
    "finds nothing wrong with a server that keeps everything",
    Effect.scoped(
      Effect.gen(function* () {
        const { address } = yield* standalone(path, LOGGED)
        assert.deepStrictEqual(yield* looking(address), [])
      })
    )
  )

  test(
    "finds eviction, missing persistence and full memory, each with its repair",
    Effect.scoped(
      Effect.gen(function* () {
        const { address, servers } = yield* standalone(path, ["--maxmemory-policy", "allkeys-lru"])
        const used = Number(/used_memory:(\d+)/.exec(String(yield* ask(servers[0]!.port, "info", "memory")))?.[1])
        yield* ask(servers[0]!.port, "config", "set", "maxmemory", String(Math.round(used * 1.3)))
        const found = yield* looking(address)
        assert.deepStrictEqual(
          found.map((each) => [each._tag, severityOf(each)]),
          [
            ["Evicts", "error"],
            ["NotPersistent", "warning"],
            ["MemoryNearFull", "error"]
          ]
        )
        assert.include(describeFinding(found[0]!), "allkeys-lru")
        assert.include(repairOf(found[0]!), "CONFIG SET maxmemory-policy noeviction")
        // The repairs are commands that repair.
        yield* ask(servers[0]!.port, "config", "set", "maxmemory-policy", "noeviction")
        yield* ask(servers[0]!.port, "config", "set", "appendonly", "yes")
        yield* ask(servers[0]!.port, "config", "set", "maxmemory", "0")
        yield* eventually(
          Effect.flatMap(looking(address), ({ length }) =>
            length === 0 ? Effect.void : Effect.fail(new RedisTestFailure({ detail: `${length} findings` }))
          )
        )
      })
    )
  )

  test(
    "looks through INFO where CONFIG is forbidden, and names the user's missing commands",
    Effect.scoped(
      Effect.gen(function* () {
        const { servers } = yield* standalone(path, LOGGED)
        const port = servers[0]!.port
        const rights = ["on", ">pass", "~*", "&*", "+@all", "-config", "-xautoclaim", "-eval"]
        yield* ask(port, "acl", "setuser", "miner", ...rights)
        const found = yield* looking(standaloneAddress(port, { username: "miner", password: "pass" }))
        assert.deepStrictEqual(found, [{ _tag: "Forbidden", user: "miner", commands: ["xautoclaim", "eval"] }])
        assert.strictEqual(repairOf(found[0]!), "ACL SETUSER miner +xautoclaim +eval")
      })
    )
  )

  test(
    "says when INFO is forbidden",
    Effect.scoped(
      Effect.gen(function* () {
        const { servers } = yield* standalone(path, LOGGED)
        const port = servers[0]!.port
        yield* ask(port, "acl", "setuser", "miner", "on", ">pass", "~*", "&*", "+@all", "-info")
        const found = yield* looking(standaloneAddress(port, { username: "miner", password: "pass" }))
        assert.deepStrictEqual(
          found.map(({ _tag }) => _tag),
          ["Unknown"]
        )
      })
    )
  )

  test(
    "finds that the server is a replica",
    Effect.scoped(
      Effect.gen(function* () {
        const { servers } = yield* standalone(path, LOGGED)
        const replica = yield* redisProcess(path, {
          args: [...LOGGED, "--replicaof", "127.0.0.1", String(servers[0]!.port)]
        })
        yield* eventually(
          Effect.flatMap(looking(standaloneAddress(replica.port)), (found) =>
            found.some(({ _tag }) => _tag === "IsReplica")
              ? Effect.void
              : Effect.fail(new RedisTestFailure({ detail: found.map(describeFinding).join("; ") }))
          )
        )
      })
    )
  )

  test(
    "says that nobody answers, and why, without the password",
    Effect.scoped(
      Effect.gen(function* () {
        const { servers } = yield* standalone(path, ["--requirepass", "right"])
        const found = yield* looking(standaloneAddress(servers[0]!.port, { password: "wrong-secret" }))
        assert.deepStrictEqual(
          found.map(({ _tag }) => _tag),
          ["Unreachable"]
        )
        assert.include(describeFinding(found[0]!), "refuses user or password")
        assert.notInclude(describeFinding(found[0]!), "wrong-secret")
      })
    )
  )
}

it("RedisHealth: reads versions, failed saves and memory from the text of a server", () => {
  const tags = (fields: ReadonlyArray<readonly [string, string]>) =>
    inspect("s:1", new Map(fields)).map(({ _tag }) => _tag)
  assert.deepStrictEqual(tags([["redis_version", "6.0.16"]]), ["TooOld"])
  assert.deepStrictEqual(tags([["redis_version", "5.9.9"]]), ["TooOld"])
  assert.deepStrictEqual(tags([["redis_version", "6.2.0"]]), [])
  assert.deepStrictEqual(tags([["redis_version", "10.0.0"]]), [])
  const fine = ["redis_version", "8.2.3"] as const
  assert.deepStrictEqual(tags([fine, ["aof_last_write_status", "err"]]), ["PersistenceFails"])
  assert.deepStrictEqual(tags([fine, ["used_memory", "90"], ["maxmemory", "100"]]), ["MemoryNearFull"])
  assert.deepStrictEqual(tags([fine, ["used_memory", "90"], ["maxmemory", "0"]]), [])
})
