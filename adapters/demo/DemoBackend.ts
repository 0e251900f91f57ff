/** A small Ethereum-like JSON-RPC node for the demo: real HTTP, answers that change, ids echoed. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { Effect, Option, Schema } from "effect"

const Call = Schema.fromJsonString(
  Schema.Struct({ id: Schema.Union([Schema.String, Schema.Finite, Schema.Null]), method: Schema.String })
)
const decodeCall = Schema.decodeUnknownOption(Call)

/** Largest body it reads. */
const MAX_BODY_BYTES = 1_048_576

/** Starts it on a free loopback port; ends with the scope. Returns its base URL. */
export const startDemoBackend = Effect.gen(function* () {
  let calls = 0
  const answer = (text: string): string => {
    const call = decodeCall(text)
    calls++
    if (Option.isNone(call)) {
      return JSON.stringify({ jsonrpc: "2.0", id: null, error: { code: -32700, message: "parse error" } })
    }
    const result = results(call.value.method, calls)
    return JSON.stringify(
      result === undefined
        ? {
            jsonrpc: "2.0",
            id: call.value.id,
            error: { code: -32601, message: `method ${call.value.method} not found` }
          }
        : { jsonrpc: "2.0", id: call.value.id, result }
    )
  }
  const handle = (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Array<Buffer> = []
    let length = 0
    request.on("data", (chunk: Buffer) => {
      length += chunk.length
      if (length > MAX_BODY_BYTES) request.destroy()
      else chunks.push(chunk)
    })
    request.on("end", () => {
      response
        .writeHead(200, { "content-type": "application/json" })
        .end(answer(Buffer.concat(chunks).toString("utf8")))
    })
  }
  const server = yield* Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const started = createServer(handle)
      started.listen(0, "127.0.0.1", () => resume(Effect.succeed(started)))
    }),
    (started) =>
      Effect.callback<void>((resume) => {
        started.closeAllConnections()
        started.close(() => resume(Effect.void))
      })
  )
  const address = server.address()
  return `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}/`
})

const results = (method: string, calls: number): unknown => {
  switch (method) {
    case "eth_chainId":
      return "0x1"
    case "eth_blockNumber":
      return `0x${(20_000_000 + calls).toString(16)}`
    case "eth_gasPrice":
      return "0x3b9aca00"
    case "eth_getBalance":
      return "0xde0b6b3a7640000"
    default:
      return undefined
  }
}
