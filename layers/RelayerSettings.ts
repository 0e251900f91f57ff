/** What a relayer's configuration says to the programs and adapters that it is made of. */
import { Duration, Redacted } from "effect"
import type { BackendConfig, HealthCheckConfig } from "../adapters/config/BackendConfig.ts"
import type { RelayerConfig } from "../adapters/config/RelayerConfig.ts"
import { servedTransports } from "../adapters/config/ServicesConfig.ts"
import { type ServiceSettings, settle } from "../adapters/config/ServiceSettings.ts"
import type { ProbeOptions } from "../adapters/http/BackendProbes.ts"
import type { BackendOptions } from "../adapters/http/BackendsHttp.ts"
import { defaultRelayPolicy, type RelayPolicy, type ServicePolicy } from "../domain/relay/RelayPolicy.ts"

/** Failures in a row that take a backend out of traffic, where its configuration names none. */
const TRAFFIC_FAILURES = 5

/** Probes in a row that take a backend out, where its configuration says nothing; as in the Go fleet. */
const PROBE_FAILURES = 3

/** The policy of serving. */
export const policyOf = (config: RelayerConfig, relayer: string): RelayPolicy => {
  const services = Array.from(config.services, ([id, service]) => servicePolicy(id, settle(config, service)))
  return {
    ...defaultRelayPolicy,
    relayer,
    services: new Map(services.map((service) => [service.id, service])),
    maxBodyBytes: Math.max(...services.map(({ maxBodyBytes }) => maxBodyBytes)),
    meter: {
      ...defaultRelayPolicy.meter,
      enabled: config.relayMeter.enabled,
      failBehavior: config.relayMeter.failBehavior
    }
  }
}

const servicePolicy = (id: string, settings: ServiceSettings): ServicePolicy => ({
  id,
  rpcTypes: new Set(Array.from(settings.backends.values(), ({ transport }) => transport)),
  defaultRpcType: settings.defaultBackend,
  validation: settings.validationMode,
  maxBodyBytes: settings.maxBodySizeBytes
})

/** Backends of the transports that are served by plain HTTP calls. */
export const backendsOf = (config: RelayerConfig): ReadonlyArray<BackendOptions> =>
  Array.from(config.services, ([id, service]) => {
    const settings = settle(config, service)
    return Array.from(settings.backends.values())
      .filter(({ transport }) => servedTransports.has(transport))
      .map((backend) => backendOptions(id, backend, settings))
  }).flat()

const backendOptions = (service: string, backend: BackendConfig, settings: ServiceSettings): BackendOptions => ({
  service,
  rpcType: backend.transport,
  endpoints: backend.endpoints.map(({ name, url }) => ({
    name,
    url: new URL(Redacted.value(url)),
    basePath: backend.basePath,
    headers: Object.fromEntries(Array.from(backend.headers, ([header, value]) => [header, Redacted.value(value)])),
    authorization: authorizationOf(backend)
  })),
  loadBalancing: backend.loadBalancing ?? (backend.endpoints.length > 1 ? "round_robin" : "first_healthy"),
  timeout: settings.timeouts.request,
  headersTimeout: settings.timeouts.responseHeader,
  connectTimeout: Duration.sum(settings.timeouts.dial, settings.timeouts.tlsHandshake),
  keepAliveDelay: settings.keepAliveDelay,
  maxConnections: settings.pool.maxConnectionsPerHost,
  idleTimeout: settings.pool.idleTimeout,
  maxAnswerBytes: settings.maxBodySizeBytes,
  maxRetries: backend.maxRetries,
  failureThreshold: backend.healthCheck.unhealthyThreshold ?? TRAFFIC_FAILURES,
  recovery: backend.recovery,
  ...(backend.healthCheck.enabled && { probe: probeOf(backend.healthCheck) })
})

const probeOf = (check: HealthCheckConfig): ProbeOptions => ({
  path: check.endpoint ?? "",
  method: check.method,
  body: check.requestBody ?? "",
  contentType: check.contentType,
  headers: Object.fromEntries(Array.from(check.headers, ([header, value]) => [header, Redacted.value(value)])),
  interval: check.interval,
  timeout: check.timeout,
  unhealthyThreshold: check.unhealthyThreshold ?? PROBE_FAILURES,
  healthyThreshold: check.healthyThreshold,
  expectedStatus: check.expectedStatus,
  expectedBody: check.expectedBody
})

/** User and password first, then the bearer token, then the plain one, as in the Go fleet. */
const authorizationOf = ({ authentication }: BackendConfig): Redacted.Redacted | undefined => {
  const { bearerToken, password, plainToken, username } = authentication
  if (username !== undefined && password !== undefined) {
    const login = Buffer.from(`${username}:${Redacted.value(password)}`).toString("base64")
    return Redacted.make(`Basic ${login}`)
  }
  if (bearerToken !== undefined) return Redacted.make(`Bearer ${Redacted.value(bearerToken)}`)
  return plainToken
}
