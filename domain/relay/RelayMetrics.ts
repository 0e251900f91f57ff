/**
 * Counters and histograms of serving, under the names that existing dashboards read. Labels come from closed sets:
 * configured services and transports, causes of the refusal table, HTTP statuses; a caller's text is never a label.
 * Series are resolved once and written without an effect.
 */
import { Effect, Metric } from "effect"
import type { RpcType } from "../ports/Backends.ts"
import type { RefusalCause } from "./RelayRefusal.ts"

/** Seconds, as the reference has them. */
export const LATENCY_BOUNDARIES = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
/** Bytes, as the reference has them. */
const SIZE_BOUNDARIES = [1e2, 1e3, 1e4, 1e5, 1e6, 1e7]

/** What a relay is counted under; `unknown` while the request could not be read that far. */
export interface RelayLabels {
  readonly service: string
  readonly rpcType: RpcType | "unknown"
}

/** Labels of a request that was refused before its service and transport were known. */
export const UNREAD: RelayLabels = { service: "unknown", rpcType: "unknown" }

/** Relays of one service over one transport. */
export interface KindMetrics {
  readonly received: (bodyBytes: number) => void
  /** `status` is the backend's, `seconds` from the first step to the last. */
  readonly served: (status: number, seconds: number, bodyBytes: number) => void
}

/**
 * What a relayer counts. Each call updates at once and never fails; labels come from configuration, not from callers.
 */
export interface RelayMetrics {
  /** One value for each pair of labels: ask once, keep it. */
  readonly kind: (labels: RelayLabels) => KindMetrics
  readonly rejected: (labels: RelayLabels, reason: RefusalCause) => void
  /** A verified answer that met the difficulty and is recorded, or did not meet it. */
  readonly mined: (service: string, met: boolean) => void
  readonly metered: (service: string, result: "within_limit" | "over_limit") => void
}

/** The metrics in the registry of the calling context. */
export const relayMetrics: Effect.Effect<RelayMetrics> = Effect.map(Effect.context<never>(), (context) => {
  const counter = series((attributes, name, description) =>
    Metric.counter(name, { description, incremental: true, attributes })
  )
  const latency = series((attributes, name, description) =>
    Metric.histogram(name, { description, boundaries: LATENCY_BOUNDARIES, attributes })
  )
  const size = series((attributes, name, description) =>
    Metric.histogram(name, { description, boundaries: SIZE_BOUNDARIES, attributes })
  )
  const received = counter("ha_relayer_relays_received_total", "Relay requests read", ["service_id", "rpc_type"])
  const served = counter("ha_relayer_relays_served_total", "Relays answered by a backend", [
    "service_id",
    "rpc_type",
    "status_code"
  ])
  const rejected = counter("ha_relayer_relays_rejected_total", "Relays refused", ["service_id", "rpc_type", "reason"])
  const invalid = counter("ha_relayer_validation_failures_total", "Relays whose ring signature did not pass", [
    "service_id",
    "reason"
  ])
  const fastFails = counter("ha_relayer_fast_fails_total", "Relays refused for want of a healthy backend", [
    "service_id"
  ])
  const mined = counter("ha_relayer_relays_mined_total", "Relays that met the difficulty and are recorded", [
    "service_id"
  ])
  const skipped = counter("ha_relayer_relays_skipped_difficulty_total", "Relays that did not meet the difficulty", [
    "service_id"
  ])
  const metered = counter("ha_relayer_relay_meter_consumptions_total", "Charges asked of the meter", [
    "service_id",
    "result"
  ])
  const seconds = latency("ha_relayer_relay_latency_seconds", "Time from a request's body to its answer", [
    "service_id",
    "rpc_type"
  ])
  const requestBytes = size("ha_relayer_request_body_size_bytes", "Bodies of relay requests", [
    "service_id",
    "rpc_type"
  ])
  const responseBytes = size("ha_relayer_response_body_size_bytes", "Bodies of signed answers", [
    "service_id",
    "rpc_type"
  ])
  return {
    kind: ({ service, rpcType }) => {
      const [relays, bodies] = [received(service, rpcType), requestBytes(service, rpcType)]
      const [latencies, answers] = [seconds(service, rpcType), responseBytes(service, rpcType)]
      const byStatus = new Map<number, Metric.Counter<number>>()
      const servedWith = (status: number) => {
        const known = byStatus.get(status) ?? served(service, rpcType, String(status))
        byStatus.set(status, known)
        return known
      }
      return {
        received: (bodyBytes) => {
          relays.updateUnsafe(1, context)
          bodies.updateUnsafe(bodyBytes, context)
        },
        served: (status, elapsed, bodyBytes) => {
          servedWith(status).updateUnsafe(1, context)
          latencies.updateUnsafe(elapsed, context)
          answers.updateUnsafe(bodyBytes, context)
        }
      }
    },
    rejected: ({ service, rpcType }, reason) => {
      rejected(service, rpcType, reason).updateUnsafe(1, context)
      if (reason === "ring_signature") invalid(service, "signature").updateUnsafe(1, context)
      if (reason === "no_backend") fastFails(service).updateUnsafe(1, context)
    },
    mined: (service, met) => (met ? mined : skipped)(service).updateUnsafe(1, context),
    metered: (service, result) => metered(service, result).updateUnsafe(1, context)
  }
})

/** Series of one metric, made when first written: one for each combination of its labels' values. */
export const series =
  <M>(make: (attributes: Readonly<Record<string, string>>, name: string, description: string) => M) =>
  (name: string, description: string, labels: ReadonlyArray<string>) => {
    const root = new Branch<M>()
    return (...values: ReadonlyArray<string>): M => {
      let branch = root
      for (const value of values) branch = branch.at(value)
      branch.series ??= make(Object.fromEntries(labels.map((label, i) => [label, values[i] ?? ""])), name, description)
      return branch.series
    }
  }

/** Series by the values of one label after the other: a key made of all would be a new string for each update. */
class Branch<M> {
  readonly next = new Map<string, Branch<M>>()
  series: M | undefined

  at(value: string): Branch<M> {
    const known = this.next.get(value)
    if (known !== undefined) return known
    const branch = new Branch<M>()
    this.next.set(value, branch)
    return branch
  }
}
