/**
 * Redis addresses of the Go fleet: `redis://`, `rediss://` (TLS), `redis-sentinel://[:password@]host,host/master?db=N` and
 * `redis-cluster://[:password@]host,host`. Passwords are percent-decoded and `Redacted`; failures never quote the URL.
 */
import { Redacted, Result, Schema } from "effect"
import { HostPort, parseHostPort, writeHostPort } from "./HostPort.ts"
import { textCodec, type TextCodec } from "./TextCodec.ts"

const credentials = {
  username: Schema.UndefinedOr(Schema.String),
  password: Schema.UndefinedOr(Schema.Redacted(Schema.String))
}

/** Where Redis is, by deployment. */
export const RedisAddress = Schema.TaggedUnion({
  /** One server. `isUnverified`: over TLS, with any certificate (`?skip_verify=true`). */
  Standalone: {
    ...credentials,
    host: HostPort,
    tls: Schema.Boolean,
    isUnverified: Schema.optionalKey(Schema.Literal(true)),
    database: Schema.Int
  },
  /** A master found through sentinels; the password is that of the data servers, sentinels are asked without one. */
  Sentinel: { ...credentials, sentinels: Schema.Array(HostPort), master: Schema.String, database: Schema.Int },
  /** A cluster found through any of its nodes. */
  Cluster: { ...credentials, nodes: Schema.Array(HostPort) }
})
export type RedisAddress = typeof RedisAddress.Type

/** Parses a Redis URL. The failure is a sentence with the remedy. */
export const parseRedisUrl = (text: string): Result.Result<RedisAddress, string> => {
  const found = /^([a-z-]+):\/\/(?:([^/?#]*)@)?([^/?#@]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/i.exec(text)
  const scheme = found?.[1]?.toLowerCase() ?? ""
  if (found === null || !schemes.includes(scheme)) return Result.fail(malformed)
  const [, , userInfo, hosts = "", path = "", query = ""] = found
  const login = readLogin(userInfo)
  if (login === undefined) return Result.fail("the user or password has a wrong percent escape; write % as %25")
  const defaultPort = scheme === "redis-sentinel" ? 26_379 : 6379
  const addresses: Array<HostPort> = []
  for (const host of hosts.split(",")) {
    const address = parseHostPort(host.trim(), defaultPort)
    if (address === undefined)
      return Result.fail(`expected host:port after ${scheme}://, found something else; ${example(scheme)}`)
    addresses.push(address)
  }
  const [first] = addresses
  if (first === undefined) return Result.fail(malformed)
  const database = readDatabase(scheme === "redis-sentinel" ? "" : path, query)
  if (database === undefined) return Result.fail(`expected a database number of at least 0; ${example(scheme)}`)
  switch (scheme) {
    case "redis-cluster":
      return database === 0
        ? Result.succeed(RedisAddress.cases.Cluster.make({ ...login, nodes: addresses }))
        : Result.fail("a Redis Cluster has only database 0; leave the database out")
    case "redis-sentinel":
      return path === ""
        ? Result.fail(`the name of the master is missing; ${example(scheme)}`)
        : Result.succeed(RedisAddress.cases.Sentinel.make({ ...login, sentinels: addresses, master: path, database }))
    default:
      return addresses.length > 1
        ? Result.fail("several hosts need redis-sentinel:// or redis-cluster://; write one host, or change the scheme")
        : Result.succeed(
            RedisAddress.cases.Standalone.make({
              ...login,
              host: first,
              tls: scheme === "rediss",
              ...(scheme === "rediss" && skipsVerification(query) && { isUnverified: true }),
              database
            })
          )
  }
}

/** Names of options in the query of a Redis URL that have no effect here: Go's client knows some thirty. */
export const unusedOptions = (text: string): ReadonlyArray<string> => {
  const isTls = /^rediss:/i.test(text)
  const names = new URLSearchParams(/\?([^#]*)/.exec(text)?.[1] ?? "").keys()
  return [...new Set(names)].filter((name) => name !== "db" && !(isTls && name === "skip_verify"))
}

/** An address as its hosts, for logs: no user, no password. */
export const describeRedisAddress = (address: RedisAddress): string =>
  RedisAddress.match(address, {
    Standalone: ({ host, tls, database }) =>
      `${tls ? "rediss" : "redis"}://${writeHostPort(host.host, host.port)}/${database}`,
    Sentinel: ({ sentinels, master, database }) =>
      `redis-sentinel://${sentinels.map((each) => writeHostPort(each.host, each.port)).join(",")}/${master}?db=${database}`,
    Cluster: ({ nodes }) => `redis-cluster://${nodes.map((each) => writeHostPort(each.host, each.port)).join(",")}`
  })

/** Redis URL text to its address. Encodes without credentials. */
export const RedisUrl: TextCodec<RedisAddress> = textCodec(
  Schema.toType(RedisAddress),
  parseRedisUrl,
  describeRedisAddress
)

const schemes = ["redis", "rediss", "redis-sentinel", "redis-cluster"]

const malformed =
  "expected a Redis URL with the scheme redis, rediss, redis-sentinel or redis-cluster; write for example redis://localhost:6379"

const example = (scheme: string): string =>
  scheme === "redis-sentinel"
    ? "write for example redis-sentinel://host1:26379,host2:26379/mymaster?db=0"
    : scheme === "redis-cluster"
      ? "write for example redis-cluster://host1:6379,host2:6379"
      : `write for example ${scheme}://localhost:6379/0`

const readLogin = (
  userInfo: string | undefined
): { readonly username: string | undefined; readonly password: Redacted.Redacted | undefined } | undefined => {
  if (userInfo === undefined || userInfo === "") return { username: undefined, password: undefined }
  const colon = userInfo.indexOf(":")
  const username = unescape(colon < 0 ? userInfo : userInfo.slice(0, colon))
  const password = colon < 0 ? "" : unescape(userInfo.slice(colon + 1))
  if (username === undefined || password === undefined) return undefined
  return {
    username: username === "" ? undefined : username,
    password: password === "" ? undefined : Redacted.make(password, { label: "redis password" })
  }
}

const unescape = (text: string): string | undefined =>
  /%(?![0-9a-fA-F]{2})/.test(text)
    ? undefined
    : Result.getOrElse(
        Result.try(() => decodeURIComponent(text)),
        () => undefined
      )

const skipsVerification = (query: string): boolean =>
  ["true", "1"].includes(new URLSearchParams(query).get("skip_verify") ?? "")

const readDatabase = (path: string, query: string): number | undefined => {
  const text = new URLSearchParams(query).get("db") ?? path
  return text === "" ? 0 : /^\d{1,9}$/.test(text) ? Number(text) : undefined
}
