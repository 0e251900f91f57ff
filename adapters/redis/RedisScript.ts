/** Lua scripts by the digest under which a server keeps them. */
import { createHash } from "node:crypto"

/** A script, called by its digest. It must name each key it touches among its keys, all of one slot on a cluster. */
export interface RedisScript {
  /** For failures and traces. */
  readonly name: string
  readonly lua: string
  /** Lower-case hex of its SHA-1, as EVALSHA takes it. */
  readonly sha: string
}

/** A script of this text. */
export const makeScript = (name: string, lua: string): RedisScript => ({
  name,
  lua,
  sha: createHash("sha1").update(lua).digest("hex")
})
