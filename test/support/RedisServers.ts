/** Real Redis deployments for tests: standalone, Sentinel, cluster, with the settings that lead to them. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { Redis } from "ioredis"
import { Duration, Effect, Redacted, type Scope } from "effect"
import { defaultNamespace, type RedisAddress, type RedisSettings } from "../../adapters/redis/RedisSettings.ts"
import { eventually, redisProcess, type RedisProcess, RedisTestFailure } from "./RedisProcess.ts"

/** A deployment: its servers and how to get there. */
export interface RedisDeployment {
  readonly address: RedisAddress
  /** Data servers, masters first. */
  readonly servers: ReadonlyArray<RedisProcess>
}

const nobody = { username: undefined, password: undefined }

/** Counts namespaces, so that each test has keys of its own. */
let namespaces = 0

/** Settings for a deployment with a base prefix that no other call in this process gets. */
export const settingsFor = (address: RedisAddress, change: Partial<RedisSettings> = {}): RedisSettings => ({
  address,
  namespace: { ...defaultNamespace, base: `t${process.pid}x${++namespaces}` },
  poolSize: 20,
  poolTimeout: Duration.seconds(1),
  commandTimeout: Duration.seconds(2),
  ...change
})

/** Address of one server. */
export const standaloneAddress = (
  port: number,
  change: {
    readonly username?: string
    readonly password?: string
    readonly tls?: boolean
    readonly database?: number
  } = {}
): RedisAddress => ({
  _tag: "Standalone",
  host: { host: "127.0.0.1", port },
  tls: change.tls ?? false,
  database: change.database ?? 0,
  username: change.username,
  password: change.password === undefined ? undefined : Redacted.make(change.password)
})

/** One server. */
export const standalone = (
  binary: string,
  args: ReadonlyArray<string> = []
): Effect.Effect<RedisDeployment, RedisTestFailure, Scope.Scope> =>
  Effect.map(redisProcess(binary, { args }), (server) => ({
    address: standaloneAddress(server.port),
    servers: [server]
  }))

/** Master, replica and a sentinel that replaces the master within about a second. The sentinel is `servers[2]`. */
export const sentinel = (binary: string): Effect.Effect<RedisDeployment, RedisTestFailure, Scope.Scope> =>
  Effect.gen(function* () {
    const master = yield* redisProcess(binary)
    const replica = yield* redisProcess(binary, { args: ["--replicaof", "127.0.0.1", String(master.port)] })
    yield* eventually(Effect.flatMap(info(replica.port), (text) => expect(text, "master_link_status:up")))
    const file = join(replica.dir, "sentinel.conf")
    writeFileSync(
      file,
      [
        `sentinel monitor mymaster 127.0.0.1 ${master.port} 1`,
        "sentinel down-after-milliseconds mymaster 400",
        "sentinel failover-timeout mymaster 2000",
        ""
      ].join("\n")
    )
    const watcher = yield* redisProcess(binary, { sentinel: file })
    yield* eventually(Effect.flatMap(info(watcher.port), (text) => expect(text, "slaves=1")))
    const sentinels = [{ host: "127.0.0.1", port: watcher.port }]
    return {
      address: { _tag: "Sentinel" as const, sentinels, master: "mymaster", database: 0, ...nobody },
      servers: [master, replica, watcher]
    }
  })

/** Three masters, then their three replicas in the same order. */
export const cluster = (binary: string): Effect.Effect<RedisDeployment, RedisTestFailure, Scope.Scope> =>
  Effect.gen(function* () {
    const args = [
      "--cluster-enabled",
      "yes",
      "--cluster-node-timeout",
      "1500",
      "--cluster-replica-validity-factor",
      "0"
    ]
    const servers = yield* Effect.all(
      Array.from({ length: 6 }, () => redisProcess(binary, { args })),
      { concurrency: 6 }
    )
    const masters = servers.slice(0, 3)
    const first = servers[0]!
    for (const [index, { port }] of masters.entries()) {
      const [from, to] = [Math.ceil((index * 16_384) / 3), Math.ceil(((index + 1) * 16_384) / 3)]
      yield* ask(port, "cluster", "set-config-epoch", String(index + 1))
      yield* ask(port, "cluster", "addslots", ...Array.from({ length: to - from }, (_, n) => String(from + n)))
    }
    for (const { port } of servers.slice(1)) yield* ask(first.port, "cluster", "meet", "127.0.0.1", String(port))
    for (const { port } of servers) yield* eventually(clusterSays(port, "cluster_known_nodes:6"))
    const ids = yield* Effect.forEach(masters, ({ port }) => ask(port, "cluster", "myid"))
    for (const [index, { port }] of servers.slice(3).entries()) {
      yield* eventually(Effect.asVoid(ask(port, "cluster", "replicate", String(ids[index]))))
    }
    for (const { port } of servers) yield* eventually(clusterSays(port, "cluster_state:ok"))
    for (const { port } of servers.slice(3)) {
      yield* eventually(Effect.flatMap(info(port), (text) => expect(text, "master_link_status:up")))
    }
    // Each node hears of each replica by gossip; a failover needs that.
    for (const { port } of servers) {
      yield* eventually(
        Effect.flatMap(ask(port, "cluster", "nodes"), (text) =>
          String(text).match(/ (myself,)?slave /g)?.length === 3
            ? Effect.void
            : Effect.fail(new RedisTestFailure({ detail: `replicas not known at ${port}: ${String(text)}` }))
        )
      )
    }
    const nodes = masters.map(({ port }) => ({ host: "127.0.0.1", port }))
    return { address: { _tag: "Cluster" as const, nodes, ...nobody }, servers }
  })

/** One command to one server over a connection of its own, as an operator would send it. */
export const ask = (
  port: number,
  command: string,
  ...args: ReadonlyArray<string>
): Effect.Effect<unknown, RedisTestFailure> =>
  Effect.tryPromise({
    try: async () => {
      const client = new Redis({ host: "127.0.0.1", port, retryStrategy: null, lazyConnect: true, protocol: 2 })
      client.on("error", () => {})
      try {
        return await client.call(command, [...args])
      } finally {
        client.disconnect()
      }
    },
    catch: (error) => new RedisTestFailure({ detail: `${command} at ${port}: ${String(error)}` })
  })

const info = (port: number) => Effect.map(ask(port, "info"), String)
const clusterSays = (port: number, line: string) =>
  Effect.flatMap(ask(port, "cluster", "info"), (text) => expect(String(text), line))
const expect = (text: string, part: string) =>
  text.includes(part) ? Effect.void : Effect.fail(new RedisTestFailure({ detail: `no ${part} in ${text}` }))
