/**
 * A fleet of real processes on one machine: a chain, a Redis deployment, relayers and miners, each process over a link of
 * its own where a scenario wants that. Everything ends with the scope, by process ids.
 */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Duration, Effect, Redacted, Scope } from "effect"
import { bytesToHex } from "@noble/hashes/utils.js"
import type { RedisAddress } from "../../adapters/redis/RedisSettings.ts"
import { networkProxy, type NetworkProxy } from "../support/NetworkProxy.ts"
import { redisBinaries } from "../support/RedisBinaries.ts"
import type { RedisProcess, RedisTestFailure } from "../support/RedisProcess.ts"
import { type RedisDeployment, sentinel, standalone } from "../support/RedisServers.ts"
import { type ChildProcess, expectThat, type ProcessTestFailure, startProcess, within } from "./ChildProcess.ts"
import { type FleetChain, SERVICE, suppliersOf } from "./FleetChain.ts"
import { type FleetWatch, watchFleet } from "./FleetWatch.ts"

/** How Redis is run: without a log, with an append-only file, or as master, replica and sentinel. */
export type RedisKind = "plain" | "aof always" | "aof everysec" | "sentinel"

/** What a fleet is made of. */
export interface FleetOptions {
  readonly chain: FleetChain
  readonly redis: RedisKind
  readonly miners: number
  readonly relayers: number
  /** Life of leases and of the leadership; nothing: the product's defaults. */
  readonly leaseSeconds: number | undefined
  /** Each process reaches Redis over a link of its own. */
  readonly hasLinks: boolean
  /** For configuration files, spools and logs. */
  readonly directory: string
}

/** A process with its link to Redis. */
export interface Member {
  readonly name: string
  readonly process: ChildProcess
  readonly link: NetworkProxy | undefined
}

/** A relayer, and where it is called. */
export interface RelayerMember extends Member {
  readonly url: string
}

/** A running fleet. */
export interface Fleet {
  readonly options: FleetOptions
  readonly chainUrl: string
  readonly miners: ReadonlyArray<Member>
  readonly relayers: ReadonlyArray<RelayerMember>
  readonly redis: ReadonlyArray<RedisProcess>
  readonly address: RedisAddress
  readonly watch: FleetWatch
  /** Starts a relayer that has ended once more, with its file and its spool; it listens on another port. */
  readonly restart: (relayer: Member) => Effect.Effect<void, ProcessTestFailure>
  /** Processes that `restart` has started. */
  readonly restarted: () => ReadonlyArray<Member>
}

/** Longest start of a process on a busy machine. */
export const START_LIMIT = Duration.seconds(90)
/** Longest wait until every miner has its share; after that a scenario goes on with what there is. */
const SHARE_LIMIT = Duration.seconds(20)

/** Starts the chain alone; further processes need its addresses. */
export const startChain = (chain: FleetChain, directory: string) =>
  Effect.gen(function* () {
    const process = yield* startProcess(
      "chain",
      "ChainProcess.ts",
      [JSON.stringify(chain)],
      join(directory, "chain.log")
    )
    const { facts } = yield* process.until("ready", START_LIMIT)
    return { process, url: String(facts["url"]), backend: String(facts["backend"]) }
  })

