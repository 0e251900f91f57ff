/** What can be wrong with a Redis server that keeps money on its way, each with the command or change that repairs it. */
import { Schema } from "effect"

/** One finding about one server (its address), or about the connection. */
export const RedisFinding = Schema.TaggedUnion({
  /** No reply; the failure's words. */
  Unreachable: { detail: Schema.String },
  /** Full memory would make the server delete keys: tries and relays among them. */
  Evicts: { server: Schema.String, policy: Schema.String },
  /** A restart loses everything. */
  NotPersistent: { server: Schema.String },
  /** The last save, rewrite or write of the log failed: a restart may lose what came after it. */
  PersistenceFails: { server: Schema.String, what: Schema.String },
  /** Bytes used and allowed. */
  MemoryNearFull: { server: Schema.String, used: Schema.Number, most: Schema.Number },
  TooOld: { server: Schema.String, version: Schema.String },
  /** Writes are refused: the URL leads to a replica. */
  IsReplica: { server: Schema.String },
  /** Commands or `+@category` that the user may not use, as the server names them. */
  Forbidden: { user: Schema.String, commands: Schema.Array(Schema.String) },
  /** What could not be looked at, and why. */
  Unknown: { server: Schema.String, what: Schema.String, detail: Schema.String }
})
export type RedisFinding = typeof RedisFinding.Type

/** How bad: with an `error` relays or claims can be lost; a `warning` may need somebody. */
export const severityOf = (finding: RedisFinding): "error" | "warning" => {
  switch (finding._tag) {
    case "PersistenceFails":
    case "NotPersistent":
    case "Unknown":
      return "warning"
    default:
      return "error"
  }
}

/** The finding as a sentence. */
export const describeFinding = (finding: RedisFinding): string =>
  RedisFinding.match(finding, {
    Unreachable: ({ detail }) => `redis does not answer: ${detail}`,
    Evicts: ({ server, policy }) =>
      `${server} deletes keys when its memory is full (maxmemory-policy ${policy}): tries and relays would be lost`,
    NotPersistent: ({ server }) => `${server} writes nothing to disk: a restart loses all sessions and relays`,
    PersistenceFails: ({ server, what }) => `${server} could not write to disk lately: ${what}`,
    MemoryNearFull: ({ server, used, most }) =>
      `${server} uses ${megabytes(used)} MB of ${megabytes(most)} MB: appends are refused before it is full`,
    TooOld: ({ server, version }) => `${server} is version ${version}, at least ${OLDEST_VERSION.join(".")} is needed`,
    IsReplica: ({ server }) => `${server} is a replica and refuses writes`,
    Forbidden: ({ user, commands }) => `user ${user} may not use ${commands.join(", ")}`,
    Unknown: ({ server, what, detail }) => `${server}: ${what} could not be looked at (${detail})`
  })

/** The command or change that repairs it. */
export const repairOf = (finding: RedisFinding): string =>
  RedisFinding.match(finding, {
    Unreachable: () => "start the server, or correct redis.url",
    Evicts: () => "CONFIG SET maxmemory-policy noeviction, and the same in redis.conf",
    NotPersistent: () => "CONFIG SET appendonly yes, and the same in redis.conf",
    PersistenceFails: () => "free the disk or correct its permissions, then BGREWRITEAOF or BGSAVE",
    MemoryNearFull: ({ most }) => `CONFIG SET maxmemory ${most * 2}, or start miners for all suppliers`,
    TooOld: () => "upgrade the server",
    IsReplica: () => "point redis.url at the master, or at the sentinels with redis-sentinel://",
    Forbidden: ({ user, commands }) => `ACL SETUSER ${user} ${commands.map((name) => `+${name}`).join(" ")}`,
    Unknown: ({ what }) => `allow the user ${what}, or look yourself`
  })

/** First version with everything that the adapters use: XAUTOCLAIM and its like. */
export const OLDEST_VERSION = [6, 2] as const

const megabytes = (bytes: number): number => Math.round(bytes / 1_048_576)
