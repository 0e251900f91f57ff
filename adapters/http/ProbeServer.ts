/**
 * The small server beside the relays: health and readiness for probes, metrics for Prometheus. Whoever asks gets an
 * answer from what the process knows already: no probe causes a round trip.
 */
import { createServer, type RequestListener, type Server } from "node:http"
import { Effect, type Scope } from "effect"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import { CannotListen } from "../../domain/lifecycle/CannotListen.ts"

/** Where to listen and what is ready. Port 0 takes a free one. */
export interface ProbeServerOptions {
  readonly host: string
  readonly port: number
  /** Everything that an operator should know about readiness now; the process is ready unless one is blocking. */
  readonly reasons: Effect.Effect<ReadonlyArray<ProbeReason>>
}

/** Something that keeps a process from its work, or soon may. */
export interface ProbeReason {
  readonly text: string
  readonly isBlocking: boolean
}

/** Longest time for one request; probes are small and near. */
const REQUEST_MILLIS = 5_000
/** Connections at the same time. */
const MAX_CONNECTIONS = 256

/** Listens until the scope ends and returns the port. Paths: `/health`, `/ready`, `/metrics`. */
export const startProbes = ({
  host,
  port,
  reasons
}: ProbeServerOptions): Effect.Effect<number, CannotListen, Scope.Scope> =>
  Effect.gen(function* () {
    const context = yield* Effect.context<never>()
    const answer = (path: string): Effect.Effect<readonly [status: number, type: string, body: string]> => {
      switch (path) {
        case "/health":
          return Effect.succeed([200, TEXT, "OK"])
        case "/ready":
          return Effect.map(reasons, (found) => {
            const isBlocked = found.some(({ isBlocking }) => isBlocking)
            const lines = [isBlocked ? "Not Ready" : "Ready", ...found.map(({ text }) => text)]
            return [isBlocked ? 503 : 200, TEXT, lines.join("\n")]
          })
        case "/metrics":
          return Effect.sync(() => [200, PROMETHEUS, PrometheusMetrics.formatUnsafe(context)])
        default:
          return Effect.succeed([404, TEXT, "there are /health, /ready and /metrics"])
      }
    }
    const run = Effect.runForkWith(context)
    const handle: RequestListener = (request, response) => {
      const path = (request.url ?? "/").replace(/\?.*$/, "")
      const fiber = run(
        Effect.map(answer(path), ([status, type, body]) => {
          response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body) }).end(body)
        })
      )
      response.once("close", () => fiber.interruptUnsafe())
    }
    const server = yield* Effect.acquireRelease(listen(host, port, handle), close)
    const address = server.address()
    return typeof address === "object" && address !== null ? address.port : port
  })

const TEXT = "text/plain; charset=utf-8"
/** The text format that Prometheus asks for (exposition format 0.0.4). */
const PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"

const listen = (host: string, port: number, handle: RequestListener): Effect.Effect<Server, CannotListen> =>
  Effect.callback<Server, CannotListen>((resume) => {
    const server = createServer({ requestTimeout: REQUEST_MILLIS, headersTimeout: REQUEST_MILLIS }, handle)
    server.maxConnections = MAX_CONNECTIONS
    server.once("error", (error: NodeJS.ErrnoException) =>
      resume(Effect.fail(new CannotListen({ host, port, code: error.code ?? error.message })))
    )
    server.listen(port, host, () => resume(Effect.succeed(server)))
  })

const close = (server: Server): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    server.closeAllConnections()
    server.close(() => resume(Effect.void))
  })
