/**
 * `Leadership` in Redis at the key of the Go fleet, whose value is the id of the replica that leads. Our scripts and Go's
 * exclude each other: each takes an absent key only, and renews and deletes only its own.
 */
import { Duration, Effect, Layer, Option } from "effect"
import { Leadership, LeadershipUnavailable } from "../../domain/ports/Leadership.ts"
import { LEADER_TTL } from "../../domain/supplier/LeaderElection.ts"
import { RedisConnections } from "./RedisConnections.ts"
import { type RedisFailure, unexpectedReply } from "./RedisFailure.ts"
import { makeScript } from "./RedisScript.ts"

/** A leadership that lasts `ttl` from acquisition or renewal. */
export const layerWith = (ttl: Duration.Duration): Layer.Layer<Leadership, never, RedisConnections> =>
  Layer.effect(
    Leadership,
    Effect.gen(function* () {
      const { commands, names } = yield* RedisConnections
      const key = names.globalLeader
      const life = Duration.toMillis(ttl)
      return Leadership.of({
        ttl,
        acquire: (replica) =>
          commands.run(acquire, [key], [replica, life]).pipe(
            Effect.map((reply) => reply === 1),
            Effect.mapError(unavailable("acquire"))
          ),
        renew: (replica) =>
          commands.run(renew, [key], [replica, life]).pipe(
            Effect.map((reply) => reply === 1),
            Effect.mapError(unavailable("renew"))
          ),
        release: (replica) =>
          commands.run(release, [key], [replica]).pipe(Effect.asVoid, Effect.mapError(unavailable("release"))),
        leader: commands.call("get", key).pipe(
          Effect.flatMap((reply) =>
            reply === null || typeof reply === "string"
              ? Effect.succeed(Option.fromNullOr(reply))
              : Effect.fail(unexpectedReply("get", "no text"))
          ),
          Effect.mapError(unavailable("leader"))
        )
      })
    })
  )

/** For 30 s. */
export const layer = layerWith(LEADER_TTL)

/** Key: the leadership. Arguments: replica, milliseconds. */
const acquire = makeScript(
  "acquire leadership",
  `local leader = redis.call('GET', KEYS[1])
if leader and leader ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`
)

/** Key: the leadership. Arguments: replica, milliseconds. */
const renew = makeScript(
  "renew leadership",
  `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`
)

/** Key: the leadership. Argument: replica. */
const release = makeScript(
  "release leadership",
  `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`
)

const unavailable = (operation: LeadershipUnavailable["operation"]) => (cause: RedisFailure) =>
  new LeadershipUnavailable({ operation, cause })
