/**
 * The one script that changes a session. It compares the fence, the version, the live root, the type of every key and,
 * for a sealed session, its totals, and writes nothing unless all pass. Redis does not roll a script back: every step may
 * be repeated, and the acknowledgement comes last.
 *
 * A commit that is too large for one script is cut into slices sent in one pipeline. All but the last only store leaves
 * and append to the tail beyond the length that the session's record states, so nothing of them counts before the last
 * one, which writes record, events and acknowledgements: the commit takes effect as a whole or not at all. A slice takes
 * effect only if the one before it did, which the length of the tail shows.
 */
import { Buffer } from "node:buffer"
import type { StoredNode } from "../../domain/ports/SupplierStore.ts"
import { DIGEST_SIZE } from "../../domain/smst/TrieSpec.ts"
import type { RedisArgument } from "./RedisLink.ts"
import { makeScript } from "./RedisScript.ts"

/** Leaves of one slice: 2 000 arguments of one HSET. Lua unpacks fewer than 8 000. */
export const SLICE_LEAVES = 1_000
/** Bytes of leaves of one slice, beyond its first leaf: other clients wait while a script runs. */
export const SLICE_BYTES = 262_144

/** First part of each script: whose lease it is. KEYS[1] is the fence, ARGV[1] the nonce. */
export const FENCE = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'lost'} end
`

/** A key may be absent or of the given type; else the script ends with its name and what it holds. */
export const TYPES = `
local function mistyped(key, kind)
  local found = redis.call('TYPE', key).ok
  if found ~= 'none' and found ~= kind then return {'type', key, found, kind} end
end
`

/** Removes ids from the group and the stream, in calls of bounded size. `mode` is a command the server knows. */
export const ACKNOWLEDGE = `
local function acknowledge(stream, group, mode, first, last)
  for from = first, last, 1000 do
    local to = math.min(from + 999, last)
    if mode == 'xackdel' then
      redis.call('XACKDEL', stream, group, 'DELREF', 'IDS', to - from + 1, unpack(ARGV, from, to))
    else
      redis.call('XACK', stream, group, unpack(ARGV, from, to))
      redis.call('XDEL', stream, unpack(ARGV, from, to))
    end
  end
end
`

/**
 * Keys: fence, record, log, tail, nodes, live root, stream, index of sessions. Arguments: `commitArguments`.
 *
 * Replies: `ok`; `lost`; `type` with key, what it holds and what it should; `damaged` with the key; `chain`: the slice
 * before did not take effect; `version`, `sealed`, `foreign_root` or `tail` with the stored version.
 */
export const commitScript = makeScript(
  "commit",
  `${FENCE}${TYPES}${ACKNOWLEDGE}
local ver, log, tail, nodes, live, stream, index = KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local wrong = mistyped(ver, 'hash') or mistyped(log, 'list') or mistyped(tail, 'list') or mistyped(nodes, 'hash')
  or mistyped(live, 'string') or mistyped(stream, 'stream') or mistyped(index, 'set')
if wrong then return wrong end

local expected, isLast, offset, slice = tonumber(ARGV[2]), ARGV[3] == '1', tonumber(ARGV[4]), tonumber(ARGV[5])
local all, digests = tonumber(ARGV[6]), ARGV[7]
local covered, liveRoot = tonumber(ARGV[8]), ARGV[9]
local root, count, sum, sealedRoot = ARGV[10], ARGV[11], ARGV[12], ARGV[13]
local events, fields, acks = tonumber(ARGV[19]), tonumber(ARGV[20]), tonumber(ARGV[21])

local record = redis.call('HMGET', ver, 'version', 'events', 'tail', 'root', 'count', 'sum', 'sealed', 'live')
local isNew = not record[1]
local version = tonumber(record[1] or '0')
local eventLength, tailLength = tonumber(record[2] or '0'), tonumber(record[3] or '0')
if not version or not eventLength or not tailLength then return {'damaged', ver} end
if version ~= expected then return {'version', version} end

local sealed = record[7]
if sealed and (all > 0 or root ~= record[4] or count ~= record[5] or sum ~= record[6] or sealedRoot ~= ''
  or (covered >= 0 and liveRoot ~= sealed)) then
  return {'sealed', version}
end

local present = redis.call('GET', live) or ''
if not isNew and present ~= (record[8] or '') and not (ARGV[14] == '1' and present == ARGV[15])
  and not (covered >= 0 and present == liveRoot) then
  return {'foreign_root', version}
end

local stored = redis.call('LLEN', tail)
local base = tailLength
if offset == 0 then base = math.min(stored, tailLength)
elseif stored ~= tailLength + offset then return {'chain', version} end
if covered > base + all then return {'tail', version} end
if redis.call('LLEN', log) < eventLength then return {'damaged', log} end

