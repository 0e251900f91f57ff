/**
 * Active health checks: each endpoint of a backend is asked in turn for something that says whether it is well. One that
 * is not gets no relays until its probes succeed again; the breaker of its traffic goes its own way beside it.
 */
import { Clock, Duration, Effect, Redacted, Result } from "effect"
import type { Deadline } from "../../domain/lifecycle/Deadlines.ts"
import { monotonicMillisOf } from "../../domain/lifecycle/MonotonicTime.ts"
import type { Roster } from "../../domain/lifecycle/Roster.ts"
import { isUp, type Target } from "./BackendEndpoint.ts"
import { exchange } from "./BackendExchange.ts"
import type { BackendMetrics } from "./BackendMetrics.ts"

/** Largest answer of a probe: what an operator looks for is near its beginning. */
const PROBE_BYTES = 1_048_576

/** How a backend's endpoints are probed. */
export interface ProbeOptions {
  /** Path and query, merged into the endpoint's as those of relays are; empty: the endpoint's own. */
  readonly path: string
  readonly method: string
  readonly body: string
  /** Left out: JSON where the body looks like it. */
  readonly contentType: string | undefined
  /** Over those of every request to the endpoint. */
  readonly headers: Readonly<Record<string, string>>
  readonly interval: Duration.Duration
  readonly timeout: Duration.Duration
  /** Failures in a row that take an endpoint out, successes in a row that bring it back. */
  readonly unhealthyThreshold: number
  readonly healthyThreshold: number
  /** Statuses that are healthy; empty: 200–299. */
  readonly expectedStatus: ReadonlyArray<number>
  /** Text that the answer must contain. */
  readonly expectedBody: string | undefined
}

/** Probes the endpoints at once and then at each interval, beside each other, for ever. */
export const probeTargets = (
  targets: ReadonlyArray<Target>,
  probe: ProbeOptions,
  metrics: BackendMetrics,
  deadlines: Roster<Deadline>
): Effect.Effect<never> =>
  Effect.forever(
    Effect.andThen(
      Effect.forEach(targets, (target) => probeOnce(target, probe, metrics, deadlines), {
        concurrency: "unbounded",
        discard: true
      }),
      Effect.sleep(probe.interval)
    )
  )

const probeOnce = Effect.fnUntraced(function* (
  target: Target,
  probe: ProbeOptions,
  metrics: BackendMetrics,
  deadlines: Roster<Deadline>
) {
  const failure = yield* failureOf(target, probe, deadlines)
  if (failure === undefined) {
    target.probeFailures = 0
    target.probeSuccesses++
    if (!target.isProbedDown || target.probeSuccesses < probe.healthyThreshold) return
    target.isProbedDown = false
    metrics.health(target.name, isUp(target))
    return yield* Effect.annotateLogs(Effect.logInfo("backend is up by its probes"), { backend: target.name })
  }
  target.probeSuccesses = 0
  target.probeFailures++
  if (target.isProbedDown || target.probeFailures < probe.unhealthyThreshold) return
  target.isProbedDown = true
  metrics.health(target.name, false)
  yield* Effect.annotateLogs(Effect.logWarning("backend is down by its probes"), {
    backend: target.name,
    url: target.endpoint.url.origin,
    trigger_reason: failure,
    consecutive_failures: target.probeFailures
  })
})

/** Why the endpoint is not well; none if it is. */
const failureOf = Effect.fnUntraced(function* (target: Target, probe: ProbeOptions, deadlines: Roster<Deadline>) {
  const path = target.pathOf(probe.path)
  if (Result.isFailure(path)) return path.failure.message
  const body = new TextEncoder().encode(probe.body)
  const deadline = monotonicMillisOf(yield* Clock.Clock) + Duration.toMillis(probe.timeout)
  const answered = yield* Effect.result(
    exchange(
      target.pool,
      { method: probe.method, path: path.success, headers: headersOf(target, probe), body },
      { maxBytes: PROBE_BYTES, deadline, deadlines, answers: atOnce, sends: atOnce, onGivenUp: () => {} }
    )
  )
  if (Result.isFailure(answered)) return answered.failure.reason
  const { status } = answered.success
  const isExpected =
    probe.expectedStatus.length === 0 ? status >= 200 && status < 300 : probe.expectedStatus.includes(status)
  if (!isExpected) return `status ${status}`
  const { expectedBody } = probe
  return expectedBody === undefined || Buffer.from(answered.success.body).includes(expectedBody)
    ? undefined
    : "expected_body is not in the answer"
})

/** A probe shares no turn with relays. */
const atOnce = (turn: () => void): void => turn()

/** Name and value, alternating. */
const headersOf = ({ endpoint }: Target, { body, contentType, headers }: ProbeOptions): Array<string> => {
  const lines = new Map<string, string>([["accept-encoding", "identity"]])
  const type = contentType ?? (/^[{[]/.test(body) ? "application/json" : undefined)
  if (type !== undefined) lines.set("content-type", type)
  for (const configured of [endpoint.headers, headers]) {
    for (const [name, value] of Object.entries(configured)) lines.set(name.toLowerCase(), value)
  }
  if (endpoint.authorization !== undefined) lines.set("authorization", Redacted.value(endpoint.authorization))
  return [...lines].flat()
}
