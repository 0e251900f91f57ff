/**
 * ioredis clients for each kind of deployment. None queues a call while it is not connected, none sends a command again
 * after a lost connection: a call fails at once and its caller decides.
 */
import { Cluster, Redis, type RedisOptions } from "ioredis"
import { Duration, Redacted } from "effect"
import type { RedisClient } from "./RedisServers.ts"
import { tlsConnector } from "./TlsConnector.ts"
import type { RedisAddress, RedisCredentials, RedisSettings } from "./RedisSettings.ts"

/** What a client is for. */
export interface ClientPurpose {
  /** Shown by CLIENT LIST. */
  readonly name: string
  /** Longest silence of the server while it owes a reply; the connection is taken for dead beyond it. */
  readonly silence: Duration.Duration
}

/** Longest wait for a TCP and TLS connection. */
const CONNECT_MILLIS = 3_000

/** First probe of an idle connection, so that one that died unnoticed is found. */
const KEEP_ALIVE_MILLIS = 10_000

/** Waits between attempts to connect: 50 ms, doubled to at most this. */
const LONGEST_RETRY_MILLIS = 1_000

/** How often a cluster's map of slots is read again, redirections apart. */
const SLOTS_REFRESH_MILLIS = 1_000

/** Milliseconds before attempt `attempts` + 1 to connect. */
const retryDelay = (attempts: number): number => Math.min(50 * 2 ** Math.min(attempts - 1, 10), LONGEST_RETRY_MILLIS)

const commonOptions = (purpose: ClientPurpose, credentials: RedisCredentials) => ({
  connectionName: `relaymill-${purpose.name}`,
  // RESP2: the same replies from every server, and no HELLO whose refusal could quote the password.
  protocol: 2 as const,
  disableClientInfo: true,
  connectTimeout: CONNECT_MILLIS,
  keepAlive: KEEP_ALIVE_MILLIS,
  socketTimeout: Duration.toMillis(purpose.silence),
  maxLoadingRetryTime: LONGEST_RETRY_MILLIS,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  ...login(credentials)
})

const login = ({ username, password }: RedisCredentials) => ({
  ...(username === undefined ? {} : { username }),
  ...(password === undefined ? {} : { password: Redacted.value(password) })
})

/** A client that is not connected yet and connects again by itself. */
export const makeClient = ({ address }: RedisSettings, purpose: ClientPurpose): RedisClient => {
  const common = commonOptions(purpose, address)
  if (address._tag === "Cluster") {
    const cluster = new Cluster(
      address.nodes.map(({ host, port }) => ({ host, port })),
      {
        lazyConnect: true,
        enableOfflineQueue: false,
        // The check asks a node that may be connecting still and takes its refusal for a broken cluster.
        enableReadyCheck: false,
        clusterRetryStrategy: retryDelay,
        slotsRefreshInterval: SLOTS_REFRESH_MILLIS,
        // A command that was sent when its node failed may have taken effect.
        retryDelayOnFailover: 0,
        redisOptions: common
      }
    )
    // Nodes connect with their first command and refuse others meanwhile; so connect before there is one.
    const connectMasters = () => {
      for (const node of cluster.nodes("master")) if (node.status === "wait") node.connect().catch(() => {})
    }
    for (const event of ["+node", "refresh", "ready"]) cluster.on(event, connectMasters)
    return cluster
  }
  return new Redis({
    ...common,
    ...server(address),
    lazyConnect: true,
    enableOfflineQueue: false,
    retryStrategy: retryDelay
  })
}

/** A client of one server that ends with its connection: the caller opens another one. `node` is one of a cluster's. */
export const makeSingleClient = (
  { address }: RedisSettings,
  purpose: ClientPurpose,
  node: Pick<RedisOptions, "host" | "port"> | undefined
): Redis =>
  new Redis({
    ...commonOptions(purpose, address),
    ...(address._tag === "Cluster" ? pick(node ?? address.nodes[0]) : server(address)),
    lazyConnect: true,
    enableOfflineQueue: false,
    retryStrategy: null
  })

const server = (address: Exclude<RedisAddress, { readonly _tag: "Cluster" }>) =>
  address._tag === "Standalone"
    ? {
        host: address.host.host,
        port: address.host.port,
        db: address.database,
        ...(address.tls ? { tls: {}, Connector: tlsConnector(address.host, address.isUnverified !== true) } : {})
      }
    : {
        sentinels: address.sentinels.map(({ host, port }) => ({ host, port })),
        name: address.master,
        db: address.database,
        sentinelCommandTimeout: CONNECT_MILLIS,
        sentinelRetryStrategy: retryDelay,
        // Leaves a master that was replaced, though it may still answer.
        failoverDetector: true,
        reconnectOnError: (error: Error) => error.message.startsWith("READONLY")
      }

const pick = (node: Pick<RedisOptions, "host" | "port"> | undefined) =>
  node?.host === undefined || node.port === undefined ? {} : { host: node.host, port: node.port }