/** Starts everything else and waits until all suppliers are owned. The chain still stands. */
export const startFleet = (
  options: FleetOptions,
  chain: { readonly url: string; readonly backend: string }
): Effect.Effect<Fleet, ProcessTestFailure | RedisTestFailure, Scope.Scope> =>
  Effect.gen(function* () {
    const { directory } = options
    const deployment = yield* startRedis(options.redis)
    const suppliers = suppliersOf(options.chain)
    const keysFile = join(directory, "keys.yaml")
    writeFileSync(
      keysFile,
      JSON.stringify({ keys: suppliers.map(({ privateKey }) => bytesToHex(Redacted.value(privateKey))) })
    )
    chmodSync(keysFile, 0o600)
    const watch = yield* watchFleet(
      suppliers.map(({ address }) => address),
      deployment.address
    )
    const member = (name: string, file: string, config: (redisUrl: string) => unknown) =>
      Effect.gen(function* () {
        const link = options.hasLinks ? yield* networkProxy(deployment.servers[0]?.port ?? 0) : undefined
        const path = join(directory, `${name}.yaml`)
        writeFileSync(path, JSON.stringify(config(urlOf(deployment, link)), undefined, 2))
        const process = yield* startProcess(name, file, [path, chain.url], join(directory, `${name}.log`))
        return { name, process, link }
      })
    const numbered = (kind: string, count: number) =>
      Array.from({ length: count }, (_, index) => `${kind}-${index + 1}`)
    const miners = yield* Effect.forEach(numbered("miner", options.miners), (name) =>
      member(name, "MinerProcess.ts", (url) => minerConfig(name, url, keysFile, options))
    )
    const relayers = yield* Effect.forEach(numbered("relayer", options.relayers), (name) => {
      const spool = spoolIn(directory, name)
      mkdirSync(spool, { mode: 0o700 })
      return member(name, "RelayerProcess.ts", (url) => relayerConfig(url, keysFile, chain.backend, spool))
    })
    const addressed = yield* Effect.forEach(
      relayers,
      (relayer) =>
        Effect.map(relayer.process.until("ready", START_LIMIT), ({ facts }) => ({
          ...relayer,
          url: `http://127.0.0.1:${String(facts["port"])}`
        })),
      { concurrency: "unbounded" }
    )
    yield* Effect.forEach(miners, ({ process }) => process.until("ready", START_LIMIT), { concurrency: "unbounded" })
    yield* within(
      START_LIMIT,
      Effect.suspend(() => expectThat(watch.owners().size === suppliers.length, () => `owned: ${text(watch)}`))
    )
    const share = Math.floor(suppliers.length / miners.length)
    const isShared = () => miners.every(({ name }) => ownedBy(watch, name).length >= share)
    yield* Effect.ignore(
      within(
        SHARE_LIMIT,
        Effect.suspend(() => expectThat(isShared(), () => text(watch)))
      )
    )
    const scope = yield* Effect.scope
    const restarted: Array<Member> = []
    const restart = ({ link, name }: Member) =>
      Effect.gen(function* () {
        const process = yield* startProcess(
          name,
          "RelayerProcess.ts",
          [join(directory, `${name}.yaml`), chain.url],
          join(directory, `${name}-again.log`)
        )
        restarted.push({ name: `${name} again`, process, link })
        yield* process.until("ready", START_LIMIT)
      }).pipe(Scope.provide(scope))
    return {
      options,
      chainUrl: chain.url,
      miners,
      relayers: addressed,
      redis: deployment.servers,
      address: deployment.address,
      watch,
      restart,
      restarted: () => restarted
    }
  })

const spoolIn = (directory: string, name: string): string => join(directory, `${name}-spool`)

/** Folder of a relayer's spool. */
export const spoolOf = ({ options }: Fleet, { name }: Member): string => spoolIn(options.directory, name)

/** Suppliers that this miner owns now. */
export const ownedBy = (watch: FleetWatch, miner: string): ReadonlyArray<string> =>
  [...watch.owners()].filter(([, owner]) => owner === miner).map(([supplier]) => supplier)

const text = (watch: FleetWatch): string =>
  [...watch.owners()].map(([supplier, owner]) => `${supplier.slice(-6)} by ${owner}`).join(", ")

const startRedis = (kind: RedisKind): Effect.Effect<RedisDeployment, RedisTestFailure, Scope.Scope> => {
  const [binary] = redisBinaries()
  if (binary === undefined) throw new Error("redisBinaries throws before")
  switch (kind) {
    case "plain":
      return standalone(binary.path)
    case "aof always":
      return standalone(binary.path, ["--appendonly", "yes", "--appendfsync", "always"])
    case "aof everysec":
      return standalone(binary.path, ["--appendonly", "yes", "--appendfsync", "everysec"])
    case "sentinel":
      return sentinel(binary.path)
  }
}

const urlOf = ({ address, servers }: RedisDeployment, link: NetworkProxy | undefined): string =>
  address._tag === "Sentinel"
    ? `redis-sentinel://${address.sentinels.map(({ host, port }) => `${host}:${port}`).join(",")}/${address.master}`
    : `redis://127.0.0.1:${link?.port ?? servers[0]?.port ?? 0}`

/** Nobody is asked there: the chain of these processes comes from elsewhere. */
const pocket_node = {
  query_node_rpc_url: "http://127.0.0.1:1",
  query_node_grpc_url: "127.0.0.1:1",
  grpc_insecure: true
}

const minerConfig = (name: string, url: string, keysFile: string, { leaseSeconds }: FleetOptions) => ({
  redis: { url, consumer_name: name },
  pocket_node,
  keys: { keys_file: keysFile },
  metrics: { enabled: false },
  block_time_seconds: 1,
  ...(leaseSeconds !== undefined && {
    supplier_claiming: { claim_ttl_seconds: leaseSeconds, renew_rate_seconds: 1, rebalance_interval_seconds: 1 },
    leader_election: { leader_ttl_seconds: leaseSeconds, heartbeat_rate_seconds: 1 }
  })
})

const relayerConfig = (url: string, keysFile: string, backend: string, spool: string) => ({
  listen_addr: "127.0.0.1:0",
  redis: { url },
  pocket_node,
  keys: { keys_file: keysFile },
  services: { [SERVICE]: { backends: { jsonrpc: { url: backend } } } },
  metrics: { enabled: false },
  health_check: { enabled: false },
  spool: { dir: spool, max_bytes: 268_435_456, fsync: true }
})
