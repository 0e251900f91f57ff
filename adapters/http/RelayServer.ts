/**
 * The port that gateways call: HTTP/1.1, any method with a body, any path, keep-alive. One relay for each request; what
 * is answered is decided by `ServeRelay`. Also answers health probes, and drains in the order of the product's drain.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { Server as NetServer, type Socket } from "node:net"
import { Context, Duration, Effect, Exit, Fiber, Layer, Option } from "effect"
import { type Member, Roster } from "../../domain/lifecycle/Roster.ts"
import { Blocks } from "../../domain/ports/Blocks.ts"
import { fillGauge } from "../../domain/observability/FillGauge.ts"
import { relayMetrics, UNREAD } from "../../domain/relay/RelayMetrics.ts"
import type { RefusalCause } from "../../domain/relay/RelayRefusal.ts"
import { plainRefusal, type ReadyReason, type RelayAnswer, ServeRelay } from "../../domain/relay/ServeRelay.ts"
import { StepTracer } from "../../domain/tracing/StepTracer.ts"
import { parseTraceparent } from "../../domain/tracing/Traceparent.ts"
import { CannotListen } from "../../domain/lifecycle/CannotListen.ts"
import { type CompressionOptions, reply } from "./RelayReply.ts"
import { type BodyProblem, type BodyRoom, isDeclaredLarger, readBody } from "./RequestBody.ts"
import { makeSendTurns } from "./SendTurns.ts"

/** A gateway keeps idle connections for 90 s; Node's default of 5 s would cut them under its hands. */
const KEEP_ALIVE = Duration.seconds(120)
/** Longest time for one whole request, so that a slow sender cannot hold a connection for ever. */
const REQUEST_TIMEOUT = Duration.seconds(60)
const HEADERS_TIMEOUT = Duration.seconds(15)
const TIMEOUT_CHECK = Duration.seconds(5)
/** Connections at the same time; 500 gateways with 20 each. */
const MAX_CONNECTIONS = 10_000
/** Bytes of all request bodies together; a request beyond it is refused, or memory would be what gives out. */
const MAX_BUFFERED_BYTES = 536_870_912
/** How long a drain waits for requests that are on the way when it begins. */
const LINGER = Duration.millis(500)
const DRAIN_STEP = Duration.millis(10)

/** Where to listen. Port 0 takes a free one. */
export interface RelayServerOptions {
  readonly host: string
  readonly port: number
  /** Largest request body in bytes, inclusive. */
  readonly maxBodyBytes: number
  /** Bytes of all request bodies at work together, inclusive; 512 MiB if left out. */
  readonly maxBufferedBytes?: number
  /** Answers are not compressed if left out. */
  readonly compression?: CompressionOptions
}

/** A reason of `ServeRelay`, or that the process drains. */
export type ServerReason = ReadyReason | typeof DRAINING

