/** Writes answers to HTTP responses: whole, with a length, compressed where the operator wants it and the client takes it. */
import type { IncomingMessage, ServerResponse } from "node:http"
import { promisify } from "node:util"
import { gzip } from "node:zlib"
import { Effect } from "effect"
import type { RelayAnswer } from "../../domain/relay/ServeRelay.ts"
import type { SendTurns } from "./SendTurns.ts"

/** When answers are compressed. */
export interface CompressionOptions {
  /** Smaller bodies are sent as they are. */
  readonly minSizeBytes: number
}

/** How answers are written. */
export interface ReplyOptions {
  /** Answers are not compressed if left out. */
  readonly compression?: CompressionOptions | undefined
  readonly sends: SendTurns
}

/** Writes `answer` in the turn in which it is called; `closes`: this connection takes no further request. */
export const reply = (
  request: IncomingMessage,
  response: ServerResponse,
  answer: RelayAnswer,
  closes: boolean,
  { compression, sends }: ReplyOptions
): Effect.Effect<void> => {
  const send = (body: Uint8Array, headers: ReadonlyArray<string>): void =>
    sends(() => write(response, answer, body, closes, headers))
  if (compression === undefined) return Effect.sync(() => send(answer.body, PLAIN))
  if (answer.body.length < compression.minSizeBytes || !acceptsGzip(request.headers["accept-encoding"])) {
    return Effect.sync(() => send(answer.body, VARIES))
  }
  return Effect.map(
    Effect.promise(() => gzipAsync(answer.body)),
    (body) => send(body, GZIPPED)
  )
}

/** Whether an `Accept-Encoding` names gzip, or everything, without refusing it (RFC 9110 §12.5.3). */
export const acceptsGzip = (header: string | ReadonlyArray<string> | undefined): boolean => {
  if (header === undefined) return false
  let any = false
  for (const item of (typeof header === "string" ? header : header.join(",")).split(",")) {
    const [coding = "", ...parameters] = item.split(";").map((part) => part.trim().toLowerCase())
    const isRefused = parameters.some((parameter) => /^q\s*=\s*0(\.0*)?$/.test(parameter))
    if (coding === "gzip" || coding === "x-gzip") return !isRefused
    if (coding === "*") any = !isRefused
  }
  return any
}

const gzipAsync = promisify(gzip)

/** Names and values, alternating. */
const PLAIN: ReadonlyArray<string> = []
const VARIES = ["vary", "accept-encoding"]
const GZIPPED = ["vary", "accept-encoding", "content-encoding", "gzip"]

const write = (
  response: ServerResponse,
  answer: RelayAnswer,
  body: Uint8Array,
  closes: boolean,
  headers: ReadonlyArray<string>
): void => {
  if (response.destroyed) return
  if (closes) response.setHeader("connection", "close")
  response
    .writeHead(answer.status, ["content-type", answer.contentType, "content-length", `${body.length}`, ...headers])
    .end(body)
}
