/**
 * Gives a supplier back to Go's miners: what they need to go on is written into their own keys, and the group reads the
 * stream again from its beginning, where only unsettled entries are left. On one server and with sentinels.
 */
import { DateTime, Effect, Layer } from "effect"
import { GoRollback, RollbackRefused } from "../../domain/ports/GoRollback.ts"
import type { Lease, LeaseLost } from "../../domain/ports/Leases.ts"
import { type StoredSession, type StoreUnavailable, SupplierStore } from "../../domain/ports/SupplierStore.ts"
import type { SessionId } from "../../domain/protocol/Identifiers.ts"
import { replay, type SessionState } from "../../domain/session/SessionState.ts"
import { isCheckpointed, copyOf } from "../../domain/mining/SessionCopy.ts"
import { FENCE, TYPES } from "./CommitScript.ts"
import { RedisConnections } from "./RedisConnections.ts"
import { makeScript } from "./RedisScript.ts"
import { runFenced, unavailable } from "./StoreReplies.ts"

/**
 * Writes one session's record, indexes and roots, and removes our record, so that the session is adopted again should it
 * come back. Nothing expires before Go has written to it. Keys: fence, session hash, index, index of its state, root,
 * stats, our index, our record, log and tail. Arguments: nonce, session, sealed root or empty, stats, then the fields of
 * the hash.
 */
const projectScript = makeScript(
  "projectGoSession",
  `${FENCE}${TYPES}
local wrong = mistyped(KEYS[2], 'hash') or mistyped(KEYS[3], 'set') or mistyped(KEYS[4], 'set')
  or mistyped(KEYS[7], 'set')
if wrong then return wrong end
redis.call('HSET', KEYS[2], unpack(ARGV, 5))
redis.call('SADD', KEYS[3], ARGV[2])
redis.call('SADD', KEYS[4], ARGV[2])
if ARGV[3] ~= '' then
  redis.call('SET', KEYS[5], ARGV[3])
  redis.call('SET', KEYS[6], ARGV[4])
end
for i = 2, 4 do redis.call('PERSIST', KEYS[i]) end
redis.call('SREM', KEYS[7], ARGV[2])
redis.call('UNLINK', KEYS[8], KEYS[9], KEYS[10])
return {'ok'}
`
)

/** Lets the group read from the beginning. Keys: fence, stream. Arguments: nonce, group. */
const rewindScript = makeScript(
  "rewind",
  `${FENCE}${TYPES}
local wrong = mistyped(KEYS[2], 'stream')
if wrong then return wrong end
local made = redis.pcall('XGROUP', 'SETID', KEYS[2], ARGV[2], '0')
if type(made) == 'table' and made.err then redis.call('XGROUP', 'CREATE', KEYS[2], ARGV[2], '0', 'MKSTREAM') end
return {'ok'}
`
)

/** Go's state of a session; undefined when Go would not finish it. Source: `session_store.go` of the reference. */
export const goStateOf = (state: SessionState): string | undefined => {
  switch (state.status) {
    case "unopened":
    case "open":
      return "active"
    case "sealed":
      return undefined
    case "claimed":
    case "proof_required":
      return "claimed"
    case "proof_not_required":
      return "probabilistic_proved"
    case "proved":
    case "settled":
    case "settlement_unknown":
      return "proved"
    case "skipped":
      return "claim_skipped"
    case "claim_missed":
      return "claim_window_closed"
    case "proof_missed":
    case "expired":
    case "discarded":
      return "proof_window_closed"
  }
}

/**
 * Writes what Go's miners need of a supplier that was drained. The lease is still held: release it afterwards. Refused as
 * a whole, and nothing is written, while sessions are sealed without a claim on chain.
 */
