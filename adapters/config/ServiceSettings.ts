/** What applies to one service once defaults, profiles and `http_transport` are put together. */
import { Duration } from "effect"
import type { RpcType } from "../../domain/ports/Backends.ts"
import type { BackendConfig } from "./BackendConfig.ts"
import type { PoolProfile, TimeoutProfile } from "./HttpClientConfig.ts"
import type { RelayerConfig } from "./RelayerConfig.ts"
import type { ServiceConfig } from "./ServicesConfig.ts"

/** A service without open questions. */
export interface ServiceSettings {
  readonly validationMode: "eager" | "optimistic"
  /** Largest request and response in bytes. */
  readonly maxBodySizeBytes: number
  /** Transport of relays that name none. */
  readonly defaultBackend: RpcType
  /** `responseHeader` zero: no limit of its own. The others are above zero. */
  readonly timeouts: TimeoutProfile
  readonly pool: Omit<PoolProfile, "maxIdleConnectionsPerHost">
  /** Idle time of a connection before its first TCP keep-alive. */
  readonly keepAliveDelay: Duration.Duration
  /** By transport, in the order of the file. */
  readonly backends: ReadonlyMap<string, BackendConfig>
}

/** Settles one service of a configuration; profiles exist, `relayerConfig` checked that. */
export const settle = (config: RelayerConfig, service: ServiceConfig): ServiceSettings => {
  const { httpTransport: transport } = config
  const profile = config.timeoutProfiles.get(service.timeoutProfile ?? "fast")
  const pool = service.poolProfile === undefined ? undefined : config.poolProfiles.get(service.poolProfile)
  return {
    validationMode: service.validationMode ?? config.defaultValidationMode,
    maxBodySizeBytes: orElse(service.maxBodySizeBytes, config.defaultMaxBodySizeBytes),
    defaultBackend: service.defaultBackend ?? "jsonrpc",
    timeouts: {
      request: longerThanZero(profile?.request, config.defaultRequestTimeout),
      responseHeader: profile?.responseHeader ?? Duration.zero,
      dial: longerThanZero(profile?.dial, transport.dialTimeout),
      tlsHandshake: longerThanZero(profile?.tlsHandshake, transport.tlsHandshakeTimeout)
    },
    pool: {
      maxConnectionsPerHost: orElse(pool?.maxConnectionsPerHost, transport.maxConnectionsPerHost),
      idleTimeout: longerThanZero(pool?.idleTimeout, transport.idleTimeout)
    },
    keepAliveDelay: transport.tcpKeepAlive,
    backends: service.backends
  }
}

const orElse = (value: number | undefined, fallback: number): number =>
  value === undefined || value === 0 ? fallback : value

const longerThanZero = (value: Duration.Duration | undefined, fallback: Duration.Duration): Duration.Duration =>
  value === undefined || Duration.isZero(value) ? fallback : value
