/** Scripts that read a supplier's stream for the owner of the supplier, and for nobody else. */
import { FENCE, TYPES } from "./CommitScript.ts"
import { makeScript, type RedisScript } from "./RedisScript.ts"

/** A script for the supplier's own stream, which compares the fence, and one for a stream in another slot, which cannot. */
export interface StreamScript {
  readonly name: string
  /** Keys: fence, stream. */
  readonly fenced: RedisScript
  /** Key: stream. The caller has looked at the fence right before. */
  readonly unfenced: RedisScript
}

const streamScript = (name: string, lua: string): StreamScript => ({
  name,
  fenced: makeScript(name, `${FENCE}${TYPES}local stream = KEYS[2]\n${lua}`),
  unfenced: makeScript(`${name} of another slot`, `${TYPES}local stream = KEYS[1]\n${lua}`)
})

/**
 * Ensures that stream and group exist and do not expire: Go's relayers let the stream expire. An absent group begins at
 * 0, so that nothing that is there is passed over.
 */
const ENSURE = `
local function ensure(stream, group)
  redis.call('PERSIST', stream)
  local made = redis.pcall('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM')
  if type(made) == 'table' and made.err then
    if string.find(made.err, 'BUSYGROUP') then return 0 end
    return made
  end
  return 1
end
`

/**
 * Reads for the consumer that is named as the nonce: entries after ARGV[4] that it holds already, or new ones for `>`.
 * Arguments: nonce, group, count, from.
 *
 * Replies `ok`, the entries, the last id of the stream when there were none (else empty), the length of the stream, and
 * whether the group had to be made; `lost`; `type`.
 */
export const readScript = streamScript(
  "read",
  `${ENSURE}
local group = ARGV[2]
local wrong = mistyped(stream, 'stream')
if wrong then return wrong end
redis.call('PERSIST', stream)
local function read()
  return redis.pcall('XREADGROUP', 'GROUP', group, ARGV[1], 'COUNT', ARGV[3], 'STREAMS', stream, ARGV[4])
end
local reply, created = read(), 0
if type(reply) == 'table' and reply.err then
  if not string.find(reply.err, 'NOGROUP') then return reply end
  created = ensure(stream, group)
  if type(created) == 'table' then return created end
  reply = read()
  if type(reply) == 'table' and reply.err then return reply end
end
local entries, last = {}, ''
if reply and reply[1] then entries = reply[1][2] end
if #entries == 0 then
  local info = redis.call('XINFO', 'STREAM', stream)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then last = info[i + 1] end
  end
end
return {'ok', entries, last, redis.call('XLEN', stream), created}
`
)

/**
 * Moves what other consumers hold to the one named as the nonce, some thousand entries at a time.
 * Arguments: nonce, group, cursor (0-0 to begin).
 *
 * Replies `ok`, the next cursor (0-0 at the end), how many pending entries turned out to be deleted; `lost`; `type`.
 */
export const takeOverScript = streamScript(
  "takeOver",
  `${ENSURE}
local group = ARGV[2]
local wrong = mistyped(stream, 'stream')
if wrong then return wrong end
if ARGV[3] == '0-0' then
  local made = ensure(stream, group)
  if type(made) == 'table' then return made end
  if made == 1 then return {'ok', '0-0', 0, 1} end
  local others = 0
  local summary = redis.call('XPENDING', stream, group)
  if summary[4] then
    for _, consumer in ipairs(summary[4]) do
      if consumer[1] ~= ARGV[1] then others = others + tonumber(consumer[2]) end
    end
  end
  if others == 0 then return {'ok', '0-0', 0, 0} end
end
local claimed = redis.call('XAUTOCLAIM', stream, group, ARGV[1], 0, ARGV[3], 'COUNT', 2000, 'JUSTID')
return {'ok', claimed[1], claimed[3] and #claimed[3] or 0, 0}
`
)

/**
 * Takes up to ARGV[3] entries that other consumers hold, with their contents: a read of a former owner may have run
 * after the takeover. Arguments: nonce, group, count.
 *
 * Replies `ok`, the entries, how many turned out to be deleted; `lost`; `type`.
 */
export const claimOthersScript = streamScript(
  "claimOthers",
  `
local group, room = ARGV[2], tonumber(ARGV[3])
local wrong = mistyped(stream, 'stream')
if wrong then return wrong end
local entries, deleted = {}, 0
local summary = redis.pcall('XPENDING', stream, group)
if summary.err then return {'ok', entries, 0} end
for _, consumer in ipairs(summary[4] or {}) do
  if consumer[1] ~= ARGV[1] and room > 0 then
    for _, held in ipairs(redis.call('XPENDING', stream, group, '-', '+', room, consumer[1])) do
      local claimed = redis.call('XCLAIM', stream, group, ARGV[1], 0, held[1])
      if claimed[1] then
        entries[#entries + 1] = claimed[1]
        room = room - 1
      else
        redis.call('XACK', stream, group, held[1])
        deleted = deleted + 1
      end
    end
  end
end
return {'ok', entries, deleted}
`
)

/**
 * Removes consumers that hold nothing, all but the one named as the nonce: each lease reads as a consumer of its own.
 * Arguments: nonce, group.
 */
export const dropConsumersScript = streamScript(
  "dropConsumers",
  `
local consumers = redis.pcall('XINFO', 'CONSUMERS', stream, ARGV[2])
if consumers.err then return {'ok'} end
for _, consumer in ipairs(consumers) do
  local name, pending
  for i = 1, #consumer, 2 do
    if consumer[i] == 'name' then name = consumer[i + 1] elseif consumer[i] == 'pending' then pending = consumer[i + 1] end
  end
  if name ~= ARGV[1] and pending == 0 then redis.call('XGROUP', 'DELCONSUMER', stream, ARGV[2], name) end
end
return {'ok'}
`
)
