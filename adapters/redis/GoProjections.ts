/**
 * `GoProjections` in the keys of the Go fleet. Go's miners cannot run on a cluster, so there nothing is written. A claim
 * that is on chain has no rebroadcast record: Go keeps those for transactions that may not have landed.
 */
import { Clock, Duration, Effect, Layer, Option } from "effect"
import { GoProjections } from "../../domain/ports/GoProjections.ts"
import { FENCE, TYPES } from "./CommitScript.ts"
import { RedisConnections } from "./RedisConnections.ts"
import { RedisFailure } from "./RedisFailure.ts"
import type { RedisArgument } from "./RedisLink.ts"
import { makeScript } from "./RedisScript.ts"
import { runFenced, unavailable } from "./StoreReplies.ts"

/** States that a session handed over may be listed under from before. */
const STATES = ["active", "claiming", "claimed", "proving"] as const

/** Records that live so long, as the configuration has it for Go: `session_ttl`. */
export const layerWith = (life: Duration.Duration): Layer.Layer<GoProjections, never, RedisConnections> =>
  Layer.effect(
    GoProjections,
    Effect.gen(function* () {
      const { commands, names } = yield* RedisConnections
      const onCluster = unavailable("writeSession")(
        new RedisFailure({
          kind: "unsupported",
          command: "release for Go",
          detail: "Go miners cannot run on a cluster"
        })
      )
      return GoProjections.of({
        writeSession: Effect.fnUntraced(function* (lease, projection) {
          if (names.topology === "cluster") return yield* onCluster
          const { supplier } = lease
          const { session } = projection
          const now = new Date(yield* Clock.currentTimeMillis).toISOString()
          const claim = Option.getOrUndefined(projection.claim)
          const state = claim === undefined ? "active" : "claimed"
          const fields: ReadonlyArray<readonly [string, RedisArgument]> = [
            ["session_id", session],
            ["supplier_operator_address", supplier],
            ["service_id", projection.service],
            ["application_address", projection.application],
            ["session_start_height", projection.startHeight],
            ["session_end_height", projection.endHeight],
            ["state", state],
            ["relay_count", projection.relays],
            ["total_compute_units", projection.computeUnits],
            ...(claim === undefined ? [] : [["claimed_root_hash", claim.root] as const]),
            ...(claim?.txHash === undefined ? [] : [["claim_tx_hash", claim.txHash] as const]),
            ["created_at", now],
            ["last_updated_at", now]
          ]
          const keys = [
            names.fence(supplier),
            names.session(supplier, session),
            names.trie(supplier, session, "root"),
            names.trie(supplier, session, "stats"),
            names.sessionIndex(supplier),
            names.sessionsByState(supplier, state),
            ...STATES.filter((other) => other !== state).map((other) => names.sessionsByState(supplier, other))
          ]
          yield* Effect.asVoid(
            runFenced(
              lease,
              "writeSession",
              commands.run(writeSession, keys, [
                lease.nonce,
                session,
                Math.ceil(Duration.toSeconds(life)),
                claim?.root ?? "",
                `${projection.relays}:${projection.computeUnits}`,
                ...fields.flat()
              ])
            )
          )
        }),
        rewind: Effect.fnUntraced(function* (lease) {
          if (names.topology === "cluster") return yield* onCluster
          const keys = [names.fence(lease.supplier), names.stream(lease.supplier)]
          yield* Effect.asVoid(runFenced(lease, "rewind", commands.run(rewind, keys, [lease.nonce, names.group])))
        })
      })
    })
  )

/**
 * Keys: fence, record, sealed root, totals of the trie, index, index of its state, indexes of other states. Arguments:
 * nonce, session, seconds to live, claimed root or nothing, totals, then the fields of the record.
 */
const writeSession = makeScript(
  "write session for Go",
  `${FENCE}${TYPES}
for i = 5, #KEYS do
  local wrong = mistyped(KEYS[i], 'set')
  if wrong then return wrong end
end
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[2], unpack(ARGV, 6))
redis.call('EXPIRE', KEYS[2], ARGV[3])
if ARGV[4] == '' then redis.call('DEL', KEYS[3], KEYS[4])
else
  redis.call('SET', KEYS[3], ARGV[4], 'EX', ARGV[3])
  redis.call('SET', KEYS[4], ARGV[5], 'EX', ARGV[3])
end
for i = 5, 6 do
  redis.call('SADD', KEYS[i], ARGV[2])
  redis.call('EXPIRE', KEYS[i], ARGV[3])
end
for i = 7, #KEYS do redis.call('SREM', KEYS[i], ARGV[2]) end
return {'ok'}
`
)

/** Keys: fence, stream. Arguments: nonce, group. A stream or group that is not there has nothing to give. */
const rewind = makeScript(
  "rewind for Go",
  `${FENCE}${TYPES}
local wrong = mistyped(KEYS[2], 'stream')
if wrong then return wrong end
if redis.call('EXISTS', KEYS[2]) == 0 then return {'ok'} end
local set = redis.pcall('XGROUP', 'SETID', KEYS[2], ARGV[2], '0')
if type(set) == 'table' and set.err and string.sub(set.err, 1, 7) ~= 'NOGROUP' then return set end
return {'ok'}
`
)
