/** A collector in this process: takes OTLP over HTTP with protobuf on a real socket and keeps the spans. */
import { createServer } from "node:http"
import { gunzipSync } from "node:zlib"
import { Effect } from "effect"
import { decodeTraces, type OtlpSpan } from "./OtlpDecoding.ts"

export interface OtlpReceiver {
  /** Base URL, for OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly endpoint: string
  /** Spans received so far, in order of arrival. */
  readonly spans: ReadonlyArray<OtlpSpan>
  /** Requests that began, answered or not. */
  readonly requests: () => number
  /** While silent, requests are read and never answered. */
  readonly setSilent: (silent: boolean) => void
  /** Completes once `found` returns something for the spans received, with that. */
  readonly until: <A>(found: (spans: ReadonlyArray<OtlpSpan>) => A | undefined) => Effect.Effect<A>
}

/** Listens on a free loopback port until the scope ends. */
export const startReceiver = Effect.gen(function* () {
  const spans: Array<OtlpSpan> = []
  const waiters = new Set<() => void>()
  let silent = false
  let requests = 0
  const server = yield* Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const started = createServer((request, response) => {
        requests++
        const chunks: Array<Buffer> = []
        request.on("data", (chunk: Buffer) => chunks.push(chunk))
        request.on("end", () => {
          if (silent) return
          if (request.url !== "/v1/traces" || request.headers["content-type"] !== "application/x-protobuf") {
            response.writeHead(415).end()
            return
          }
          const body = Buffer.concat(chunks)
          spans.push(...decodeTraces(request.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body))
          response.writeHead(200, { "content-type": "application/x-protobuf" }).end()
          for (const wake of waiters) wake()
        })
      })
      started.listen(0, "127.0.0.1", () => resume(Effect.succeed(started)))
    }),
    (started) =>
      Effect.callback<void>((resume) => {
        started.closeAllConnections()
        started.close(() => resume(Effect.void))
      })
  )
  const address = server.address()
  const receiver: OtlpReceiver = {
    endpoint: `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`,
    spans,
    requests: () => requests,
    setSilent: (value) => void (silent = value),
    until: (found) =>
      Effect.callback((resume) => {
        const look = () => {
          const result = found(spans)
          if (result === undefined) return
          waiters.delete(look)
          resume(Effect.succeed(result))
        }
        waiters.add(look)
        look()
        return Effect.sync(() => waiters.delete(look))
      })
  }
  return receiver
})
