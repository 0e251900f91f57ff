/** Events of a node over WebSocket: subscriptions with CometBFT's limits and its habit of dropping silent peers. */
import type { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import { Clock, Effect, Result, type Scope } from "effect"
import { WebSocket, WebSocketServer } from "ws"
import type { CommittedBlock } from "../CommittedBlock.ts"
import { blockJson, eventJson, headerJson, type Json, ownBlockId, txResultJson } from "./GoJson.ts"
import { claimedHeight, type NodeView } from "./NodeView.ts"
import { failureAnswer, internalError, parseError, readRequest, type RpcId, success } from "./RpcCall.ts"
import { answerCall, encodeAnswer, MAX_BODY_BYTES } from "./RpcServer.ts"
import { type Condition, meets, parseQuery } from "./TxQuery.ts"
import { slowness } from "./WireFaults.ts"

/** Subscriptions of one client; limits are CometBFT's defaults. */
export const MAX_SUBSCRIPTIONS_PER_CLIENT = 5
/** Clients with a subscription. */
export const MAX_CLIENTS = 100
const MAX_QUERY_BYTES = 512
const PING_INTERVAL = "27 seconds"
const SILENCE_MILLIS = 30_000
/** Bytes that may wait for a slow reader before it is cut. */
const MAX_BUFFERED_BYTES = 16_777_216

interface Subscription {
  readonly id: RpcId
  readonly query: string
  readonly conditions: ReadonlyArray<Condition>
}

interface Client {
  readonly socket: WebSocket
  readonly subscriptions: Map<string, Subscription>
  heardMillis: number
}

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
    const clients = new Set<Client>()
    const server = new WebSocketServer({ noServer: true, maxPayload: MAX_BODY_BYTES })
    const send = (client: Client, answer: Json) => {
      if (client.socket.bufferedAmount > MAX_BUFFERED_BYTES) client.socket.terminate()
      else client.socket.send(Buffer.from(encodeAnswer(view, answer)), { binary: view.wireFaults().garbage })
    }
    const receive = (client: Client, bytes: Buffer) => {
      const parsed = Result.try((): unknown => JSON.parse(bytes.toString()))
      const answer = Result.isFailure(parsed)
        ? failureAnswer(-1, parseError("error unmarshaling request"))
        : answerFrame(view, clients, client, parsed.success)
      if (answer === "lost") client.socket.terminate()
      else if (answer !== undefined) send(client, answer)
    }
    server.on("connection", (socket: WebSocket) => {
      const client: Client = { socket, subscriptions: new Map(), heardMillis: now() }
      clients.add(client)
      socket.on("message", (data: Buffer) => {
        client.heardMillis = now()
        run(
          Effect.andThen(
            slowness(view.wireFaults()),
            Effect.sync(() => receive(client, data))
          )
        )
      })
      socket.on("pong", () => (client.heardMillis = now()))
      socket.on("error", () => socket.terminate())
      socket.on("close", () => clients.delete(client))
    })
    yield* Effect.forkScoped(
      Effect.forever(
        Effect.andThen(
          Effect.sleep("1 second"),
          Effect.sync(() => {
            for (const { heardMillis, socket } of clients) if (now() - heardMillis > SILENCE_MILLIS) socket.terminate()
          })
        )
      )
    )
    yield* Effect.forkScoped(
      Effect.forever(
        Effect.andThen(
          Effect.sleep(PING_INTERVAL),
          Effect.sync(() => {
            for (const { socket } of clients) if (socket.readyState === WebSocket.OPEN) socket.ping()
          })
        )
      )
    )
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        for (const { socket } of clients) socket.terminate()
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
          for (const { conditions, id, query } of client.subscriptions.values()) {
            for (const data of eventsOf(view, block, conditions)) {
              send(client, success(id, { query, ...data }))
            }
          }
        }
      },
      clients: () => clients.size
    }
  })

const answerFrame = (
  view: NodeView,
  clients: ReadonlySet<Client>,
  client: Client,
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
      if (Buffer.byteLength(query) > MAX_QUERY_BYTES) return fail("maximum query length exceeded")
      if (subscriptions.size === 0 && subscribed(clients) >= MAX_CLIENTS) {
        return fail(`max_subscription_clients ${MAX_CLIENTS} reached`)
      }
      if (subscriptions.size >= MAX_SUBSCRIPTIONS_PER_CLIENT) {
        return fail(`max_subscriptions_per_client ${MAX_SUBSCRIPTIONS_PER_CLIENT} reached`)
      }
      const conditions = parseQuery(query)
      if (conditions === undefined) return fail(`failed to parse query: ${query}`)
      if (subscriptions.has(query)) return fail("already subscribed")
      subscriptions.set(query, { id, query, conditions })
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

const subscribed = (clients: ReadonlySet<Client>): number =>
  [...clients].filter(({ subscriptions }) => subscriptions.size > 0).length

const queryOf = (params: unknown): string => {
  if (typeof params !== "object" || params === null) return ""
  const query: unknown = Array.isArray(params) ? params[0] : Reflect.get(params, "query")
  return typeof query === "string" ? query : ""
}

/** The `data` and `events` members that the conditions ask for. */
const eventsOf = (
  view: NodeView,
  block: CommittedBlock,
  conditions: ReadonlyArray<Condition>
): ReadonlyArray<{ readonly [key: string]: Json }> => {
  const kind = conditions.find(({ key }) => key === "tm.event")?.value
  if (kind === "NewBlockHeader") return [headerEvent(view, block)]
  if (kind === "NewBlock") return [blockEvent(view, block)]
  if (kind !== "Tx") return []
  return block.txs.flatMap((tx, index) => {
    const found = { height: block.height, index, tx }
    if (!conditions.every((condition) => meets(found, condition))) return []
    const events = {
      "tm.event": ["Tx"],
      "tx.hash": [tx.hash],
      "tx.height": [block.height.toString()],
      ...attributes(tx.result.events)
    }
    const value = {
      TxResult: {
        height: block.height.toString(),
        ...(index === 0 ? {} : { index }),
        tx: Buffer.from(tx.bytes).toString("base64"),
        result: txResultJson(tx)
      }
    }
    return [{ data: { type: "tendermint/event/Tx", value }, events }]
  })
}

const headerEvent = (view: NodeView, { header }: CommittedBlock): { readonly [key: string]: Json } => {
  const shown = { ...header, height: claimedHeight(view, header.height) }
  return {
    data: { type: "tendermint/event/NewBlockHeader", value: { header: headerJson(view, shown) } },
    events: { "tm.event": ["NewBlockHeader"] }
  }
}

const blockEvent = (view: NodeView, block: CommittedBlock): { readonly [key: string]: Json } => ({
  data: {
    type: "tendermint/event/NewBlock",
    value: {
      block: blockJson(view, block),
      block_id: ownBlockId(view, block),
      result_finalize_block: {
        events: block.endBlockEvents.map(eventJson),
        tx_results: block.txs.map(txResultJson),
        validator_updates: [],
        app_hash: Buffer.from(block.header.appHash).toString("base64")
      }
    }
  },
  events: { "tm.event": ["NewBlock"], ...attributes(block.endBlockEvents) }
})

/** Attributes by `type.key`, in order. */
const attributes = (events: CommittedBlock["endBlockEvents"]): Record<string, Array<string>> => {
  const values: Record<string, Array<string>> = {}
  for (const { attributes: each, type } of events) {
    for (const { key, value } of each) (values[`${type}.${key}`] ??= []).push(value)
  }
  return values
}
