/** `SharedCache` in Redis: the second tier of the caches, at the keys of the Go fleet. The server bounds it. */
import { Duration, Effect, Layer } from "effect"
import { SharedCache, SharedCacheUnavailable } from "../../domain/ports/SharedCache.ts"
import { RedisConnections } from "./RedisConnections.ts"
import { type RedisFailure, unexpectedReply } from "./RedisFailure.ts"
import type { RedisArgument } from "./RedisLink.ts"
import { makeScript } from "./RedisScript.ts"

/** Members that one command adds or removes. */
const MEMBERS_OF_ONE_COMMAND = 1_000

/** Over `RedisConnections`. A value of another type at a key is replaced by `set` and `unavailable` for the rest. */
export const layer = Layer.effect(
  SharedCache,
  Effect.gen(function* () {
    const { commands, names } = yield* RedisConnections

    const remove = (key: string) => commands.call("del", names.portName(key))

    const change = (name: "sadd" | "srem", key: string, members: ReadonlyArray<string>) =>
      Effect.forEach(
        Array.from(
          { length: Math.ceil(members.length / MEMBERS_OF_ONE_COMMAND) },
          (_, n) => n * MEMBERS_OF_ONE_COMMAND
        ),
        (from) => commands.call(name, names.portName(key), ...members.slice(from, from + MEMBERS_OF_ONE_COMMAND)),
        { discard: true }
      )

    return SharedCache.of({
      get: (key) =>
        commands.callBytes("get", names.portName(key)).pipe(
          Effect.flatMap((reply) =>
            reply === null
              ? Effect.succeedNone
              : reply instanceof Uint8Array
                ? Effect.succeedSome(new Uint8Array(reply))
                : Effect.fail(unexpectedReply("get", "no bytes"))
          ),
          Effect.mapError(unavailable("get"))
        ),
      set: (key, value, timeToLive) =>
        (isNothing(timeToLive)
          ? remove(key)
          : commands.call("set", names.portName(key), value, ...expiry(timeToLive))
        ).pipe(Effect.asVoid, Effect.mapError(unavailable("set"))),
      setIfAbsent: (key, value, timeToLive) =>
        (isNothing(timeToLive)
          ? Effect.map(commands.call("exists", names.portName(key)), (count) => count === 0)
          : Effect.map(
              commands.call("set", names.portName(key), value, "nx", ...expiry(timeToLive)),
              (reply) => reply === "OK"
            )
        ).pipe(Effect.mapError(unavailable("setIfAbsent"))),
      remove: (key) => remove(key).pipe(Effect.asVoid, Effect.mapError(unavailable("remove"))),
      removeIf: (key, value) =>
        commands.run(removeIf, [names.portName(key)], [value]).pipe(
          Effect.map((reply) => reply === 1),
          Effect.mapError(unavailable("removeIf"))
        ),
      members: (key) =>
        commands.call("smembers", names.portName(key)).pipe(
          Effect.filterOrFail(Array.isArray, () => unexpectedReply("smembers", "no list")),
          Effect.map((members) => members.map(String)),
          Effect.mapError(unavailable("members"))
        ),
      changeMembers: (key, { add, remove }) =>
        Effect.andThen(change("sadd", key, add), change("srem", key, remove)).pipe(
          Effect.mapError(unavailable("changeMembers"))
        )
    })
  })
)

const removeIf = makeScript(
  "remove if equal",
  `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`
)

const isNothing = (timeToLive: Duration.Duration): boolean => Duration.toMillis(timeToLive) < 1

const expiry = (timeToLive: Duration.Duration): ReadonlyArray<RedisArgument> =>
  Duration.isFinite(timeToLive) ? ["px", Math.ceil(Duration.toMillis(timeToLive))] : []

const unavailable = (operation: SharedCacheUnavailable["operation"]) => (cause: RedisFailure) =>
  new SharedCacheUnavailable({ operation, cause })
