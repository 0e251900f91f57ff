/** What a method of the RPC is. */
import { Result } from "effect"
import type { Json } from "./GoJson.ts"
import type { NodeView } from "./NodeView.ts"
import { type ArgKinds, type Args, internalError, type RpcError } from "./RpcCall.ts"

/** A result, an error, or an answer that is lost. */
export type RpcOutcome = Result.Result<Json, RpcError> | undefined

/** A method: its arguments in order, and what it does. */
export interface RpcMethod {
  readonly args: ArgKinds
  readonly run: (view: NodeView, args: Args) => RpcOutcome
}

/** The method failed, with CometBFT's text. */
export const fail = (data: string) => Result.fail(internalError(data))
