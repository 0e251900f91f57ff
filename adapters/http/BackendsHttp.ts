/**
 * `Backends` over HTTP: for each (service, transport) a set of endpoints with their own connection pools. An endpoint
 * that fails several times in a row rests; a request that an endpoint failed at goes to the next one while there is time.
 */
import { Clock, Duration, Effect, Layer, Result } from "effect"
import { Pool } from "undici"
import { BackendFailed, type BackendRequest, Backends, type RpcType } from "../../domain/ports/Backends.ts"
import type { BackendAnswer } from "../../domain/relay/BackendAnswer.ts"
import { toUtf8 } from "../../domain/wire/ByteText.ts"
import { makeAnswerTurns } from "./AnswerTurns.ts"
import {
  type BackendEndpoint,
  type BreakerOptions,
  chooseTarget,
  isAvailable,
  isUp,
  makeTarget,
  noteAsked,
  noteFailure,
  noteSuccess,
  type Target
} from "./BackendEndpoint.ts"
import { DEADLINE_STEP, watchDeadlines } from "../../domain/lifecycle/Deadlines.ts"
import { monotonicMillisOf } from "../../domain/lifecycle/MonotonicTime.ts"
import { exchange, type ExchangeFailed, type ExchangeRequest } from "./BackendExchange.ts"
import { type ProbeOptions, probeTargets } from "./BackendProbes.ts"
import { requestHeaders } from "./BackendHeaders.ts"
import { type BackendMetrics, backendMetrics, type BackendOutcome } from "./BackendMetrics.ts"
import { makeSendTurns } from "./SendTurns.ts"

/** The endpoints that answer one service over one transport. */
export interface BackendOptions extends BreakerOptions {
  readonly service: string
  readonly rpcType: RpcType
  /** With `http` or `https` URLs. */
  readonly endpoints: ReadonlyArray<BackendEndpoint>
  readonly loadBalancing: "round_robin" | "first_healthy"
  /** Whole time of one relay, all tries included. */
  readonly timeout: Duration.Duration
  /** Longest wait for the beginning of an answer; zero: only `timeout` bounds it. Half a second early or late. */
  readonly headersTimeout: Duration.Duration
  readonly connectTimeout: Duration.Duration
  /** Idle time of a connection before its first TCP keep-alive. */
  readonly keepAliveDelay: Duration.Duration
  readonly maxConnections: number
  readonly idleTimeout: Duration.Duration
  /** Largest answer in bytes, inclusive. */
  readonly maxAnswerBytes: number
  /** Further endpoints asked when one fails. */
  readonly maxRetries: number
  /** Left out: endpoints are judged by their traffic alone. */
  readonly probe?: ProbeOptions
}

interface Backend {
  readonly options: BackendOptions
  readonly metrics: BackendMetrics
  readonly targets: ReadonlyArray<Target>
  next: number
}

/** `Backends` over pools of undici, one for each endpoint, closed with the scope. */
export const layer = (backends: ReadonlyArray<BackendOptions>) =>
  Layer.effect(
    Backends,
    Effect.gen(function* () {
      const metricsOf = yield* backendMetrics
      const deadlines = yield* watchDeadlines(DEADLINE_STEP)
      const answers = makeAnswerTurns()
      const sends = makeSendTurns()
      const clock = yield* Clock.Clock
      const byKey = new Map<string, Backend>()
      for (const options of backends) {
        const metrics = metricsOf(options.service, options.rpcType)
        const targets = yield* Effect.forEach(options.endpoints, (endpoint) =>
          acquireTarget(endpoint, options, metrics)
        )
        if (options.probe !== undefined) {
          yield* Effect.forkScoped(probeTargets(targets, options.probe, metrics, deadlines))
        }
        byKey.set(keyOf(options.service, options.rpcType), { options, metrics, targets, next: 0 })
      }

      /** One endpoint's answer, its breaker and its metrics brought up to date whatever happens. */
      const ask = function* (target: Target, request: ExchangeRequest, backend: Backend, deadline: number) {
        const { options, metrics } = backend
        const started = clock.currentTimeMillisUnsafe()
        noteAsked(target, started, options)
        const seconds = (): number => (clock.currentTimeMillisUnsafe() - started) / 1_000
        const result = yield* Effect.result(
          exchange(target.pool, request, {
            maxBytes: options.maxAnswerBytes,
            deadline,
            deadlines,
            answers,
            sends,
            // Says nothing about the endpoint.
            onGivenUp: () => metrics.asked("client_disconnected", undefined, seconds())
          })
        )
        const outcome = outcomeOf(result)
        if (outcome !== undefined) {
          metrics.asked(outcome, Result.isSuccess(result) ? result.success.status : undefined, seconds())
          yield* note(target, outcome, clock.currentTimeMillisUnsafe(), backend)
        }
        return result
      }

      const forward = Effect.fnUntraced(function* (request: BackendRequest, backend: Backend) {
        const { options, targets } = backend
        const method = request.payload.method === "" ? "GET" : request.payload.method
        // A tunnel is no call, and undici would wait for one.
        if (method === "CONNECT") return yield* failed(request, "unsendable", {})
        const now = clock.currentTimeMillisUnsafe()
        const deadline = monotonicMillisOf(clock) + Duration.toMillis(options.timeout)
        let last: Result.Result<BackendAnswer, ExchangeFailed> | undefined
        const asked: Array<Target> = []
        for (let tries = 0; tries <= options.maxRetries; tries++) {
          const start = options.loadBalancing === "round_robin" ? backend.next++ : 0
          const target = chooseTarget(targets, start, now, asked)
          if (target === undefined) break
          asked.push(target)
          const path = target.pathOf(toUtf8(request.payload.url))
          if (Result.isFailure(path)) return yield* failed(request, "unsendable", { cause: path.failure })
          const { body } = request.payload
          const headers = requestHeaders(request, target.endpoint)
          last = yield* ask(target, { method, path: path.success, headers, body }, backend, deadline)
          if (Result.isSuccess(last)) {
            if (last.success.status < 500) return last.success
            continue
          }
          const { reason, cause } = last.failure
          if (reason === "too_large") return yield* failed(request, reason, { limit: options.maxAnswerBytes })
          if (reason === "timeout") return yield* failed(request, reason, {})
          if (reason === "invalid") return yield* failed(request, "unsendable", { cause })
        }
        if (last === undefined) return yield* failed(request, "unhealthy", {})
        return Result.isSuccess(last)
          ? last.success
          : yield* failed(request, "unreachable", { cause: last.failure.cause })
      })

      return Backends.of({
        forward: (request) => {
          const backend = byKey.get(keyOf(request.service, request.rpcType))
          return backend === undefined ? failed(request, "unhealthy", {}) : forward(request, backend)
        },
        isHealthy: (service, rpcType) =>
          Effect.sync(() => {
            const targets = byKey.get(keyOf(service, rpcType))?.targets ?? []
            return targets.some((target) => isAvailable(target, clock.currentTimeMillisUnsafe()))
          })
      })
    })
  )

