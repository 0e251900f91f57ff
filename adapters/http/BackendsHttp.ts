/**
 * `Backends` over HTTP: for each (service, transport) a set of endpoints with their own connection pools. An endpoint
 * that fails several times in a row is left alone for a while; a request that never reached its endpoint goes to the next.
 */
import { Clock, Duration, Effect, Layer, type Redacted, Result } from "effect"
import { Pool } from "undici"
import { BackendFailed, type BackendRequest, Backends, type RpcType } from "../../domain/ports/Backends.ts"
import { toUtf8 } from "../../domain/wire/ByteText.ts"
import { exchange, type ExchangeFailed } from "./BackendExchange.ts"
import { requestHeaders } from "./BackendHeaders.ts"
import { requestTarget } from "./BackendUrl.ts"

/** One endpoint of a backend. */
export interface BackendEndpoint {
  readonly url: URL
  /** Replaces the URL's path as prefix of every request. */
  readonly basePath: string | undefined
  /** Added to every request, over those of the relay. */
  readonly headers: Readonly<Record<string, string>>
  /** Value of `Authorization`. */
  readonly authorization: Redacted.Redacted | undefined
}

/** The endpoints that answer one service over one transport. */
export interface BackendOptions {
  readonly service: string
  readonly rpcType: RpcType
  readonly endpoints: ReadonlyArray<BackendEndpoint>
  readonly loadBalancing: "round_robin" | "first_healthy"
  /** Whole time of one relay, all tries included. */
  readonly timeout: Duration.Duration
  readonly connectTimeout: Duration.Duration
  readonly maxConnections: number
  readonly idleTimeout: Duration.Duration
  /** Largest answer in bytes, inclusive. */
  readonly maxAnswerBytes: number
  /** Further endpoints asked when one cannot be reached. */
  readonly maxRetries: number
  /** Failures in a row after which an endpoint is left alone for `recovery`. */
  readonly failureThreshold: number
  readonly recovery: Duration.Duration
}

/** An endpoint at work. */
interface Target {
  readonly endpoint: BackendEndpoint
  readonly pool: Pool
  failures: number
  /** Milliseconds of Effect's clock until which it is not asked. */
  restsUntil: number
}

interface Backend {
  readonly options: BackendOptions
  readonly targets: ReadonlyArray<Target>
  next: number
}

export const layer = (backends: ReadonlyArray<BackendOptions>) =>
  Layer.effect(
    Backends,
    Effect.gen(function* () {
      const byKey = new Map<string, Backend>()
      for (const options of backends) {
        const targets = yield* Effect.forEach(options.endpoints, (endpoint) => acquireTarget(endpoint, options))
        byKey.set(`${options.service}|${options.rpcType}`, { options, targets, next: 0 })
      }

      const ask = (target: Target, request: BackendRequest, path: string, options: BackendOptions) =>
        exchange(
          target.pool,
          {
            method: request.payload.method === "" ? "GET" : request.payload.method,
            path,
            headers: requestHeaders(request, target.endpoint),
            body: request.payload.body
          },
          options.maxAnswerBytes
        )

      const forward = Effect.fnUntraced(function* (request: BackendRequest, backend: Backend) {
        const { options } = backend
        let last: ExchangeFailed | undefined
        const asked = new Set<Target>()
        for (let tries = 0; tries <= options.maxRetries; tries++) {
          const now = yield* Clock.currentTimeMillis
          const target = choose(backend, now, asked)
          if (target === undefined) break
          asked.add(target)
          const path = requestTarget(target.endpoint.url, target.endpoint.basePath, toUtf8(request.payload.url))
          if (Result.isFailure(path)) return yield* failed(request, "unreachable", { cause: path.failure })
          const answer = yield* Effect.result(ask(target, request, path.success, options))
          if (Result.isSuccess(answer)) {
            target.failures = 0
            return answer.success
          }
          last = answer.failure
          if (last.reason === "too_large") return yield* failed(request, "too_large", { limit: options.maxAnswerBytes })
          noteFailure(target, now, options)
          if (last.reason !== "not_sent") break
        }
        return yield* last === undefined
          ? failed(request, "unhealthy", {})
          : failed(request, "unreachable", { cause: last.cause })
      })

      return Backends.of({
        forward: (request) => {
          const backend = byKey.get(`${request.service}|${request.rpcType}`)
          return backend === undefined
            ? failed(request, "unhealthy", {})
            : forward(request, backend).pipe(
                Effect.timeoutOrElse({
                  duration: backend.options.timeout,
                  orElse: () => failed(request, "timeout", {})
                })
              )
        },
        isHealthy: (service, rpcType) =>
          Effect.map(Clock.currentTimeMillis, (now) => {
            const targets = byKey.get(`${service}|${rpcType}`)?.targets ?? []
            return targets.some(({ restsUntil }) => restsUntil <= now)
          })
      })
    })
  )

const acquireTarget = (endpoint: BackendEndpoint, options: BackendOptions) =>
  Effect.acquireRelease(
    Effect.sync((): Target => {
      const pool = new Pool(endpoint.url.origin, {
        connections: options.maxConnections,
        connectTimeout: Duration.toMillis(options.connectTimeout),
        keepAliveTimeout: Duration.toMillis(options.idleTimeout),
        // The relay's own time bound cancels; these would only cut long answers short.
        headersTimeout: 0,
        bodyTimeout: 0,
        allowH2: false
      })
      return { endpoint, pool, failures: 0, restsUntil: 0 }
    }),
    ({ pool }) => Effect.promise(() => pool.destroy())
  )

/** An endpoint that may be asked now; one whose rest is over gets a single try before it rests again. */
const choose = (backend: Backend, now: number, asked: ReadonlySet<Target>): Target | undefined => {
  const { targets, options } = backend
  const start = options.loadBalancing === "round_robin" ? backend.next++ : 0
  for (let i = 0; i < targets.length; i++) {
    const target = targets[(start + i) % targets.length]
    if (target !== undefined && target.restsUntil <= now && !asked.has(target)) return target
  }
  return undefined
}

const noteFailure = (target: Target, now: number, { failureThreshold, recovery }: BackendOptions): void => {
  target.failures++
  if (target.failures >= failureThreshold) target.restsUntil = now + Duration.toMillis(recovery)
}

const failed = (
  request: BackendRequest,
  reason: BackendFailed["reason"],
  facts: { readonly limit?: number; readonly cause?: unknown }
): Effect.Effect<never, BackendFailed> =>
  Effect.fail(new BackendFailed({ reason, service: request.service, rpcType: request.rpcType, ...facts }))