local at = 23
if slice > 0 then
  for from = at, at + 2 * slice - 1, 4000 do
    redis.call('HSET', nodes, unpack(ARGV, from, math.min(from + 3999, at + 2 * slice - 1)))
  end
end
at = at + 2 * slice
if offset == 0 then
  if base == 0 then redis.call('DEL', tail)
  elseif stored > base then redis.call('LTRIM', tail, 0, base - 1) end
  if base < tailLength then redis.call('HSET', ver, 'tail', base) end
end
if slice > 0 then
  local batch = {}
  for i = 1, slice do batch[i] = string.sub(digests, i * 48 - 47, i * 48) end
  redis.call('RPUSH', tail, unpack(batch))
end
if not isLast then return {'ok'} end

if eventLength == 0 then redis.call('DEL', log) else redis.call('LTRIM', log, 0, eventLength - 1) end
for from = at, at + events - 1, 1000 do
  redis.call('RPUSH', log, unpack(ARGV, from, math.min(from + 999, at + events - 1)))
end
at = at + events

local length = base + all
if covered >= 0 then
  length = length - covered
  redis.call('SET', live, liveRoot)
  present = liveRoot
  if length == 0 then redis.call('DEL', tail) else redis.call('LTRIM', tail, -length, -1) end
elseif present ~= '' then
  redis.call('PERSIST', live)
end
redis.call('PERSIST', nodes)
if fields > 0 then redis.call('HSET', ver, unpack(ARGV, at, at + 2 * fields - 1)) end
at = at + 2 * fields
if sealedRoot ~= '' then redis.call('HSET', ver, 'sealed', sealedRoot, 'state', 'sealed')
elseif isNew then redis.call('HSET', ver, 'state', 'open') end
redis.call('HSET', ver, 'version', expected + 1, 'root', root, 'count', count, 'sum', sum,
  'events', eventLength + events, 'tail', length, 'live', present, 'commit', ARGV[22])
redis.call('SADD', index, ARGV[17])
acknowledge(stream, ARGV[16], ARGV[18], at, at + acks - 1)
return {'ok'}
`
)

/** What a commit says besides its leaves, as every slice of it is told. */
export interface CommitFacts {
  readonly nonce: string
  readonly expectedVersion: number
  /** Leaves of the whole commit. */
  readonly leaves: number
  /** Leaves of the tail that the checkpoint covers, with its root; -1 and empty without one. */
  readonly covered: number
  readonly liveRoot: Uint8Array
  readonly root: Uint8Array
  readonly count: bigint
  readonly sum: bigint
  /** Root of the seal, empty if the commit does not seal. */
  readonly sealedRoot: Uint8Array
  /** A live root that somebody else wrote and that was found when the session was loaded; it is accepted. */
  readonly accepted: Uint8Array | undefined
  readonly group: string
  readonly session: string
  readonly acknowledgeBy: "xack" | "xackdel"
  /** JSON of each event. */
  readonly events: ReadonlyArray<string>
  /** Fields of the record that the events tell, each with its value. */
  readonly fields: ReadonlyArray<readonly [name: string, value: string]>
  readonly acknowledged: ReadonlyArray<string>
  /** Random for each commit: tells a lost reply's commit from another one of the same version. */
  readonly id: string
}

/** Arguments of one slice: the leaves from `offset` on, with events and acknowledgements if it is the last. */
export const commitArguments = (
  facts: CommitFacts,
  leaves: ReadonlyArray<StoredNode>,
  offset: number,
  isLast: boolean
): ReadonlyArray<RedisArgument> => {
  const digests = Buffer.allocUnsafe(leaves.length * DIGEST_SIZE)
  const args: Array<RedisArgument> = [
    facts.nonce,
    facts.expectedVersion,
    isLast ? 1 : 0,
    offset,
    leaves.length,
    facts.leaves,
    digests,
    facts.covered,
    facts.liveRoot,
    facts.root,
    facts.count,
    facts.sum,
    facts.sealedRoot,
    facts.accepted === undefined ? 0 : 1,
    facts.accepted ?? "",
    facts.group,
    facts.session,
    facts.acknowledgeBy,
    isLast ? facts.events.length : 0,
    isLast ? facts.fields.length : 0,
    isLast ? facts.acknowledged.length : 0,
    facts.id
  ]
  for (const [index, { digest, encoding }] of leaves.entries()) {
    digests.set(digest, index * DIGEST_SIZE)
    args.push(nodeField(digest), encoding)
  }
  if (isLast) {
    for (const event of facts.events) args.push(event)
    for (const field of facts.fields) args.push(...field)
    for (const id of facts.acknowledged) args.push(id)
  }
  return args
}

/** Field of a trie node in its hash, as Go writes it: lower-case hex of the 48-byte digest. */
export const nodeField = (digest: Uint8Array): string =>
  Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString("hex")
