/** Metrics of calls to backends, under the names that existing dashboards read. Endpoints are those of the configuration. */
import { Effect, Metric } from "effect"
import type { RpcType } from "../../domain/ports/Backends.ts"
import { LATENCY_BOUNDARIES, series } from "../../domain/relay/RelayMetrics.ts"

/** Values of the label `outcome`. */
export type BackendOutcome =
  | "success"
  | "backend_5xx"
  | "backend_timeout"
  | "client_disconnected"
  | "backend_network_error"
  | "backend_too_large"

/** What is counted of one backend's calls and health. Each call updates at once and never fails. */
export interface BackendMetrics {
  /** `status` is none without an answer. */
  readonly asked: (outcome: BackendOutcome, status: number | undefined, seconds: number) => void
  readonly health: (endpoint: string, isUp: boolean) => void
}

/** The metrics of a service over a transport, in the registry of the calling context. */
export const backendMetrics: Effect.Effect<(service: string, rpcType: RpcType) => BackendMetrics> = Effect.map(
  Effect.context<never>(),
  (context) => {
    const requests = series((attributes, name, description) =>
      Metric.counter(name, { description, incremental: true, attributes })
    )("ha_relayer_backend_requests_total", "Calls to backends", ["service_id", "outcome", "status_code"])
    const latency = series((attributes, name, description) =>
      Metric.histogram(name, { description, boundaries: LATENCY_BOUNDARIES, attributes })
    )("ha_relayer_backend_latency_seconds", "Time of a call to a backend", ["service_id", "outcome"])
    const health = series((attributes, name, description) => Metric.gauge(name, { description, attributes }))(
      "ha_relayer_backend_health_status",
      "Whether an endpoint is asked: 1 yes, 0 it rests after failures",
      ["service_id", "endpoint"]
    )
    return (service, rpcType) => ({
      asked: (outcome, status, seconds) => {
        requests(service, outcome, status === undefined ? "none" : String(status)).updateUnsafe(1, context)
        latency(service, outcome).updateUnsafe(seconds, context)
      },
      health: (endpoint, isUp) => health(`${service}:${rpcType}`, endpoint).updateUnsafe(isUp ? 1 : 0, context)
    })
  }
)
