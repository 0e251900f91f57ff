/**
 * One WebSocket to one node with the subscription `tm.event='NewBlockHeader'`: heights as they are committed, until the
 * socket ends. The node sends nothing again after a reconnect, and its events are words only: who listens reads the block.
 */
import { Deferred, Duration, Effect, Redacted, Schema, type Scope } from "effect"
import { type RawData, WebSocket } from "ws"
import { HeaderMessage } from "./CometAnswers.ts"
import { EndpointFailed, type FailureKind } from "./EndpointFailed.ts"
import type { RpcAddress } from "./RpcAddress.ts"

/** A header that the node announced. */
export interface AnnouncedHeader {
  readonly chainId: string
  readonly height: bigint
}

/** Longest frame that is read; a header event has about 4 kB. */
const MAX_FRAME_BYTES = 1 << 20

/** Name of the call and of its failures. */
const OPERATION = "subscribe"

const SUBSCRIBE = JSON.stringify({
  jsonrpc: "2.0",
  id: 1,
  method: "subscribe",
  params: { query: "tm.event='NewBlockHeader'" }
})

const decodeMessage = Schema.decodeUnknownResult(Schema.fromJsonString(HeaderMessage))

/**
 * Subscribes; returns once the node has confirmed it, at the latest after `patience`. `onHeader` is called for each header,
 * `onEnd` once when the socket ends, with the reason. Closed with the scope, without `onEnd`.
 */
export const subscribeHeaders = (options: {
  readonly address: RpcAddress
  readonly patience: Duration.Duration
  readonly onHeader: (header: AnnouncedHeader) => void
  readonly onEnd: (failure: EndpointFailed) => void
}): Effect.Effect<void, EndpointFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const { address, onEnd, onHeader, patience } = options
    const failed = (kind: FailureKind, detail: string) =>
      new EndpointFailed({ endpoint: address.name, operation: OPERATION, kind, detail })
    const confirmed = yield* Deferred.make<void, EndpointFailed>()
    let isConfirmed = false
    let isOver = false
    const end = (failure: EndpointFailed) => {
      if (isOver) return
      isOver = true
      if (isConfirmed) onEnd(failure)
      else Deferred.doneUnsafe(confirmed, Effect.fail(failure))
      socket.terminate()
    }
    const read = (text: string) => {
      const decoded = decodeMessage(text)
      if (decoded._tag === "Failure") return end(failed("undecodable", decoded.failure.message.slice(0, 500)))
      const { error, id, result } = decoded.success
      if (error !== undefined) return end(failed("internal", `${error.message} ${error.data ?? ""}`.slice(0, 500)))
      if (id !== 1) return end(failed("undecodable", "a message of another subscription"))
      if (!isConfirmed) {
        isConfirmed = true
        Deferred.doneUnsafe(confirmed, Effect.void)
      }
      const header = result?.data?.value.header
      if (header !== undefined) onHeader({ chainId: header.chain_id, height: header.height })
    }
    const socket = yield* Effect.acquireRelease(
      Effect.sync(
        () =>
          new WebSocket(Redacted.value(address.webSocketUrl), {
            headers: address.headers,
            maxPayload: MAX_FRAME_BYTES,
            perMessageDeflate: false,
            followRedirects: false
          })
      ),
      (open) =>
        Effect.sync(() => {
          isOver = true
          open.terminate()
        })
    )
    socket.on("open", () => socket.send(SUBSCRIBE))
    socket.on("message", (data, isBinary) =>
      isBinary ? end(failed("undecodable", "a binary frame")) : read(textOf(data))
    )
    socket.on("error", (cause) => end(failed("transport", cause.message)))
    socket.on("close", (code) => end(failed("transport", `the socket was closed (${code})`)))
    yield* Effect.timeoutOrElse(Deferred.await(confirmed), {
      duration: patience,
      orElse: () => Effect.fail(failed("deadline", `not confirmed within ${Duration.format(patience)}`))
    })
  })

/** Bytes that are not UTF-8 become U+FFFD; `ws` refuses such text frames before. */
const textOf = (data: RawData): string => new TextDecoder().decode(Array.isArray(data) ? Buffer.concat(data) : data)
