/**
 * One WebSocket client of a node with CometBFT's queues: each subscription buffers events, one queue of the socket has
 * what is to be written, and one message is written at a time. A subscriber that does not read loses its subscription
 * when its buffer is full; one to which nothing can be written for long loses its connection.
 * Source: cometbft 0.38 `rpc/core/events.go`, `rpc/jsonrpc/server/ws_handler.go`, `libs/pubsub`.
 */
import type { WebSocket } from "ws"
import type { Json } from "./GoJson.ts"
import { failureAnswer, type RpcId, serverError } from "./RpcCall.ts"
import type { Condition } from "./TxQuery.ts"

/** Events that wait for one subscription, `rpc.experimental_subscription_buffer_size`. */
export const SUBSCRIPTION_BUFFER = 200
/** Messages that wait to be written, `rpc.experimental_websocket_write_buffer_size`. */
export const WRITE_BUFFER = 200
/** Longest time in which one message is written. */
const WRITE_MILLIS = 10_000
/** Time between two pings, and longest time without a text frame or a pong. Pings of the client do not count. */
const PING_MILLIS = 27_000
const SILENCE_MILLIS = 30_000

const OUT_OF_CAPACITY = "subscription was canceled (reason: internal subscription event buffer is out of capacity)"

/** A subscription with the events that wait for it. */
export interface Subscription {
  readonly id: RpcId
  readonly query: string
  readonly conditions: ReadonlyArray<Condition>
  readonly buffer: Array<Json>
}

/** Bytes of a message as they go out now. */
export type EncodeAnswer = (answer: Json) => { readonly bytes: Uint8Array; readonly binary: boolean }

/** Mutable state of one client. Times are milliseconds of one clock. */
export class SocketClient {
  readonly #socket: WebSocket
  readonly #encode: EncodeAnswer
  readonly #now: () => number
  /** By query. */
  readonly subscriptions = new Map<string, Subscription>()
  readonly #queue: Array<Json> = []
  /** Ids of subscriptions that ended and were not told so. */
  readonly #ended: Array<RpcId> = []
  #writingSince: number | undefined
  #heardAt: number
  #pingedAt: number
  #isPaused = false

  constructor(socket: WebSocket, encode: EncodeAnswer, now: () => number) {
    this.#socket = socket
    this.#encode = encode
    this.#now = now
    this.#heardAt = now()
    this.#pingedAt = now()
  }

  /** A text frame or a pong came. */
  heard(): void {
    this.#heardAt = this.#now()
  }

  /** Writes an answer to a call. While the queue is full no further calls are read. */
  answer(answer: Json): void {
    this.#queue.push(answer)
    this.#pump()
    if (this.#queue.length >= WRITE_BUFFER && !this.#isPaused) {
      this.#isPaused = true
      this.#socket.pause()
    }
  }

  /** Hands an event to a subscription, which ends when its buffer is full. */
  publish(subscription: Subscription, event: Json): void {
    if (subscription.buffer.length >= SUBSCRIPTION_BUFFER) {
      this.subscriptions.delete(subscription.query)
      this.#ended.push(subscription.id)
    } else {
      subscription.buffer.push(event)
    }
    this.#pump()
  }

  /** Pings, and cuts the connection of a client that is silent or takes nothing. To be called every second. */
  tick(): void {
    const now = this.#now()
    const isStuck = this.#writingSince !== undefined && now - this.#writingSince > WRITE_MILLIS
    if (isStuck || now - this.#heardAt > SILENCE_MILLIS) return this.cut()
    if (now - this.#pingedAt < PING_MILLIS) return
    this.#pingedAt = now
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.ping()
  }

  /** Ends the connection without a close frame. */
  cut(): void {
    this.#socket.terminate()
  }

  #pump(): void {
    this.#fill()
    if (this.#writingSince !== undefined) return
    const next = this.#queue.shift()
    if (next === undefined) return
    this.#fill()
    this.#writingSince = this.#now()
    const { binary, bytes } = this.#encode(next)
    this.#socket.send(bytes, { binary }, (error) => {
      this.#writingSince = undefined
      if (error !== undefined && error !== null) return
      if (this.#isPaused && this.#queue.length < WRITE_BUFFER) {
        this.#isPaused = false
        this.#socket.resume()
      }
      this.#pump()
    })
  }

  /** Moves what waits into the queue as far as there is room. */
  #fill(): void {
    for (const { buffer } of this.subscriptions.values()) {
      while (buffer.length > 0 && this.#queue.length < WRITE_BUFFER) this.#queue.push(...buffer.splice(0, 1))
    }
    while (this.#ended.length > 0 && this.#queue.length < WRITE_BUFFER) {
      for (const id of this.#ended.splice(0, 1)) this.#queue.push(failureAnswer(id, serverError(OUT_OF_CAPACITY)))
    }
  }
}
