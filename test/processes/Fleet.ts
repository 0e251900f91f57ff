/**
 * A fleet of real processes on one machine: the nodes of a chain, a Redis deployment, and relayers and miners as an operator
 * starts them, each process over a link of its own where a scenario wants that. Everything ends with the scope, by process ids.
 */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Duration, Effect, Redacted, Schema, Scope } from "effect"
import { bytesToHex } from "@noble/hashes/utils.js"
import type { RedisAddress } from "../../adapters/redis/RedisSettings.ts"
import { freePort } from "../support/FreePort.ts"
import { networkProxy, type NetworkProxy } from "../support/NetworkProxy.ts"
import { redisBinaries } from "../support/RedisBinaries.ts"
import type { RedisProcess, RedisTestFailure } from "../support/RedisProcess.ts"
import { type RedisDeployment, sentinel, standalone } from "../support/RedisServers.ts"
import { type ChildProcess, expectThat, type ProcessTestFailure, startProcess, within } from "./ChildProcess.ts"
import { CHAIN_ID, type FleetChain, SERVICE, suppliersOf } from "./FleetChain.ts"
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
  /** Further sections of the miners' configuration. */
  readonly minerConfig: Readonly<Record<string, unknown>>
  /** Added to the environment of a process by its name. */
  readonly environmentOf: (name: string) => Readonly<Record<string, string>>
}

/** A process with its link to Redis. */
export interface Member {
  readonly name: string
  readonly process: ChildProcess
  readonly link: NetworkProxy | undefined
  /** Base URL of its probes. */
  readonly probes: string
}

/** A relayer, and where it is called. */
export interface RelayerMember extends Member {
  readonly url: string
}

/** A running fleet. */
export interface Fleet {
  readonly options: FleetOptions
  readonly chainUrl: string
  /** Control surface of the devnet. */
  readonly controlUrl: string
  readonly nodes: ChainAddresses["nodes"]
  readonly miners: ReadonlyArray<Member>
  readonly relayers: ReadonlyArray<RelayerMember>
  readonly redis: ReadonlyArray<RedisProcess>
  readonly address: RedisAddress
  readonly watch: FleetWatch
  /** Starts a relayer or a miner that has ended once more, with its file and its spool. */
  readonly restart: (member: Member) => Effect.Effect<Member, ProcessTestFailure>
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
    return { process, ...(yield* Effect.orDie(decodeAddresses(facts))) }
  })

/** Where the chain's process serves what. */
const ChainAddresses = Schema.Struct({
  /** For the driver and the gateway. */
  url: Schema.String,
  backend: Schema.String,
  /** Control surface of the devnet. */
  control: Schema.String,
  nodes: Schema.NonEmptyArray(Schema.Struct({ rpcUrl: Schema.String, grpcTarget: Schema.String }))
})
type ChainAddresses = typeof ChainAddresses.Type
const decodeAddresses = Schema.decodeUnknownEffect(ChainAddresses)

