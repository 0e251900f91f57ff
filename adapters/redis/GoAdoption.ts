/**
 * Sessions that a Go miner left unfinished become ours when the supplier is taken over: what it knows of them is in its
 * session records, what it has is in the trie. On one server and with sentinels only; Go's miners cannot run on a cluster.
 */
import { Effect, Option } from "effect"
import type { SessionEvent } from "../../domain/session/SessionEvent.ts"
import { countOf, DIGEST_SIZE, sumOf } from "../../domain/smst/TrieSpec.ts"
import { FENCE, TYPES } from "./CommitScript.ts"
import { RedisConnections } from "./RedisConnections.ts"
import type { RedisFailure } from "./RedisFailure.ts"
import { makeScript } from "./RedisScript.ts"
import { eventText, recordFields } from "./StoredSessions.ts"
import { bytesOf, fieldsOf, itemsOf, textOf, utf8Of } from "./StoreReplies.ts"

/** States of Go's sessions for which something is due. */
const LIVE_STATES: ReadonlySet<string> = new Set(["active", "claiming", "claimed", "proving"])

/**
 * Makes a record of a session that has none. Keys: fence, record, log, tail, nodes, live root, index. Arguments: nonce,
 * session, root, count, sum, `1` if the root is final, number of events, then the events and the fields of the record.
 */
const adoptScript = makeScript(
  "adopt",
  `${FENCE}${TYPES}
local wrong = mistyped(KEYS[2], 'hash') or mistyped(KEYS[3], 'list') or mistyped(KEYS[4], 'list')
  or mistyped(KEYS[5], 'hash') or mistyped(KEYS[6], 'string') or mistyped(KEYS[7], 'set')
if wrong then return wrong end
if redis.call('EXISTS', KEYS[2]) == 1 then return {'ok', 0} end
local root, isFinal, events = ARGV[3], ARGV[6] == '1', tonumber(ARGV[7])
redis.call('DEL', KEYS[3], KEYS[4])
redis.call('RPUSH', KEYS[3], unpack(ARGV, 8, 7 + events))
if not isFinal then redis.call('RPUSH', KEYS[4], string.rep('\\0', 48)) end
redis.call('PERSIST', KEYS[5])
redis.call('SET', KEYS[6], root)
redis.call('HSET', KEYS[2], unpack(ARGV, 8 + events))
if isFinal then redis.call('HSET', KEYS[2], 'sealed', root) end
redis.call('HSET', KEYS[2], 'version', 1, 'root', root, 'live', root, 'count', ARGV[4], 'sum', ARGV[5],
  'events', events, 'tail', isFinal and 0 or 1, 'state', isFinal and 'sealed' or 'open')
redis.call('SADD', KEYS[7], ARGV[2])
return {'ok', 1}
`
)

/**
 * Adopts the supplier's unfinished sessions under the lease in force; nothing happens without one. A session is adopted
 * once, however often this is called. One that cannot be adopted is logged and left as it is.
 *
 * Go stores a root after some leaves only, and which ones it covers is not recorded. The tail of an open session therefore
 * names a leaf that does not exist: its trie is built from all leaves that are stored when it is first opened.
 */
export const adoptGoSessions = Effect.fnUntraced(function* (
  supplier: string
): Effect.fn.Return<void, RedisFailure, RedisConnections> {
  const { commands, names, topology } = yield* RedisConnections
  if (topology === "cluster") return
  const listed = itemsOf(yield* commands.call("smembers", names.sessionIndex(supplier))).map(utf8Of)
  if (listed.length === 0) return
  const ours = new Set(itemsOf(yield* commands.call("smembers", names.sessions(supplier))).map(utf8Of))
  const nonce = textOf(yield* commands.callBytes("get", names.fence(supplier)))
  if (nonce === "") return
  for (const session of listed.filter((id) => !ours.has(id))) {
    yield* adopt(supplier, session, nonce).pipe(
      Effect.catch((failure) =>
        Effect.annotateLogs(Effect.logError("session of a Go miner cannot be adopted", failure), { supplier, session })
      )
    )
  }
})

const adopt = Effect.fnUntraced(function* (supplier: string, session: string, nonce: string) {
  const { commands, names } = yield* RedisConnections
  const fields = fieldsOf(yield* commands.callBytes("hgetall", names.session(supplier, session)))
  if (!LIVE_STATES.has(textOf(fields.get("state")))) return
  const final = bytesOf(yield* commands.callBytes("get", names.trie(supplier, session, "root")))
  const live = bytesOf(yield* commands.callBytes("get", names.trie(supplier, session, "live_root")))
  const isFinal = final?.length === DIGEST_SIZE
  const root = isFinal ? final : live
  // Without a root it has no leaf; the first relay will open it.
  if (root?.length !== DIGEST_SIZE || countOf(root) === 0n) return
  const events = goEvents(supplier, session, fields, root, isFinal)
  if (Option.isNone(events)) {
    yield* Effect.logError("session record of a Go miner does not fit its trie, and is left").pipe(
      Effect.annotateLogs({ supplier, session })
    )
    return
  }
  yield* commands.run(
    adoptScript,
    [
      names.fence(supplier),
      names.version(supplier, session),
      names.log(supplier, session),
      names.tail(supplier, session),
      names.trie(supplier, session, "nodes"),
      names.trie(supplier, session, "live_root"),
      names.sessions(supplier)
    ],
    [
      nonce,
      session,
      root,
      countOf(root),
      sumOf(root),
      isFinal ? 1 : 0,
      events.value.length,
      ...events.value.map(eventText),
      ...recordFields(events.value).flat()
    ]
  )
  yield* Effect.annotateLogs(Effect.logInfo("session of a Go miner adopted"), { supplier, session, sealed: isFinal })
})

/** What Go's record and root say, as events; none when they make no sense together. */
const goEvents = (
  supplier: string,
  session: string,
  fields: ReadonlyMap<string, unknown>,
  root: Uint8Array,
  isFinal: boolean
): Option.Option<ReadonlyArray<SessionEvent>> => {
  const height = (name: string) => {
    const text = textOf(fields.get(name))
    return /^\d{1,18}$/.test(text) ? BigInt(text) : 0n
  }
  const [startHeight, endHeight] = [height("session_start_height"), height("session_end_height")]
  const [count, sum] = [countOf(root), sumOf(root)]
  const application = utf8Of(fields.get("application_address"))
  const service = utf8Of(fields.get("service_id"))
  const isWhole =
    utf8Of(fields.get("session_id")) === session && application !== "" && service !== "" && sum % count === 0n
  if (!isWhole || startHeight <= 0n || endHeight < startHeight) return Option.none()
  const opened: SessionEvent = {
    _tag: "SessionOpened",
    supplier,
    application,
    service,
    sessionId: session,
    startHeight,
    endHeight,
    computeUnitsPerRelay: sum / count
  }
  return Option.some(isFinal ? [opened, { _tag: "SessionSealed", root, count, sum, height: endHeight }] : [opened])
}
