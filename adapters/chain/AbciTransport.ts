/** Queries over CometBFT RPC, for nodes whose gRPC cannot be reached: `abci_query` with the gRPC path. */
import { Effect } from "effect"
import { EndpointFailed, type FailureKind } from "./EndpointFailed.ts"
import { ArgumentRefused, type QueryReply, type QueryTransport, RecordNotFound } from "./QueryTransport.ts"

/** The part of an answer to `abci_query` that is read. `height` is 0 if no handler ran. */
export interface AbciAnswered {
  readonly code: number
  readonly codespace: string
  readonly log: string
  readonly value: Uint8Array
  readonly height: bigint
}

/** Calls `abci_query`; `height` 0 is the latest. A failure that is no `EndpointFailed` is the node's refusal in words. */
export interface AbciQueries<E extends { readonly message: string }> {
  readonly abciQuery: (
    path: string,
    data: Uint8Array,
    height: bigint
  ) => Effect.Effect<AbciAnswered, E | EndpointFailed>
}

/** Codes of codespace `sdk`. Source: cosmos-sdk `types/errors/errors.go`, `baseapp/abci.go`. */
const UNKNOWN_REQUEST = 6
const INVALID_REQUEST = 18
const KEY_NOT_FOUND = 22

/** Queries to the endpoint of this name. */
export const makeAbciTransport = <E extends { readonly message: string }>(
  endpoint: string,
  queries: AbciQueries<E>
): QueryTransport => {
  const failed = (operation: string, kind: FailureKind, detail: string) =>
    new EndpointFailed({ endpoint, operation, kind, detail })
  return {
    unary: (path, request, height = 0n) =>
      queries.abciQuery(path, request, height).pipe(
        Effect.mapError((error) => (error instanceof EndpointFailed ? error : failed(path, "internal", error.message))),
        Effect.flatMap((answer): Effect.Effect<QueryReply, RecordNotFound | ArgumentRefused | EndpointFailed> => {
          const { code, codespace, log } = answer
          if (code === 0) {
            const read = answer.height > 0n ? answer.height : undefined
            return Effect.succeed({ bytes: answer.value, height: read })
          }
          if (codespace === "sdk" && code === KEY_NOT_FOUND) return Effect.fail(new RecordNotFound({ detail: log }))
          if (codespace === "sdk" && code === INVALID_REQUEST) return Effect.fail(new ArgumentRefused({ detail: log }))
          const isUnknownPath = codespace === "sdk" && code === UNKNOWN_REQUEST && log.includes("unknown query path")
          return Effect.fail(
            failed(path, isUnknownPath ? "unimplemented" : "internal", `${codespace} code ${code}: ${log}`)
          )
        })
      )
  }
}
