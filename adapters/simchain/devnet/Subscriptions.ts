/** Events of a node over WebSocket: subscriptions with CometBFT's limits, in the order in which it checks them. */
import type { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import { Clock, Effect, Result, type Scope } from "effect"
import { type WebSocket, WebSocketServer } from "ws"
import type { CommittedBlock } from "../CommittedBlock.ts"
import type { Json } from "./GoJson.ts"
import type { NodeView } from "./NodeView.ts"
import { failureAnswer, internalError, parseError, readRequest, success } from "./RpcCall.ts"
import { answerCall, encodeAnswer, MAX_BODY_BYTES } from "./RpcServer.ts"
import { SocketClient } from "./SocketClient.ts"
import { eventsOf } from "./SubscriptionEvents.ts"
import { parseQuery } from "./TxQuery.ts"
import { slowness } from "./WireFaults.ts"

/** Subscriptions of one client; limits are CometBFT's defaults. */
export const MAX_SUBSCRIPTIONS_PER_CLIENT = 5
/** Clients with a subscription. */
export const MAX_CLIENTS = 100
const MAX_QUERY_BYTES = 512
/** Time between two looks at silent clients. */
const TICK = "1 second"

/** WebSockets of a node. */
export interface Subscriptions {
  /** Takes a connection that asked for `/websocket`. */
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
  /** Tells subscribers about a committed block. */
  readonly publish: (block: CommittedBlock) => void
  /** Clients that are connected. */
  readonly clients: () => number
}

/** WebSockets of a node until the scope ends. */
export const makeSubscriptions = (
  view: NodeView,
  run: (effect: Effect.Effect<void>) => void
): Effect.Effect<Subscriptions, never, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const now = () => clock.currentTimeMillisUnsafe()
    const clients = new Set<SocketClient>()
    const server = new WebSocketServer({ noServer: true, maxPayload: MAX_BODY_BYTES, perMessageDeflate: false })
    const encode = (answer: Json) => ({ bytes: encodeAnswer(view, answer), binary: view.wireFaults().garbage })
    const receive = (client: SocketClient, bytes: Buffer) => {
      const parsed = Result.try((): unknown => JSON.parse(bytes.toString()))
      const answer = Result.isFailure(parsed)
        ? failureAnswer(-1, parseError("error unmarshaling request"))
        : answerFrame(view, clients, client, parsed.success)
      if (answer === "lost") client.cut()
      else if (answer !== undefined) client.answer(answer)
    }
    server.on("connection", (socket: WebSocket) => {
      const client = new SocketClient(socket, encode, now)
      clients.add(client)
      socket.on("message", (data: Buffer) => {
        client.heard()
        run(
          Effect.andThen(
            slowness(view.wireFaults()),
            Effect.sync(() => receive(client, data))
          )
        )
      })
      socket.on("pong", () => client.heard())
      socket.on("error", () => socket.terminate())
      socket.on("close", () => clients.delete(client))
    })
    yield* Effect.forkScoped(
      Effect.forever(
        Effect.andThen(
          Effect.sleep(TICK),
          Effect.sync(() => {
            for (const client of clients) client.tick()
          })
        )
      )
    )
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        for (const client of clients) client.cut()
        server.close()
      })
    )
    return {
      upgrade: (request, socket, head) => {
        if (new URL(request.url ?? "/", "http://node").pathname !== "/websocket") socket.destroy()
        else server.handleUpgrade(request, socket, head, (accepted) => server.emit("connection", accepted, request))
      },
      publish: (block) => {
        for (const client of clients) {
          for (const subscription of client.subscriptions.values()) {
            const { conditions, id, query } = subscription
            for (const data of eventsOf(view, block, conditions)) {
              if (client.subscriptions.get(query) !== subscription) break
              client.publish(subscription, success(id, { query, ...data }))
            }
          }
        }
      },
      clients: () => clients.size
    }
  })

const answerFrame = (
  view: NodeView,
  clients: ReadonlySet<SocketClient>,
  client: SocketClient,
  value: unknown
): ReturnType<typeof answerCall> => {
  const request = readRequest(value)
  if (Result.isFailure(request)) return failureAnswer(-1, request.failure)
  const { id, method, params } = request.success
  if (id === undefined) return undefined
  const fail = (text: string) => failureAnswer(id, internalError(text))
  const { subscriptions } = client
  switch (method) {
    case "subscribe": {
      const query = queryOf(params)
      // While there are so many, nobody subscribes to more either.
      if (subscribed(clients) >= MAX_CLIENTS) return fail(`max_subscription_clients ${MAX_CLIENTS} reached`)
      if (subscriptions.size >= MAX_SUBSCRIPTIONS_PER_CLIENT) {
        return fail(`max_subscriptions_per_client ${MAX_SUBSCRIPTIONS_PER_CLIENT} reached`)
      }
      if (Buffer.byteLength(query) > MAX_QUERY_BYTES) return fail("maximum query length exceeded")
      const conditions = parseQuery(query)
      if (conditions === undefined) return fail(`failed to parse query: ${query}`)
      if (subscriptions.has(query)) return fail("already subscribed")
      subscriptions.set(query, { id, query, conditions, buffer: [] })
      return success(id, {})
    }
    case "unsubscribe":
      return subscriptions.delete(queryOf(params)) ? success(id, {}) : fail("subscription not found")
    case "unsubscribe_all":
      if (subscriptions.size === 0) return fail("subscription not found")
      subscriptions.clear()
      return success(id, {})
    default:
      return answerCall(view, value)
  }
}

const subscribed = (clients: ReadonlySet<SocketClient>): number =>
  [...clients].filter(({ subscriptions }) => subscriptions.size > 0).length

const queryOf = (params: unknown): string => {
  if (typeof params !== "object" || params === null) return ""
  const query: unknown = Array.isArray(params) ? params[0] : Reflect.get(params, "query")
  return typeof query === "string" ? query : ""
}