const keyOf = (service: string, rpcType: RpcType): string => `${service}|${rpcType}`

const acquireTarget = (endpoint: BackendEndpoint, options: BackendOptions, metrics: BackendMetrics) =>
  Effect.acquireRelease(
    Effect.sync((): Target => {
      const pool = new Pool(endpoint.url.origin, {
        connections: options.maxConnections,
        connectTimeout: Duration.toMillis(options.connectTimeout),
        connect: { keepAlive: true, keepAliveInitialDelay: Duration.toMillis(options.keepAliveDelay) },
        keepAliveTimeout: Duration.toMillis(options.idleTimeout),
        headersTimeout: headersTimeoutOf(options),
        // The relay's own time bound cancels; this would only cut long answers short.
        bodyTimeout: 0,
        allowH2: false
      })
      const target = makeTarget(endpoint, pool)
      metrics.health(target.name, true)
      return target
    }),
    ({ pool }) => Effect.promise(() => pool.destroy())
  )

/** Milliseconds; none where the relay's own time bound comes first, which costs no timer for each connection. */
const headersTimeoutOf = ({ headersTimeout, timeout }: BackendOptions): number =>
  Duration.isLessThan(headersTimeout, timeout) ? Duration.toMillis(headersTimeout) : 0

/** None: the request suits no endpoint. */
const outcomeOf = (result: Result.Result<BackendAnswer, ExchangeFailed>): EndpointOutcome | undefined => {
  if (Result.isSuccess(result)) return result.success.status < 500 ? "success" : "backend_5xx"
  switch (result.failure.reason) {
    case "invalid":
      return undefined
    case "too_large":
      return "backend_too_large"
    case "timeout":
      return "backend_timeout"
    default:
      return "backend_network_error"
  }
}

/** What says something about the endpoint. */
type EndpointOutcome = Exclude<BackendOutcome, "client_disconnected">

const note = (
  target: Target,
  outcome: EndpointOutcome,
  now: number,
  { options, metrics }: Backend
): Effect.Effect<void> => {
  const { name } = target
  const facts = () => ({
    backend: name,
    url: target.endpoint.url.origin,
    service_id: options.service,
    rpc_type: options.rpcType
  })
  switch (outcome) {
    case "backend_too_large":
      return Effect.void
    case "success": {
      const downtime = noteSuccess(target, now)
      if (downtime === undefined) return Effect.void
      metrics.health(name, isUp(target))
      return Effect.logInfo("backend is up").pipe(Effect.annotateLogs({ ...facts(), downtime_ms: downtime }))
    }
    default: {
      if (!noteFailure(target, now, options)) return Effect.void
      metrics.health(name, false)
      return Effect.logWarning("backend is down").pipe(
        Effect.annotateLogs({
          ...facts(),
          trigger_reason: outcome,
          consecutive_failures: target.failures,
          threshold: options.failureThreshold,
          auto_recovery_in: Duration.format(options.recovery)
        })
      )
    }
  }
}

const failed = (
  request: BackendRequest,
  reason: BackendFailed["reason"],
  facts: { readonly limit?: number; readonly cause?: unknown }
): Effect.Effect<never, BackendFailed> =>
  Effect.fail(new BackendFailed({ reason, service: request.service, rpcType: request.rpcType, ...facts }))
