/** What is counted of calls to the chain. Operations are literals of the code, endpoints those of the configuration. */
import { Effect, Metric } from "effect"
import { LATENCY_BOUNDARIES, series } from "../../domain/relay/RelayMetrics.ts"
import type { FailureKind } from "./EndpointFailed.ts"

/** The wire a pool speaks, as metrics and logs call it. */
export type ChainWire = "query" | "rpc" | "rpc_bodies"

/** Counts of one pool. Each call updates at once and never fails. */
export interface EndpointMetrics {
  /** One attempt at an endpoint. A record that is not there, or a refusal, is an answer. */
  readonly asked: (operation: string, outcome: "answered" | FailureKind, seconds: number) => void
}

/** The metrics of a pool in the registry of the calling context. */
export const endpointMetrics = (wire: ChainWire): Effect.Effect<EndpointMetrics> =>
  Effect.map(Effect.context<never>(), (context) => {
    const requests = series((attributes, name, description) =>
      Metric.counter(name, { description, incremental: true, attributes })
    )("relaymill_chain_requests_total", "Calls to endpoints of the chain", ["wire", "operation", "outcome"])
    const latency = series((attributes, name, description) =>
      Metric.histogram(name, { description, boundaries: LATENCY_BOUNDARIES, attributes })
    )("relaymill_chain_request_seconds", "Time of a call to an endpoint of the chain", ["wire", "outcome"])
    return {
      asked: (operation, outcome, seconds) => {
        requests(wire, operation, outcome).updateUnsafe(1, context)
        latency(wire, outcome).updateUnsafe(seconds, context)
      }
    }
  })
