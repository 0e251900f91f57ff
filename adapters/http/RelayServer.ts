/**
 * The port that gateways call: HTTP/1.1, any method with a body, any path, keep-alive. One relay for each request; what
 * is answered is decided by `ServeRelay`. Also answers health probes, and drains in the order of the product's drain.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { Context, Duration, Effect, Fiber, Layer, Option, Schema } from "effect"
import { Blocks } from "../../domain/ports/Blocks.ts"
import { plainRefusal, type RelayAnswer, ServeRelay } from "../../domain/relay/ServeRelay.ts"
import { StepTracer } from "../../domain/tracing/StepTracer.ts"
import { parseTraceparent } from "../../domain/tracing/Traceparent.ts"
import { readBody } from "./RequestBody.ts"

/** A gateway keeps idle connections for 90 s; Node's default of 5 s would cut them under its hands. */
const KEEP_ALIVE = Duration.seconds(120)
/** Longest time for one whole request, so that a slow sender cannot hold a connection for ever. */
const REQUEST_TIMEOUT = Duration.seconds(60)
const HEADERS_TIMEOUT = Duration.seconds(15)
/** Connections at the same time; 500 gateways with 20 each. */
const MAX_CONNECTIONS = 10_000

/** Where to listen. Port 0 takes a free one. */
export interface RelayServerOptions {
  readonly host: string
  readonly port: number
  /** Largest request body in bytes, inclusive. */
  readonly maxBodyBytes: number
}

/** The address cannot be listened on. */
export class CannotListen extends Schema.TaggedError<CannotListen>()("CannotListen", {
  host: Schema.String,
  port: Schema.Number,
  code: Schema.String
}) {
  override get message(): string {
    const why =
      this.code === "EADDRINUSE"
        ? "is in use by another process; choose another port or stop that process"
        : `cannot be listened on (${this.code})`
    return `${this.host}:${this.port} ${why}`
  }
}

export class RelayServer extends Context.Service<
  RelayServer,
  {
    /** Port that is really listened on. */
    readonly port: number
    /** Says "not ready" to probes, without refusing relays yet. */
    readonly unready: Effect.Effect<void>
    /** Stops accepting connections and waits for the relays in flight, at most this long; how many were cut. */
    readonly drain: (deadline: Duration.Duration) => Effect.Effect<number>
  }
