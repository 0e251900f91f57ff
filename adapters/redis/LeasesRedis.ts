/**
 * `Leases` in Redis. The fence lies in the supplier's slot, where commits compare it. On one server and with sentinels an
 * acquisition takes the lease of Go's miners too, so that one started by mistake finds the supplier taken.
 */
import { bytesToHex } from "@noble/hashes/utils.js"
import { Duration, Effect, Layer, Option } from "effect"
import { Entropy } from "../../domain/ports/Entropy.ts"
import { LeaseLost, Leases, LeasesUnavailable } from "../../domain/ports/Leases.ts"
import { LEASE_TTL } from "../../domain/supplier/FleetTimes.ts"
import { announce, living } from "./LivingMembers.ts"
import { RedisConnections } from "./RedisConnections.ts"
import { type RedisFailure, unexpectedReply } from "./RedisFailure.ts"
import { makeScript } from "./RedisScript.ts"

/** Bytes of a nonce: two acquisitions never share one. */
const NONCE_BYTES = 16

/** Leases that last `ttl` from acquisition or renewal. */
export const layerWith = (ttl: Duration.Duration) =>
  Layer.effect(
    Leases,
    Effect.gen(function* () {
      const { commands, names } = yield* RedisConnections
      const entropy = yield* Entropy
      const ttlMillis = Duration.toMillis(ttl)
      const withGo = names.topology !== "cluster"
      const keys = (supplier: string) => [
        names.fence(supplier),
        names.epoch(supplier),
        ...(withGo ? [names.claim(supplier)] : [])
      ]

      return Leases.of({
        ttl,
        acquire: (supplier, owner) =>
          Effect.gen(function* () {
            const nonce = bytesToHex(yield* entropy.bytes(NONCE_BYTES))
            const epoch = yield* Effect.flatMap(
              commands.run(acquire, keys(supplier), [nonce, owner, ttlMillis]),
              asInteger("acquire")
            )
            return epoch === 0 ? Option.none() : Option.some({ supplier, nonce, owner, epoch })
          }).pipe(Effect.mapError(unavailable("acquire"))),
        renew: (lease) =>
          commands.run(renew, keys(lease.supplier), [lease.nonce, ttlMillis]).pipe(
            Effect.flatMap(asInteger("renew")),
            Effect.mapError(unavailable("renew")),
            Effect.filterOrFail(
              (kept) => kept === 1,
              () => new LeaseLost({ supplier: lease.supplier, owner: lease.owner })
            ),
            Effect.asVoid
          ),
        release: (lease) =>
          commands
            .run(release, keys(lease.supplier), [lease.nonce])
            .pipe(Effect.asVoid, Effect.mapError(unavailable("release"))),
        announce: (owner) =>
          commands
            .run(announce, [names.replicas], [owner, ttlMillis])
            .pipe(Effect.asVoid, Effect.mapError(unavailable("announce"))),
        withdraw: (owner) =>
          commands.call("zrem", names.replicas, owner).pipe(Effect.asVoid, Effect.mapError(unavailable("withdraw"))),
        replicas: commands.run(living, [names.replicas], []).pipe(
          Effect.flatMap(asTexts("replicas")),
          Effect.map((owners) => owners.toSorted()),
          Effect.mapError(unavailable("replicas"))
        )
      })
    })
  )

/** Leases of 12 s. */
export const layer = layerWith(LEASE_TTL)

/**
 * Takes fence and Go's lease, or neither. Returns the epoch, 0 when somebody holds either. The epoch is for people: what
 * else lies at its key gives way, a lease does not wait for it.
 */
const acquire = makeScript(
  "acquire lease",
  `if redis.call('GET', KEYS[1]) then return 0 end
if KEYS[3] and redis.call('GET', KEYS[3]) then return 0 end
local epoch = redis.pcall('HINCRBY', KEYS[2], 'epoch', 1)
if type(epoch) ~= 'number' then
  redis.call('DEL', KEYS[2])
  epoch = redis.call('HINCRBY', KEYS[2], 'epoch', 1)
end
redis.call('HSET', KEYS[2], 'owner', ARGV[2])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
if KEYS[3] then redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[3]) end
return epoch`
)

/**
 * Extends both when the nonce is the fence. Returns 0 when it is not, or when a Go miner holds its lease by now: two kinds
 * of miner on one supplier would each damage what the other wrote.
 */
const renew = makeScript(
  "renew lease",
  `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if KEYS[3] then
  local holder = redis.call('GET', KEYS[3])
  local owner = redis.call('HGET', KEYS[2], 'owner')
  if holder and holder ~= owner then return 0 end
  redis.call('SET', KEYS[3], owner or '', 'PX', ARGV[2])
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1`
)

/** Gives both up when the nonce is the fence. */
const release = makeScript(
  "release lease",
  `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
if KEYS[3] and redis.call('GET', KEYS[3]) == redis.call('HGET', KEYS[2], 'owner') then redis.call('DEL', KEYS[3]) end
return 1`
)

const unavailable = (operation: LeasesUnavailable["operation"]) => (cause: RedisFailure) =>
  new LeasesUnavailable({ operation, cause })

const asInteger = (name: string) => (reply: unknown) =>
  typeof reply === "number" ? Effect.succeed(reply) : Effect.fail(unexpectedReply(name, "no integer"))

const asTexts = (name: string) => (reply: unknown) =>
  Array.isArray(reply) ? Effect.succeed(reply.map(String)) : Effect.fail(unexpectedReply(name, "no list"))
