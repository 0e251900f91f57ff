/** One endpoint's queries as bytes: gRPC, or the same questions over CometBFT RPC. */
import { type Effect, Schema } from "effect"
import type { EndpointFailed } from "./EndpointFailed.ts"

/** The node says that the record is not there: gRPC 5, ABCI sdk 22. Nothing else means absent. */
export class RecordNotFound extends Schema.TaggedError<RecordNotFound>()("RecordNotFound", { detail: Schema.String }) {
  override get message(): string {
    return `the chain has no such record: ${this.detail}`
  }
}

/** The node refuses what was asked: gRPC 3, ABCI sdk 18. */
export class ArgumentRefused extends Schema.TaggedError<ArgumentRefused>()("ArgumentRefused", {
  detail: Schema.String
}) {
  override get message(): string {
    return `the chain refuses the question: ${this.detail}`
  }
}

/** Bytes of a response message, and the height of the state that was read; undefined when the endpoint does not tell. */
export interface QueryReply {
  readonly bytes: Uint8Array
  readonly height: bigint | undefined
}

/** Unary calls to one endpoint. They end only with an answer, a failure or the caller's interruption. */
export interface QueryTransport {
  /**
   * `path` is `/<package>.<Service>/<Method>`, `request` the encoded message, `height` the state to read: the latest if
   * left out. What the handler itself says of a failure is an `EndpointFailed` of kind `internal` with the node's text.
   */
  readonly unary: (
    path: string,
    request: Uint8Array,
    height?: bigint
  ) => Effect.Effect<QueryReply, RecordNotFound | ArgumentRefused | EndpointFailed>
}
