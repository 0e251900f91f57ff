/** What the Redis adapters need to know; the wiring fills it from the decoded configuration. */
import { Duration, type Redacted } from "effect"

/** A host name or address and a port. */
export interface RedisHost {
  readonly host: string
  readonly port: number
}

/** Of the data servers; sentinels are asked without. A password without a user name is that of user `default`. */
export interface RedisCredentials {
  readonly username: string | undefined
  readonly password: Redacted.Redacted | undefined
}

/** Where Redis is, by deployment. Same shape as a decoded Redis URL. */
export type RedisAddress =
  | ({
      readonly _tag: "Standalone"
      readonly host: RedisHost
      readonly tls: boolean
      /** Over TLS, with any certificate. */
      readonly isUnverified?: true
      readonly database: number
    } & RedisCredentials)
  | ({
      readonly _tag: "Sentinel"
      readonly sentinels: ReadonlyArray<RedisHost>
      /** Name of the master that the sentinels watch. */
      readonly master: string
      readonly database: number
    } & RedisCredentials)
  | ({ readonly _tag: "Cluster"; readonly nodes: ReadonlyArray<RedisHost> } & RedisCredentials)

/** The segments of keys and channels that can be configured. None is empty. */
export interface RedisNamespace {
  readonly base: string
  readonly cache: string
  readonly events: string
  readonly streams: string
  readonly miner: string
  readonly supplier: string
  readonly meter: string
  readonly params: string
  readonly consumerGroup: string
}

/** The Go fleet's defaults. */
export const defaultNamespace: RedisNamespace = {
  base: "ha",
  cache: "cache",
  events: "events",
  streams: "relays",
  miner: "miner",
  supplier: "supplier",
  meter: "meter",
  params: "params",
  consumerGroup: "miners"
}

/** Everything about one Redis deployment as one process uses it. */
export interface RedisSettings {
  readonly address: RedisAddress
  readonly namespace: RedisNamespace
  /**
   * Most connections of this process (`pool_size`): two are shared by all calls, each blocking reader and subscriber
   * takes one. On a cluster a connection is one for each node.
   */
  readonly poolSize: number
  /** Longest wait for one of them (`pool_timeout_seconds`). */
  readonly poolTimeout: Duration.Duration
  /** Longest wait for a reply. A call ends within it whatever the network does. */
  readonly commandTimeout: Duration.Duration
}

/** Longest wait for a reply where nothing else is said: above the slowest script and fsync seen, below a lease's margin. */
export const DEFAULT_COMMAND_TIMEOUT = Duration.seconds(2)
