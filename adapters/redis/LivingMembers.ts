/** Sets whose members live for a time by the server's clock: announced replicas, relayers with a spool. */
import { makeScript } from "./RedisScript.ts"

/**
 * Adds a member that lives for some milliseconds, and drops those that do not live any more. Key: the set; arguments: the
 * member, its life. The set ends with its last member.
 */
export const announce = makeScript(
  "announce",
  `local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1`
)

/** Members that live. Key: the set. */
export const living = makeScript(
  "living",
  `local time = redis.call('TIME')
return redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. (time[1] * 1000 + math.floor(time[2] / 1000)), '+inf')`
)
