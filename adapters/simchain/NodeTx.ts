/** The `ChainTx` port of a node: simulation on its state, the pool through its eyes, transactions of its blocks. */
import { Effect, Option, Result } from "effect"
import { ChainUnavailable } from "../../domain/ports/Blocks.ts"
import { ChainTx, type IncludedTx, type TxRefused } from "../../domain/ports/ChainTx.ts"
import { decodeTx, type TxMessage } from "../../domain/tx/TxDecode.ts"
import { classifyAnswer, classifyBroadcastError, classifySimulation } from "../../domain/tx/TxRefusal.ts"
import { toUtf8 } from "../../domain/wire/ByteText.ts"
import type { ChainCell } from "./ChainCell.ts"
import { refuse, SDK, type TxRefusal } from "./ChainErrors.ts"
import type { ChainState } from "./ChainState.ts"
import type { TxResult } from "./CommittedBlock.ts"
import { LOCATION } from "./GoText.ts"
import { checkTx, newestHash, removeTx, type UncodedRefusal } from "./Mempool.ts"
import type { NodeFaults } from "./NodeFaults.ts"
import { executeTx } from "./TxExecution.ts"

/** What the port needs of its node. */
export interface TxNode {
  /** State on which transactions are simulated and checked. */
  readonly state: () => ChainState
  /** Height of the newest block that the node shows. */
  readonly height: () => bigint
  readonly faults: () => NodeFaults
  readonly setFaults: (faults: Partial<NodeFaults>) => void
}

/** The port of a node of this chain. */
export const makeNodeTx = (cell: ChainCell, node: TxNode): ChainTx["Service"] =>
  ChainTx.of({
    chainId: cell.state.chainId,
    simulate: (txBytes) =>
      Effect.suspend((): Effect.Effect<bigint, TxRefused | ChainUnavailable> =>
        node.faults().txsFail
          ? Effect.fail(unavailable("simulate"))
          : Effect.fromResult(simulateTx(cell, node.state(), txBytes))
      ),
    broadcast: (txBytes) =>
      Effect.suspend((): Effect.Effect<void, TxRefused | ChainUnavailable> => {
        if (node.faults().txsFail) return Effect.fail(unavailable("broadcast"))
        const answer = broadcastTx(cell, node, txBytes)
        if (losesReply(node)) return Effect.fail(unavailable("broadcast"))
        const refusal = answer && answerOf(answer)
        return refusal === undefined ? Effect.void : Effect.fail(refusal)
      }),
    find: (txHash) =>
      Effect.suspend(() =>
        node.faults().queriesFail
          ? Effect.fail(unavailable("find"))
          : Effect.succeed(findTx(cell, node.height(), txHash))
      )
  })

/** A fault of this name. */
export const unavailable = (operation: string): ChainUnavailable =>
  new ChainUnavailable({ operation, cause: new Error("switched off by a fault of the simulated node") })

const simulateTx = (cell: ChainCell, state: ChainState, bytes: Uint8Array): Result.Result<bigint, TxRefused> => {
  const { result } = runSimulation(cell, state, bytes)
  return result.code === 0
    ? Result.succeed(result.gasUsed)
    : Result.fail(classifySimulation(simulationText(result.log, result.gasUsed)))
}

/** The text with which a node answers a simulation that failed. */
export const simulationText = (log: string, gasUsed: bigint): string =>
  `${toUtf8(log)}${LOCATION} with gas used: '${gasUsed}'`

/** Runs bytes on a committed state as `Simulate` does; bytes that do not decode are a result too. */
export const runSimulation = (
  cell: ChainCell,
  state: ChainState,
  bytes: Uint8Array
): { readonly result: TxResult; readonly messages: ReadonlyArray<TxMessage> } => {
  const decoded = decodeTx(bytes)
  if (Result.isFailure(decoded)) {
    const refusal = refuse(SDK.txDecode, decoded.failure.message)
    return { result: { ...refusal, gasWanted: 0n, gasUsed: 0n, events: [] }, messages: [] }
  }
  const { result } = executeTx({
    state,
    tx: decoded.success,
    byteLength: bytes.length,
    mode: "simulate",
    block: { height: state.height, timeUnixNano: state.timeUnixNano },
    verifiers: cell.options.verifiers,
    minGasPriceScaled: 0n
  })
  return { result, messages: decoded.success.messages }
}

/** Whether the answer to this broadcast is lost; counts it. */
export const losesReply = (node: TxNode): boolean => {
  const { loseReplies } = node.faults()
  if (loseReplies > 0) node.setFaults({ loseReplies: loseReplies - 1 })
  return loseReplies > 0
}

/** CheckTx through this node. The refusal, or nothing when the bytes are pending (or are said to be). */
export const broadcastTx = (
  cell: ChainCell,
  node: TxNode,
  bytes: Uint8Array
): TxRefusal | UncodedRefusal | undefined => {
  const [injected, ...otherRefusals] = node.faults().refusals
  if (injected !== undefined) {
    node.setFaults({ refusals: otherRefusals })
    return injected
  }
  const { inclusionDelayBlocks, dropAccepted, dropKeepsCache } = node.faults()
  const notBefore = cell.state.height + 1n + inclusionDelayBlocks
  const checked = checkTx(cell.mempool, bytes, notBefore, cell.checkContext(node.state()))
  if (Result.isFailure(checked)) return checked.failure
  const hash = newestHash(checked.success)
  const drops = dropAccepted > 0 && hash !== undefined
  if (drops) node.setFaults({ dropAccepted: dropAccepted - 1 })
  cell.mempool = drops ? removeTx(checked.success, hash, !dropKeepsCache) : checked.success
  if (!drops) cell.options.taken?.(bytes)
  return undefined
}

const answerOf = (refusal: TxRefusal | UncodedRefusal): TxRefused | ChainUnavailable | undefined =>
  "text" in refusal
    ? (classifyBroadcastError(refusal.text) ?? unavailable("broadcast"))
    : classifyAnswer({ ...refusal, log: toUtf8(refusal.log) })

const findTx = (cell: ChainCell, height: bigint, hash: string): Option.Option<IncludedTx> => {
  const found = cell.transaction(hash)
  if (found === undefined || found.height > height) return Option.none()
  const { codespace, code, log } = found.tx.result
  const refusal = classifyAnswer({ codespace, code, log: toUtf8(log) })
  return Option.some({ height: found.height, refusal: Option.fromUndefinedOr(refusal) })
}
