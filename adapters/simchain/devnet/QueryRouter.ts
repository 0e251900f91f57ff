/** One query on a node: the state of the height that was asked for, the method of the path, its answer. */
import { Result } from "effect"
import type { ChainState } from "../ChainState.ts"
import { isMute, type NodeView, stateOf } from "./NodeView.ts"
import { failure, GRPC, type QueryFailure, sdkFailure } from "./QueryFailure.ts"
import { queryMethods } from "./QueryMethods.ts"
import { txMethods } from "./TxMethods.ts"

/** What a query came to; `lost` stands for an answer that never comes. */
export type QueryOutcome =
  | { readonly _tag: "Answered"; readonly height: bigint; readonly bytes: Uint8Array }
  | { readonly _tag: "Failed"; readonly height: bigint; readonly failure: QueryFailure }
  | { readonly _tag: "Lost" }

/** Paths that a node serves. */
export const servedPaths: ReadonlyArray<string> = [...queryMethods.keys(), ...txMethods.keys()]

const sends: ReadonlySet<string> = new Set([
  "/cosmos.tx.v1beta1.Service/Simulate",
  "/cosmos.tx.v1beta1.Service/BroadcastTx"
])

/** Answers the request of a path at a height; 0 is the newest. */
export const runQuery = (view: NodeView, path: string, request: Uint8Array, height: bigint): QueryOutcome => {
  const query = queryMethods.get(path)
  const tx = txMethods.get(path)
  if ((query === undefined && tx === undefined) || view.wireFaults().unimplemented.includes(path)) {
    return { _tag: "Failed", height: 0n, failure: failure(GRPC.unimplemented, `unknown method ${path}`) }
  }
  if (isMute(view, sends.has(path) ? "tx" : "read")) return { _tag: "Lost" }
  const found = stateAt(view, height)
  if (Result.isFailure(found)) return { _tag: "Failed", height: 0n, failure: found.failure }
  const state = path.startsWith(SHARED_PARAMS) ? toldState(view, found.success) : found.success
  const answer = query === undefined ? safely(() => tx?.(view, request)) : query(state, request)
  if (answer === undefined) return { _tag: "Lost" }
  return Result.isSuccess(answer)
    ? { _tag: "Answered", height: state.height, bytes: answer.success }
    : { _tag: "Failed", height: state.height, failure: answer.failure }
}

const SHARED_PARAMS = "/pocket.shared.Query/"

/** The state with the shared parameters that the node tells. */
const toldState = ({ wireFaults }: NodeView, state: ChainState): ChainState => {
  const told = wireFaults().sharedParams
  const { entries, live } = state.params.shared
  const shared = {
    live: { ...live, ...told },
    entries: entries.map((entry) => ({ ...entry, value: { ...entry.value, ...told } }))
  }
  return { ...state, params: { ...state.params, shared } }
}

/** The transaction methods decode their own requests, which throws on bytes that are no message. */
const safely = <A>(run: () => A): A | Result.Result<never, QueryFailure> => {
  try {
    return run()
  } catch (cause) {
    return Result.fail(failure(GRPC.internal, cause instanceof Error ? cause.message : String(cause)))
  }
}

const stateAt = (view: NodeView, height: bigint): Result.Result<ChainState, QueryFailure> => {
  const latest = view.wire.state().height
  if (height < 0n) {
    return Result.fail(sdkFailure(18, "cannot query with height < 0; please provide a valid height: invalid request"))
  }
  if (height > latest) {
    return Result.fail(
      sdkFailure(26, "cannot query with height in the future; please provide a valid height: invalid height")
    )
  }
  const state = stateOf(view, height)
  return state === undefined
    ? Result.fail(
        sdkFailure(
          38,
          `failed to load state at height ${height}; version does not exist (latest height: ${latest}): not found`
        )
      )
    : Result.succeed(state)
}