/** Starts everything else and waits until all suppliers are owned. The chain still stands. */
export const startFleet = (
  options: FleetOptions,
  chain: ChainAddresses
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
    const nodes = nodesOf(chain)
    const member = (name: string, kind: "miner" | "relayer", port: number, config: (redisUrl: string) => unknown) =>
      Effect.gen(function* () {
        const link = options.hasLinks ? yield* networkProxy(deployment.servers[0]?.port ?? 0) : undefined
        writeFileSync(join(directory, `${name}.yaml`), JSON.stringify(config(urlOf(deployment, link)), undefined, 2))
        return { name, process: yield* startMember(kind, name, options), link, probes: `http://127.0.0.1:${port}` }
      })
    const numbered = (kind: string, count: number) =>
      Array.from({ length: count }, (_, index) => `${kind}-${index + 1}`)
    const miners = yield* Effect.forEach(numbered("miner", options.miners), (name) =>
      Effect.flatMap(freePort, (port) =>
        member(name, "miner", port, (url) => minerConfig(name, url, keysFile, options, nodes, port))
      )
    )
    const relayers = yield* Effect.forEach(numbered("relayer", options.relayers), (name) =>
      Effect.gen(function* () {
        const spool = spoolIn(directory, name)
        mkdirSync(spool, { mode: 0o700 })
        const ports = { relays: yield* freePort, probes: yield* freePort }
        const started = yield* member(name, "relayer", ports.probes, (url) =>
          relayerConfig(url, keysFile, chain.backend, spool, nodes, ports)
        )
        return { ...started, url: `http://127.0.0.1:${ports.relays}` }
      })
    )
    yield* Effect.forEach(relayers, (each) => answers(each, "/ready"), { concurrency: "unbounded" })
    yield* Effect.forEach(miners, (each) => answers(each, "/health"), { concurrency: "unbounded" })
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
    const restart = ({ link, name, probes }: Member) =>
      Effect.gen(function* () {
        const relayer = relayers.find((each) => each.name === name)
        const process = yield* startMember(relayer === undefined ? "miner" : "relayer", name, options, "-again")
        const again = { name: `${name} again`, process, link, probes }
        restarted.push(again)
        if (relayer !== undefined) yield* answers(again, "/ready")
        return again
      }).pipe(Scope.provide(scope))
    return {
      options,
      chainUrl: chain.url,
      controlUrl: chain.control,
      nodes: chain.nodes,
      miners,
      relayers,
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

/** Starts the product's own command on its file. */
const startMember = (
  kind: "miner" | "relayer",
  name: string,
  { directory, environmentOf }: FleetOptions,
  suffix = ""
) =>
  startProcess(
    name,
    "../../src/main.ts",
    [kind, "--config", join(directory, `${name}.yaml`)],
    join(directory, `${name}${suffix}.log`),
    environmentOf(name)
  )

/** Waits until the process answers a probe with 200. */
const answers = (
  { probes, process }: Pick<Member, "probes" | "process">,
  path: string
): Effect.Effect<void, ProcessTestFailure> =>
  within(
    START_LIMIT,
    Effect.promise(async () => {
      try {
        return (await fetch(`${probes}${path}`, { signal: AbortSignal.timeout(1_000) })).status
      } catch {
        return undefined
      }
    }).pipe(
      Effect.flatMap((status) =>
        expectThat(status === 200, () => `${process.name} answers ${path} with ${status}:\n${process.tail()}`)
      )
    )
  )

/** `pocket_node` of relayers: the devnet's nodes. */
const nodesOf = ({ nodes: [first, ...others] }: ChainAddresses) => {
  const address = ({ grpcTarget, rpcUrl }: typeof first) => ({
    query_node_rpc_url: rpcUrl,
    query_node_grpc_url: grpcTarget,
    grpc_insecure: true
  })
  return { ...address(first), more_nodes: others.map(address) }
}
type PocketNode = ReturnType<typeof nodesOf>

const minerConfig = (
  name: string,
  url: string,
  keysFile: string,
  { leaseSeconds, minerConfig: further }: FleetOptions,
  nodes: PocketNode,
  port: number
) => ({
  redis: { url, consumer_name: name },
  pocket_node: { ...nodes, chain_id: CHAIN_ID },
  keys: { keys_file: keysFile },
  metrics: { enabled: true, addr: `127.0.0.1:${port}` },
  block_time_seconds: 1,
  ...(leaseSeconds !== undefined && {
    supplier_claiming: { claim_ttl_seconds: leaseSeconds, renew_rate_seconds: 1, rebalance_interval_seconds: 1 },
    leader_election: { leader_ttl_seconds: leaseSeconds, heartbeat_rate_seconds: 1 }
  }),
  ...further
})

const relayerConfig = (
  url: string,
  keysFile: string,
  backend: string,
  spool: string,
  nodes: PocketNode,
  ports: { readonly relays: number; readonly probes: number }
) => ({
  listen_addr: `127.0.0.1:${ports.relays}`,
  redis: { url },
  pocket_node: nodes,
  keys: { keys_file: keysFile },
  services: { [SERVICE]: { backends: { jsonrpc: { url: backend } } } },
  metrics: { enabled: false },
  health_check: { enabled: true, addr: `127.0.0.1:${ports.probes}` },
  spool: { dir: spool, max_bytes: 268_435_456, fsync: true }
})