/** The relayer's HTTP server; it listens as soon as its layer is built, which fails with `CannotListen`. */
export class RelayServer extends Context.Service<
  RelayServer,
  {
    /** Port that is really listened on. */
    readonly port: number
    /** What keeps the relayer from serving, or soon may. No I/O. */
    readonly reasons: Effect.Effect<ReadonlyArray<ServerReason>>
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
        const metrics = yield* relayMetrics
        const run = Effect.runForkWith(yield* Effect.context<never>())
        const inFlight = new Roster<Running>()
        const interruptAll = Effect.suspend(() =>
          Fiber.interruptAll(Array.from(inFlight, ({ fiber }) => fiber).filter((fiber) => fiber !== undefined))
        )
        const sockets = new Set<Socket>()
        const room: BodyRoom = { used: 0, limit: options.maxBufferedBytes ?? MAX_BUFFERED_BYTES }
        const replies = { compression: options.compression, sends: makeSendTurns() }
        let ready = true
        yield* fillGauge("ha_relayer_active_connections", "Open connections of gateways", () => sockets.size)
        yield* fillGauge("ha_relayer_request_bodies_bytes", "Bytes of request bodies held now", () => room.used)

        const answerTo = (request: IncomingMessage, body: Uint8Array | BodyProblem): Effect.Effect<RelayAnswer> => {
          if (typeof body === "string") {
            metrics.rejected(UNREAD, UNREAD_BODY[body])
            return Effect.succeed(plainRefusal(UNREAD_BODY[body], options.maxBodyBytes))
          }
          return relays.serve({
            body,
            rpcType: textOf(request.headers["rpc-type"]),
            headers: outerHeaders(request),
            peer: request.socket.remoteAddress ?? ""
          })
        }

        const relay = (request: IncomingMessage, response: ServerResponse, body: Uint8Array | BodyProblem) =>
          Effect.flatMap(answerTo(request, body), (answer) => {
            const replied = reply(request, response, answer, !server.listening, replies)
            return tracer.enabled
              ? Effect.andThen(
                  tracer.note(() => ({ attributes: { "http.response.status_code": answer.status } })),
                  replied
                )
              : replied
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

        const answerProbe = (url: string, response: ServerResponse) =>
          Effect.map(probe(url, ready), ({ status, body }) => {
            const text = JSON.stringify(body)
            response
              .writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) })
              .end(text)
          })

        const reasonsNow = (isReady: boolean): Effect.Effect<ReadonlyArray<ServerReason>> =>
          isReady ? relays.readyReasons : Effect.succeed([DRAINING])

        const probe = Effect.fnUntraced(function* (url: string, isReady: boolean) {
          const block = yield* Effect.option(blocks.latest)
          const block_height = Option.match(block, { onNone: () => 0, onSome: ({ height }) => Number(height) })
          if (url.startsWith(READY_SERVICE)) {
            const service_id = url.slice(READY_SERVICE.length)
            const healthy = yield* relays.isServiceReady(service_id)
            return Option.match(healthy, {
              onNone: () => ({
                status: 404,
                body: { service_id, ready: false, block_height, error: "unknown service" }
              }),
              onSome: (isHealthy) => ({
                status: isHealthy && isReady ? 200 : 503,
                body: { service_id, ready: isHealthy && isReady, block_height }
              })
            })
          }
          if (url !== READY) return { status: 200, body: { status: "healthy", block_height } }
          const reasons = yield* reasonsNow(isReady)
          const blocking = reasons.filter(({ isBlocking }) => isBlocking)
          const status = blocking.length === 0 ? "healthy" : blocking.map(({ text }) => text).join(", ")
          const told = reasons.map(({ name, text }) => ({ name, text }))
          return {
            status: blocking.length === 0 ? 200 : 503,
            body: { status, block_height, ...(told.length === 0 ? {} : { reasons: told }) }
          }
        })

        const handle = (request: IncomingMessage, response: ServerResponse) => {
          if (request.method === "HEAD") {
            // An answer to HEAD has no body, so nobody could be paid for it: no backend is asked.
            if (!server.listening) response.setHeader("connection", "close")
            response.writeHead(405, { allow: "GET, POST, PUT, PATCH, DELETE" }).end()
            return
          }
          const url = request.url ?? "/"
          const running: Running = { place: -1, fiber: undefined }
          inFlight.add(running)
          // Before its body is read a request needs no fiber: nothing else happens for it.
          response.once("close", () => {
            if (running.fiber === undefined) inFlight.delete(running)
            else running.fiber.interruptUnsafe()
          })
          const start = (answered: Effect.Effect<void>) => {
            running.fiber = run(answered)
            running.fiber.addObserver((exit) => {
              inFlight.delete(running)
              // A fiber that was interrupted or died answers nothing: the connection must not look alive.
              if (Exit.isFailure(exit)) response.destroy()
            })
          }
          if (isProbe(request, url)) return start(answerProbe(url, response))
          readBody(request, response, options.maxBodyBytes, room, (body) =>
            start(traced(request, relay(request, response, body)))
          )
        }

        const server = createServer({
          keepAliveTimeout: Duration.toMillis(KEEP_ALIVE),
          requestTimeout: Duration.toMillis(REQUEST_TIMEOUT),
          headersTimeout: Duration.toMillis(HEADERS_TIMEOUT),
          connectionsCheckingInterval: Duration.toMillis(TIMEOUT_CHECK),
          noDelay: true
        })
        server.maxConnections = MAX_CONNECTIONS
        server.on("request", handle)
        // A peer that asks before it sends is told at once that its body is too large.
        server.on("checkContinue", (request: IncomingMessage, response: ServerResponse) => {
          if (!isDeclaredLarger(request, options.maxBodyBytes)) response.writeContinue()
          handle(request, response)
        })
        server.on("connection", (socket: Socket) => {
          sockets.add(socket)
          socket.once("close", () => sockets.delete(socket))
        })
        yield* listen(server, options)
        yield* Effect.addFinalizer(() => Effect.andThen(close(server), interruptAll))

        /** Ends once every connection is closed: those that a request is on the way on get their answer first. */
        const emptied = Effect.gen(function* () {
          // A keep-alive connection may carry a request that is not here yet; it is answered and then closed.
          if (sockets.size > inFlight.size) yield* Effect.sleep(LINGER)
          while (sockets.size > 0) {
            server.closeIdleConnections()
            yield* Effect.sleep(DRAIN_STEP)
          }
        })

        const address = server.address()
        return RelayServer.of({
          port: typeof address === "object" && address !== null ? address.port : options.port,
          reasons: Effect.suspend(() => reasonsNow(ready)),
          unready: Effect.sync(() => void (ready = false)),
          drain: Effect.fnUntraced(function* (deadline) {
            ready = false
            stopListening(server)
            yield* Effect.timeoutOption(emptied, deadline)
            const cut = inFlight.size
            yield* interruptAll
            server.closeAllConnections()
            return cut
          })
        })
      })
    )
}

