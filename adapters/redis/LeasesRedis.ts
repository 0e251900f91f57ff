/**
 * `Leases` in Redis. The fence lies in the supplier's slot, where commits compare it. On one server and with sentinels an
 * acquisition takes the lease of Go's miners too, so that one started by mistake finds the supplier taken.
 */
import { bytesToHex } from "@noble/hashes/utils.js"
import { Duration, Effect, Layer, Option, Result } from "effect"
import { Entropy } from "../../domain/ports/Entropy.ts"
import { type Lease, LeaseLost, Leases, LeasesUnavailable } from "../../domain/ports/Leases.ts"
import { LEASE_TTL } from "../../domain/supplier/FleetTimes.ts"
import { announce, living } from "./LivingMembers.ts"
import { RedisConnections } from "./RedisConnections.ts"
import { type RedisFailure, unexpectedReply } from "./RedisFailure.ts"
import { makeScript } from "./RedisScript.ts"
import { textOf } from "./StoreReplies.ts"

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

      /** One call: all keys are of one server. */
      const renewTogether = (leases: ReadonlyArray<Lease>) =>
        commands
          .run(
            renew,
            leases.flatMap(({ supplier }) => keys(supplier)),
            [ttlMillis, ...leases.map(({ nonce }) => nonce)]
          )
          .pipe(
            Effect.flatMap(asList("renew")),
            Effect.map((kept) => leases.map((lease, index) => renewed(lease, kept[index]))),
            Effect.mapError(unavailable("renew"))
          )
      const renewApart = (leases: ReadonlyArray<Lease>) =>
        Effect.forEach(
          leases,
          (lease) =>
            Effect.map(Effect.result(renewTogether([lease])), (all) =>
              Result.isFailure(all) ? Result.fail(all.failure) : (all.success[0] ?? renewed(lease, undefined))
            ),
          { concurrency: "unbounded" }
        )

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
        renew: withGo ? renewTogether : renewApart,
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
 * Extends the leases whose nonce is the fence. Keys of each: fence, epoch, and Go's lease unless in a cluster, where a call
 * is about one supplier. Returns 1 for each that is extended; 0 for one that is not the fence, or whose Go's lease a Go
 * miner holds by now: two kinds of miner on one supplier would each damage what the other wrote; an error's text for one
 * whose keys are not what they should be, which are no other's loss.
 */
const renew = makeScript(
  "renew leases",
  `local each = #KEYS / (#ARGV - 1)
local function extend(i)
  local fence, epoch, claim = KEYS[(i - 1) * each + 1], KEYS[(i - 1) * each + 2], each > 2 and KEYS[i * each]
  local nonce = redis.pcall('GET', fence)
  if type(nonce) == 'table' then return nonce.err end
  if nonce ~= ARGV[i + 1] then return 0 end
  if claim then
    local holder = redis.pcall('GET', claim)
    local owner = redis.pcall('HGET', epoch, 'owner')
    for _, reply in ipairs({holder or '', owner or ''}) do
      if type(reply) == 'table' then return reply.err end
    end
    if holder and holder ~= owner then return 0 end
    redis.call('SET', claim, owner or '', 'PX', ARGV[1])
  end
  redis.call('PEXPIRE', fence, ARGV[1])
  return 1
end
local extended = {}
for i = 1, #ARGV - 1 do extended[i] = extend(i) end
return extended`
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

const asList = (name: string) => (reply: unknown) =>
  Array.isArray(reply) ? Effect.succeed<ReadonlyArray<unknown>>(reply) : Effect.fail(unexpectedReply(name, "no list"))

/** What came of one renewal. */
const renewed = ({ owner, supplier }: Lease, kept: unknown): Result.Result<void, LeaseLost | LeasesUnavailable> =>
  kept === 1
    ? Result.void
    : kept === 0
      ? Result.fail(new LeaseLost({ supplier, owner }))
      : Result.fail(
          unavailable("renew")(
            unexpectedReply("renew", kept instanceof Uint8Array ? (textOf(kept) ?? "") : "no integer")
          )
        )

const asTexts = (name: string) => (reply: unknown) => Effect.map(asList(name)(reply), (items) => items.map(String))