>()("relaymill/adapters/http/RelayServer") {
  static readonly layer = (options: RelayServerOptions) =>
    Layer.effect(
      RelayServer,
      Effect.gen(function* () {
        const relays = yield* ServeRelay
        const blocks = yield* Blocks
        const tracer = yield* StepTracer
        const run = Effect.runForkWith(yield* Effect.context<never>())
        const inFlight = new Set<Fiber.Fiber<void>>()
        let ready = true

        const relay = (request: IncomingMessage, response: ServerResponse) =>
          Effect.gen(function* () {
            const body = yield* readBody(request, options.maxBodyBytes)
            if (Option.isNone(body))
              return respond(response, plainRefusal("body_too_large", options.maxBodyBytes), true)
            const rpcType = request.headers["rpc-type"]
            const answer = yield* relays.serve({
              body: body.value,
              rpcType: typeof rpcType === "string" ? rpcType : undefined,
              headers: outerHeaders(request),
              peer: request.socket.remoteAddress ?? ""
            })
            if (tracer.enabled) {
              yield* tracer.note(() => ({ attributes: { "http.response.status_code": answer.status } }))
            }
            return respond(response, answer, false)
          })

        const traced = (request: IncomingMessage, effect: Effect.Effect<void>) => {
          if (!tracer.enabled) return effect
          const parent = parseTraceparent(request.headers["traceparent"])
          return tracer.step(request.method ?? "GET", {
            kind: "server",
            attributes: { "http.request.method": request.method, "url.path": pathOf(request.url ?? "") },
            ...(Option.isSome(parent) ? { parent: parent.value } : { root: true })
          })(effect)
        }

        const health = (request: IncomingMessage, response: ServerResponse) =>
          Effect.map(Effect.option(blocks.latest), (block) => {
            const isProbe = request.url === "/ready"
            const body = JSON.stringify({
              status: ready || !isProbe ? "healthy" : "draining",
              block_height: Option.match(block, { onNone: () => 0, onSome: ({ height }) => Number(height) })
            })
            response.writeHead(ready || !isProbe ? 200 : 503, { "content-type": "application/json" }).end(body)
          })

        const handle = (request: IncomingMessage, response: ServerResponse) => {
          if (!server.listening) response.setHeader("connection", "close")
          if (request.method === "HEAD") {
            // An answer to HEAD has no body, so nobody could be paid for it: no backend is asked.
            response.writeHead(405, { allow: "GET, POST, PUT, PATCH, DELETE" }).end()
            return
          }
          const isProbe = request.url === "/health" || request.url === "/healthz" || request.url === "/ready"
          const hasBody =
            request.headers["content-length"] !== undefined || request.headers["transfer-encoding"] !== undefined
          const fiber = run(isProbe && !hasBody ? health(request, response) : traced(request, relay(request, response)))
          if (fiber.pollUnsafe() !== undefined) return
          inFlight.add(fiber)
          fiber.addObserver(() => {
            inFlight.delete(fiber)
            // A fiber that was interrupted has answered nothing: the connection must not look alive.
            if (!response.writableEnded) response.destroy()
          })
          response.once("close", () => fiber.interruptUnsafe())
        }

        const server = createServer({
          keepAliveTimeout: Duration.toMillis(KEEP_ALIVE),
          requestTimeout: Duration.toMillis(REQUEST_TIMEOUT),
          headersTimeout: Duration.toMillis(HEADERS_TIMEOUT),
          noDelay: true
        })
        server.maxConnections = MAX_CONNECTIONS
        server.on("request", handle)
        yield* listen(server, options)
        yield* Effect.addFinalizer(() => Effect.andThen(close(server), Fiber.interruptAll([...inFlight])))

        const address = server.address()
        return RelayServer.of({
          port: typeof address === "object" && address !== null ? address.port : options.port,
          unready: Effect.sync(() => void (ready = false)),
          drain: Effect.fnUntraced(function* (deadline) {
            ready = false
            server.close()
            server.closeIdleConnections()
            // A connection that turns idle after `close` would otherwise be kept until its keep-alive ends.
            server.on("request", (_, response) =>
              response.once("close", () => setImmediate(() => server.closeIdleConnections()))
            )
            yield* Effect.timeoutOption(
              Effect.forEach([...inFlight], (fiber) => Fiber.await(fiber), { discard: true, concurrency: "unbounded" }),
              deadline
            )
            const cut = inFlight.size
            yield* Fiber.interruptAll([...inFlight])
            server.closeAllConnections()
            return cut
          })
        })
      })
    )
}

/** Path without its query, which may hold secrets, and no longer than a reader wants. */
const pathOf = (url: string): string => url.slice(0, MAX_PATH).replace(/[?#].*$/, "")
const MAX_PATH = 256

/** Outer headers that a backend may see, see `BackendRequest`. */
const FORWARDED = ["content-type", "accept", "accept-encoding", "user-agent"] as const

const outerHeaders = (request: IncomingMessage): Readonly<Record<string, string>> => {
  const kept: Record<string, string> = {}
  for (const name of FORWARDED) {
    const value = request.headers[name]
    if (value !== undefined) kept[name] = value
  }
  for (const name in request.headers) {
    const value = request.headers[name]
    if (name.startsWith("pocket-") && typeof value === "string") kept[name] = value
  }
  return kept
}

const respond = (response: ServerResponse, answer: RelayAnswer, isBodyUnread: boolean): void => {
  // The rest of an unread body cannot be told from the next request: this connection ends.
  if (isBodyUnread) response.setHeader("connection", "close")
  response
    .writeHead(answer.status, { "content-type": answer.contentType, "content-length": answer.body.length })
    .end(answer.body)
}

const listen = (server: Server, { host, port }: RelayServerOptions): Effect.Effect<void, CannotListen> =>
  Effect.callback<void, CannotListen>((resume) => {
    const failed = (error: NodeJS.ErrnoException) =>
      resume(Effect.fail(new CannotListen({ host, port, code: error.code ?? error.message })))
    server.once("error", failed)
    server.listen(port, host, () => {
      server.off("error", failed)
      resume(Effect.void)
    })
  })

const close = (server: Server): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    server.closeAllConnections()
    server.close(() => resume(Effect.void))
  })