/** A request that is being read or answered. */
interface Running extends Member {
  /** None while its body is read. */
  fiber: Fiber.Fiber<void> | undefined
}

const DRAINING = { name: "draining", text: "draining", isBlocking: true } as const
const READY = "/ready"
const READY_SERVICE = "/ready/"

/** Health is asked without a body; with one it is a relay, whatever its path. */
const isProbe = (request: IncomingMessage, url: string): boolean =>
  (url === "/health" || url === "/healthz" || url === READY || url.startsWith(READY_SERVICE)) &&
  request.headers["content-length"] === undefined &&
  request.headers["transfer-encoding"] === undefined

const UNREAD_BODY = { too_large: "body_too_large", no_room: "at_limit" } as const satisfies Record<
  BodyProblem,
  RefusalCause
>

/** Path without its query, which may hold secrets, and no longer than a reader wants. */
const pathOf = (url: string): string => url.slice(0, MAX_PATH).replace(/[?#].*$/, "")
const MAX_PATH = 256

/**
 * Outer headers that a backend may see, see `BackendRequest`. None of the `Pocket-` headers is: callers invent them and
 * backends trust them.
 */
const outerHeaders = ({ headers }: IncomingMessage): Readonly<Record<string, string>> => {
  const kept: Record<string, string> = {}
  const { accept } = headers
  if (headers["content-type"] !== undefined) kept["content-type"] = headers["content-type"]
  if (accept !== undefined) kept["accept"] = accept
  if (headers["user-agent"] !== undefined) kept["user-agent"] = headers["user-agent"]
  return kept
}

const textOf = (header: string | ReadonlyArray<string> | undefined): string | undefined =>
  typeof header === "string" ? header : header?.[0]

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

/** Closes the listening socket only; `Server.close` of `node:http` would also cut connections that are idle just now. */
const stopListening = (server: Server): void => {
  if (server.listening) NetServer.prototype.close.call(server)
}

const close = (server: Server): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    server.closeAllConnections()
    server.close(() => resume(Effect.void))
  })
