/** The smaller fenced writes of a supplier. Each compares the fence first and writes nothing when it differs. */
import { ACKNOWLEDGE, FENCE, TYPES } from "./CommitScript.ts"
import { makeScript } from "./RedisScript.ts"

/** Only compares the fence. Key: fence. Argument: nonce. */
export const fenceScript = makeScript("fence", `${FENCE} return {'ok'}`)

/**
 * Stores nodes of a session of which something is committed. Keys: fence, record, nodes. Arguments: nonce, then field and
 * encoding of each node.
 */
export const writeNodesScript = makeScript(
  "writeNodes",
  `${FENCE}${TYPES}
local wrong = mistyped(KEYS[2], 'hash') or mistyped(KEYS[3], 'hash')
if wrong then return wrong end
if redis.call('EXISTS', KEYS[2]) == 0 then return {'ok'} end
for from = 2, #ARGV, 4000 do redis.call('HSET', KEYS[3], unpack(ARGV, from, math.min(from + 3999, #ARGV))) end
return {'ok'}
`
)

/** Removes nodes. Keys: fence, nodes. Arguments: nonce, then the field of each node. */
export const deleteNodesScript = makeScript(
  "deleteNodes",
  `${FENCE}${TYPES}
local wrong = mistyped(KEYS[2], 'hash')
if wrong then return wrong end
for from = 2, #ARGV, 4000 do redis.call('HDEL', KEYS[2], unpack(ARGV, from, math.min(from + 3999, #ARGV))) end
return {'ok'}
`
)

/**
 * Copies entries into the bounded stream of those set aside, then acknowledges them; what is not pending is passed over.
 * Keys: fence, stream, stream of those set aside. Arguments: nonce, group, command that acknowledges, bound, reason,
 * whether entries are of this stream, then id in the stream, id of the delivery and bytes of each.
 */
export const setAsideScript = makeScript(
  "setAside",
  `${FENCE}${TYPES}${ACKNOWLEDGE}
local wrong = mistyped(KEYS[2], 'stream') or mistyped(KEYS[3], 'stream')
if wrong then return wrong end
local isOwn = ARGV[6] == '1'
local moved = 0
for i = 7, #ARGV, 3 do
  local isPending = not isOwn
  if isOwn then
    local held = redis.pcall('XPENDING', KEYS[2], ARGV[2], ARGV[i], ARGV[i], 1)
    isPending = not held.err and #held > 0
  end
  if isPending then
    redis.call('XADD', KEYS[3], 'MAXLEN', ARGV[4], '*', 'reason', ARGV[5], 'id', ARGV[i + 1], 'data', ARGV[i + 2])
    if isOwn then acknowledge(KEYS[2], ARGV[2], ARGV[3], i, i) end
    moved = moved + 1
  end
end
return {'ok', moved}
`
)

/**
 * Saves an intent unless its hash is saved, if every session is sealed with its root. Keys: fence, intents of the session
 * end, index of intents, then the record of each session. Arguments: nonce, hash, session end, milliseconds to live,
 * JSON, then the root for each record.
 *
 * Replies `ok`; `lost`; `type`; `refused` with the position of a session that is not sealed so, from 0.
 */
export const saveIntentScript = makeScript(
  "saveIntent",
  `${FENCE}${TYPES}
local wrong = mistyped(KEYS[2], 'hash') or mistyped(KEYS[3], 'hash')
for i = 4, #KEYS do wrong = wrong or mistyped(KEYS[i], 'hash') end
if wrong then return wrong end
for i = 4, #KEYS do
  if redis.call('HGET', KEYS[i], 'sealed') ~= ARGV[i + 2] then return {'refused', i - 4} end
end
local isNew = redis.call('HEXISTS', KEYS[2], ARGV[2]) == 0
if isNew then
  local place = redis.call('HINCRBY', KEYS[3], '#', 1)
  redis.call('HSET', KEYS[3], ARGV[2], ARGV[3])
  redis.call('HSET', KEYS[2], ARGV[2], place .. ' ' .. ARGV[5])
end
for i = 2, 3 do
  if redis.call('PTTL', KEYS[i]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[i], ARGV[4]) end
end
return {'ok'}
`
)

/** Forgets an intent. Keys: fence, intents of the session end, index of intents. Arguments: nonce, hash. */
export const dropIntentScript = makeScript(
  "dropIntent",
  `${FENCE}${TYPES}
local wrong = mistyped(KEYS[2], 'hash') or mistyped(KEYS[3], 'hash')
if wrong then return wrong end
redis.call('HDEL', KEYS[2], ARGV[2])
redis.call('HDEL', KEYS[3], ARGV[2])
return {'ok'}
`
)

/**
 * Removes the trie of a session; its record stays. Keys: fence, record, tail, nodes, live root, then the other keys of the
 * trie. Argument: nonce. Keys of any type are removed.
 */
export const dropNodesScript = makeScript(
  "dropNodes",
  `${FENCE}${TYPES}
local wrong = mistyped(KEYS[2], 'hash')
if wrong then return wrong end
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('HSET', KEYS[2], 'live', '', 'tail', 0) end
redis.call('UNLINK', unpack(KEYS, 3))
return {'ok'}
`
)

/**
 * Removes everything of a session. Keys: fence, index of sessions, then every key of the session. Arguments: nonce,
 * session.
 */
export const forgetScript = makeScript(
  "forget",
  `${FENCE}${TYPES}
local wrong = mistyped(KEYS[2], 'set')
if wrong then return wrong end
redis.call('UNLINK', unpack(KEYS, 3))
redis.call('SREM', KEYS[2], ARGV[2])
return {'ok'}
`
)