export const releaseForRollback = Effect.fnUntraced(function* (
  lease: Lease
): Effect.fn.Return<
  ReadonlyArray<SessionId>,
  LeaseLost | StoreUnavailable | RollbackRefused,
  SupplierStore | RedisConnections
> {
  const store = yield* SupplierStore
  const { commands, names, topology } = yield* RedisConnections
  const { supplier } = lease
  const refuse = (reason: RollbackRefused["reason"], sessions: ReadonlyArray<string>) =>
    Effect.fail(new RollbackRefused({ supplier, sessions, reason }))
  if (topology === "cluster") return yield* refuse("cluster", [])

  const all: Array<StoredSession> = []
  for (const session of yield* store.sessions(supplier)) {
    const stored = yield* store.load(supplier, session)
    if (stored._tag === "Some") all.push(stored.value)
  }
  const underWay = all.filter(({ events }) => goStateOf(replay(events)) === undefined)
  if (underWay.length > 0) {
    return yield* refuse(
      "claim_under_way",
      underWay.map(({ session }) => session)
    )
  }
  const live = all.filter(({ events }) => replay(events).end === undefined)
  const behind = live.filter((stored) => !isCheckpointed(copyOf(stored)))
  if (behind.length > 0) {
    return yield* refuse(
      "not_checkpointed",
      behind.map(({ session }) => session)
    )
  }
  const now = DateTime.formatIso(yield* DateTime.now)
  for (const stored of live) yield* project(lease, stored, now)
  yield* runFenced(
    lease,
    "rewind",
    commands.run(rewindScript, [names.fence(supplier), names.relays(supplier)], [lease.nonce, names.group])
  )
  return live.map(({ session }) => session)
})

const project = Effect.fnUntraced(function* (lease: Lease, stored: StoredSession, now: string) {
  const { commands, names } = yield* RedisConnections
  const { supplier } = lease
  const { session } = stored
  const state = replay(stored.events)
  const goState = goStateOf(state) ?? ""
  const isSealed = state.sealedAt !== undefined
  const fields: ReadonlyArray<readonly [string, string | bigint | Uint8Array]> = [
    ["session_id", session],
    ["supplier_operator_address", supplier],
    ["service_id", state.header.serviceId],
    ["application_address", state.header.applicationAddress],
    ["session_start_height", state.header.sessionStartBlockHeight],
    ["session_end_height", state.header.sessionEndBlockHeight],
    ["state", goState],
    ["relay_count", stored.count],
    ["total_compute_units", stored.sum],
    ["created_at", now],
    ["last_updated_at", now],
    ...(isSealed ? [["claimed_root_hash", stored.root] as const] : []),
    ...(state.claim === undefined ? [] : [["claim_tx_hash", state.claim.txHash] as const]),
    ...(state.proof === undefined ? [] : [["proof_tx_hash", state.proof.txHash] as const])
  ]
  // An older state of this session would be found there too.
  yield* Effect.mapError(
    Effect.forEach(GO_STATES, (each) => commands.call("srem", names.sessionsByState(supplier, each), session)),
    unavailable("rollback")
  )
  yield* runFenced(
    lease,
    "rollback",
    commands.run(
      projectScript,
      [
        names.fence(supplier),
        names.session(supplier, session),
        names.sessionIndex(supplier),
        names.sessionsByState(supplier, goState),
        names.trie(supplier, session, "root"),
        names.trie(supplier, session, "stats"),
        names.sessions(supplier),
        names.version(supplier, session),
        names.log(supplier, session),
        names.tail(supplier, session)
      ],
      [lease.nonce, session, isSealed ? stored.root : "", `${stored.count}:${stored.sum}`, ...fields.flat()]
    )
  )
})

const GO_STATES = [
  "active",
  "claiming",
  "claimed",
  "proving",
  "proved",
  "probabilistic_proved",
  "claim_skipped",
  "claim_window_closed",
  "claim_tx_error",
  "claim_missing",
  "proof_window_closed",
  "proof_tx_error"
]

/** Over these connections and this store. */
export const layer: Layer.Layer<GoRollback, never, SupplierStore | RedisConnections> = Layer.effect(
  GoRollback,
  Effect.map(Effect.context<SupplierStore | RedisConnections>(), (context) => ({
    project: (lease: Lease) => Effect.provideContext(releaseForRollback(lease), context)
  }))
)
