/**
 * Which of the commands that the adapters need the user may not use. Each is tried at a key of its own that holds a short
 * text: refused for the type at most, so nothing is changed, and what the user may not do is refused before that.
 */
import { Effect } from "effect"
import { RedisConnections } from "./RedisConnections.ts"
import type { RedisArgument } from "./RedisLink.ts"

/** Life of the key, should its removal fail. */
const PROBE_MILLIS = 5_000

/** Calls that change nothing, whatever the server answers; `key` holds a text. */
const probes = (key: string, channel: string): ReadonlyArray<readonly [string, ...ReadonlyArray<RedisArgument>]> => [
  ["get", key],
  ["pexpire", key, PROBE_MILLIS],
  ["pttl", key],
  ["type", key],
  ["exists", key],
  ["xadd", key, "*", "data", ""],
  ["xlen", key],
  ["xrange", key, "-", "+"],
  ["xdel", key, "1-1"],
  ["xack", key, "group", "1-1"],
  ["xgroup", "create", key, "group", "0"],
  ["xreadgroup", "group", "group", "consumer", "count", 1, "streams", key, ">"],
  ["xautoclaim", key, "group", "consumer", 0, "0"],
  ["xpending", key, "group"],
  ["xinfo", "stream", key],
  ["hset", key, "field", ""],
  ["hget", key, "field"],
  ["hmget", key, "field"],
  ["hgetall", key],
  ["hdel", key, "field"],
  ["hscan", key, 0],
  ["rpush", key, ""],
  ["lrange", key, 0, 0],
  ["ltrim", key, 0, 0],
  ["sadd", key, ""],
  ["srem", key, ""],
  ["smembers", key],
  ["zadd", key, 0, ""],
  ["zrange", key, 0, 0],
  ["persist", key],
  ["scan", 0, "count", 1],
  ["eval", "return 1", 1, key],
  ["evalsha", "0".repeat(40), 1, key],
  ["publish", channel, ""],
  ["del", key]
]

/** Commands that are refused for want of permission, in the order of the probes. Fails when Redis does not answer. */
export const forbiddenCommands = Effect.gen(function* () {
  const { commands, names } = yield* RedisConnections
  const key = names.mill("permissions", "probe")
  const isForbidden = ([name, ...args]: readonly [string, ...ReadonlyArray<RedisArgument>]) =>
    Effect.matchEffect(commands.call(name, ...args), {
      onSuccess: () => Effect.succeed(false),
      onFailure: (failure) =>
        failure.kind === "unavailable" || failure.kind === "timeout"
          ? Effect.fail(failure)
          : Effect.succeed(failure.kind === "noperm")
    })
  // Without a text at the key the others would write to it.
  if (yield* isForbidden(["set", key, "text", "px", PROBE_MILLIS])) return ["set"]
  return yield* Effect.filter(probes(key, names.portName("events:permissions")), isForbidden).pipe(
    Effect.map((refused) => refused.map(([name]) => name))
  )
})
