/** Facts about the servers behind a connection: which ones they are, what they know. */
import { Cluster, type Redis } from "ioredis"
import { Effect } from "effect"
import { type RedisFailure, unexpectedReply } from "./RedisFailure.ts"

/** A client of one server or of a cluster. */
export type RedisClient = Redis | Cluster

/** `INFO` by field, of all sections asked for. */
export type ServerInfo = ReadonlyMap<string, string>

/** How a call of one server is bounded and classified. */
export type BoundedCall = <A>(name: string, attempt: () => Promise<A>) => Effect.Effect<A, RedisFailure>

/** The masters behind a client: one, or those of a cluster's map of slots. */
export const mastersOf = (client: RedisClient): ReadonlyArray<Redis> =>
  client instanceof Cluster ? client.nodes("master") : [client]

/** Address of a node, to tell those of a cluster apart. */
export const nodeName = (node: Redis): string => `${node.options.host ?? ""}:${node.options.port ?? ""}`

/** `INFO` of one server, sections all if none is named. */
export const readInfo = (
  node: Redis,
  within: BoundedCall,
  ...sections: ReadonlyArray<string>
): Effect.Effect<ServerInfo, RedisFailure> =>
  // Redis 6.2 takes one section at most.
  Effect.map(
    Effect.forEach(sections.length === 0 ? [[]] : sections.map((section) => [section]), (args) =>
      Effect.flatMap(
        within("info", async () => node.call("info", args)),
        (reply) => (typeof reply === "string" ? Effect.succeed(reply) : Effect.fail(unexpectedReply("info", "no text")))
      )
    ),
    (texts) => parseInfo(texts.join("\r\n"))
  )

/** Fields of an `INFO` text. */
export const parseInfo = (text: string): ServerInfo => {
  const fields = new Map<string, string>()
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(":")
    if (colon > 0 && !line.startsWith("#")) fields.set(line.slice(0, colon), line.slice(colon + 1))
  }
  return fields
}

/**
 * Which histories the masters hold, one name each: it changes when a server restarts or another takes its place. A server
 * that does not tell (no right to `INFO`) is named by `doubt`.
 */
export const readIdentities = (
  client: RedisClient,
  within: BoundedCall,
  doubt: string
): Effect.Effect<ReadonlySet<string>, RedisFailure> =>
  Effect.map(
    Effect.forEach(mastersOf(client), (node) =>
      readInfo(node, within, "server", "replication").pipe(
        Effect.map((info) => `${info.get("run_id") ?? doubt}/${info.get("master_replid") ?? doubt}`),
        Effect.catchIf(isForbidden, () => Effect.succeed(doubt))
      )
    ),
    (names) => new Set(names)
  )

/** Keys that one SCAN looks at: about a millisecond of the server's time. */
const SCAN_COUNT = 1_000

/** Keys of one server that match, by looking at all of them in many small steps. */
export const scanKeys = Effect.fnUntraced(function* (
  node: Redis,
  within: BoundedCall,
  pattern: string
): Effect.fn.Return<ReadonlyArray<string>, RedisFailure> {
  const found = new Set<string>()
  let cursor = "0"
  do {
    const reply = yield* within("scan", async () => node.call("scan", [cursor, "match", pattern, "count", SCAN_COUNT]))
    const [next, keys] = Array.isArray(reply) ? reply : []
    if (typeof next !== "string" || !Array.isArray(keys)) return yield* unexpectedReply("scan", "no cursor and keys")
    cursor = next
    for (const key of keys) found.add(String(key))
  } while (cursor !== "0")
  return [...found]
})

/** Whether every master knows the command, by `COMMAND INFO`. No right to ask counts as no. */
export const knowsCommand = (
  client: RedisClient,
  within: BoundedCall,
  name: string
): Effect.Effect<boolean, RedisFailure> =>
  Effect.map(
    Effect.forEach(mastersOf(client), (node) =>
      within("command info", async () => node.call("command", ["info", name])).pipe(
        Effect.map((reply) => Array.isArray(reply) && reply.length === 1 && Array.isArray(reply[0])),
        Effect.catchIf(isForbidden, () => Effect.succeed(false))
      )
    ),
    (known) => known.length > 0 && known.every(Boolean)
  )

const isForbidden = (failure: RedisFailure): boolean => failure.kind === "noperm"
