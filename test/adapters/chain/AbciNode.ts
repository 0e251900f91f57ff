/** CometBFT RPC on a real socket that answers `abci_query` as a test tells it, and knows no other method. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { Effect, type Scope } from "effect"

/** What the node says of a query. Absent fields are as CometBFT writes them when there is nothing. */
export interface ToldAbci {
  readonly code?: number
  readonly codespace?: string
  readonly log?: string
  /** Bytes of the response message. */
  readonly value?: Uint8Array
  readonly height?: bigint
}

/** A query as the node saw it: `data` in hex, heights as text. */
export interface SeenAbci {
  readonly path: string
  readonly data: string
  readonly height: string
}

/** A node at work. `answer` may return a whole body instead. */
export interface AbciNode {
  readonly url: string
  answer: (query: SeenAbci) => ToldAbci | string
  readonly queries: Array<SeenAbci>
}

/** Serves until the scope ends. */
export const makeAbciNode: Effect.Effect<AbciNode, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<{ readonly node: AbciNode; readonly close: () => void }>((resolve) => {
          const server = createServer((request, response) => void reply(node, request, response))
          const node: { url: string; answer: AbciNode["answer"]; queries: Array<SeenAbci> } = {
            url: "",
            answer: () => ({}),
            queries: []
          }
          server.listen(0, "127.0.0.1", () => {
            const address = server.address()
            node.url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`
            resolve({
              node,
              close: () => {
                server.close()
                server.closeAllConnections()
              }
            })
          })
        })
    ),
    ({ close }) => Effect.sync(close)
  ),
  ({ node }) => node
)

const reply = async (node: AbciNode, request: IncomingMessage, response: ServerResponse) => {
  let text = ""
  for await (const chunk of request) text += String(chunk)
  const call = JSON.parse(text) as { id: unknown; method: string; params: SeenAbci }
  response.setHeader("content-type", "application/json")
  if (call.method !== "abci_query") {
    const error = { code: -32601, message: "Method not found" }
    response.end(JSON.stringify({ jsonrpc: "2.0", id: call.id, error }))
    return
  }
  const { path, data, height } = call.params
  const seen = { path, data, height }
  node.queries.push(seen)
  const told = node.answer(seen)
  if (typeof told === "string") {
    response.end(told)
    return
  }
  const result = {
    response: {
      code: told.code ?? 0,
      log: told.log ?? "",
      info: "",
      index: "0",
      key: null,
      value: told.value === undefined ? null : Buffer.from(told.value).toString("base64"),
      proofOps: null,
      height: (told.height ?? 0n).toString(),
      codespace: told.codespace ?? ""
    }
  }
  response.end(JSON.stringify({ jsonrpc: "2.0", id: call.id, result }))
}
