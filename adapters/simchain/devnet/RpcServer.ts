/** The HTTP side of a node's RPC: POST with JSON-RPC and GET with arguments in the query. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { Effect, Result } from "effect"
import type { Json, JsonObject } from "./GoJson.ts"
import { isMute, type NodeView } from "./NodeView.ts"
import {
  type Args,
  failureAnswer,
  invalidRequest,
  methodNotFound,
  parseError,
  readParams,
  readQuery,
  readRequest,
  type RpcId,
  success
} from "./RpcCall.ts"
import type { RpcMethod, RpcOutcome } from "./RpcMethod.ts"
import { rpcMethods } from "./RpcMethods.ts"
import { GARBAGE, padding, slowness } from "./WireFaults.ts"

/** Longest body and WebSocket frame. */
export const MAX_BODY_BYTES = 1_000_000
const MAX_BATCH = 10

/** An HTTP answer; `lost` cuts the connection instead. */
type HttpAnswer = { readonly status: number; readonly body: Json | undefined } | "lost"

/** A server that is given its connections by a listener. */
export const makeRpcServer = (view: NodeView, run: (effect: Effect.Effect<void>) => void): Server =>
  createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    run(
      Effect.gen(function* () {
        const body = yield* readBody(request)
        yield* slowness(view.wireFaults())
        write(view, response, answerHttp(view, request, body))
      })
    )
  })

const answerHttp = (view: NodeView, request: IncomingMessage, body: Uint8Array | undefined): HttpAnswer => {
  if (request.method === "POST") return answerPost(view, body)
  if (request.method === "GET") return answerGet(view, new URL(request.url ?? "/", "http://node"))
  return { status: 405, body: undefined }
}

const answerPost = (view: NodeView, body: Uint8Array | undefined): HttpAnswer => {
  if (body === undefined) {
    const error = invalidRequest("error reading request body: http: request body too large")
    return { status: 400, body: failureAnswer(-1, error) }
  }
  const parsed = Result.try((): unknown => JSON.parse(Buffer.from(body).toString()))
  if (Result.isFailure(parsed)) {
    return { status: 500, body: failureAnswer(-1, parseError("error unmarshaling request: invalid character")) }
  }
  const value = parsed.success
  if (!Array.isArray(value)) {
    const answer = answerCall(view, value)
    return answer === "lost" ? "lost" : { status: 200, body: answer }
  }
  if (value.length > MAX_BATCH) {
    const error = invalidRequest(`batch request exceeds maximum (${MAX_BATCH}) allowed number of requests`)
    return { status: 200, body: failureAnswer(-1, error) }
  }
  const answers = value.map((each: unknown) => answerCall(view, each))
  if (answers.includes("lost")) return "lost"
  const wanted = answers.filter((answer): answer is JsonObject => answer !== undefined)
  return { status: 200, body: wanted.length === 0 ? undefined : wanted }
}

/** Answer of one call; undefined when none is wanted. */
export const answerCall = (view: NodeView, value: unknown): JsonObject | "lost" | undefined => {
  const request = readRequest(value)
  if (Result.isFailure(request)) return failureAnswer(-1, request.failure)
  const { id, method, params } = request.success
  if (id === undefined) return undefined
  const found = rpcMethods.get(method)
  if (found === undefined) return failureAnswer(id, methodNotFound)
  const args = readParams(found.args, params)
  if (Result.isFailure(args)) return failureAnswer(id, args.failure)
  const outcome = runMethod(view, method, found, args.success)
  return outcome === undefined ? "lost" : answerOf(id, outcome)
}

/** `abci_query` decides by its path what kind of call it is. */
const runMethod = (view: NodeView, name: string, method: RpcMethod, args: Args): RpcOutcome =>
  name !== "abci_query" && isMute(view, name.startsWith("broadcast_tx") ? "tx" : "read")
    ? undefined
    : method.run(view, args)

const answerOf = (id: RpcId, outcome: NonNullable<RpcOutcome>) =>
  Result.isSuccess(outcome) ? success(id, outcome.success) : failureAnswer(id, outcome.failure)

const answerGet = (view: NodeView, url: URL): HttpAnswer => {
  const method = url.pathname.slice(1)
  const found = rpcMethods.get(method)
  if (found === undefined) return { status: 404, body: undefined }
  const args = readQuery(found.args, url.searchParams)
  if (Result.isFailure(args)) return { status: 500, body: failureAnswer(-1, args.failure) }
  const outcome = runMethod(view, method, found, args.success)
  if (outcome === undefined) return "lost"
  return { status: Result.isSuccess(outcome) ? 200 : 500, body: answerOf(-1, outcome) }
}

/** Bytes of an answer with the faults of the moment. */
export const encodeAnswer = (view: NodeView, answer: Json): Uint8Array => {
  const { garbage, oversizedBytes } = view.wireFaults()
  if (garbage) return GARBAGE
  const text = JSON.stringify(answer)
  return oversizedBytes > 0
    ? padding(Buffer.from(`${text.slice(0, -1)},"padding":"`), 0x78, oversizedBytes, Buffer.from('"}'))
    : Buffer.from(text)
}

const write = (view: NodeView, response: ServerResponse, answer: HttpAnswer): void => {
  if (answer === "lost") {
    response.destroy()
    return
  }
  if (answer.body === undefined) {
    response.writeHead(answer.status, { "content-length": 0 }).end()
    return
  }
  const bytes = encodeAnswer(view, answer.body)
  response.writeHead(answer.status, { "content-type": "application/json", "content-length": bytes.length }).end(bytes)
}

/** The body; undefined when it is longer than allowed. A connection that is cut gives nothing. */
const readBody = (request: IncomingMessage): Effect.Effect<Uint8Array | undefined> =>
  Effect.callback<Uint8Array | undefined>((resume) => {
    const chunks: Array<Buffer> = []
    let length = 0
    request.on("data", (chunk: Buffer) => {
      length += chunk.length
      if (length <= MAX_BODY_BYTES) chunks.push(chunk)
    })
    request.on("end", () => resume(Effect.succeed(length > MAX_BODY_BYTES ? undefined : Buffer.concat(chunks))))
    request.on("error", () => resume(Effect.interrupt))
  })
