/**
 * Transactions that wait for a block, and the bytes that nodes have seen. One pool stands for the pools of all nodes: what
 * one accepts, the others know. A value: each step gives the next one.
 * Source: cometbft `mempool/clist_mempool.go`, cosmos-sdk `baseapp`.
 */
import { Result } from "effect"
import { decodeTx } from "../../domain/tx/TxDecode.ts"
import { txHash } from "../../domain/tx/UnorderedTx.ts"
import { type AnteMode, runAnte } from "./AnteHandler.ts"
import type { Candidate } from "./BlockExecution.ts"
import { refuse, SDK, type TxRefusal } from "./ChainErrors.ts"
import type { ChainState } from "./ChainState.ts"
import type { CommittedBlock } from "./CommittedBlock.ts"
import type { Verifiers } from "./Verifiers.ts"

/** Limits of a node. Sources: CometBFT `config/config.go`, poktroll `cmd/pocketd/cmd/config.go`. */
export interface MempoolLimits {
  /** Longest transaction in bytes. */
  readonly maxTxBytes: number
  /** Most waiting transactions. */
  readonly maxTxs: number
  /** Most bytes of waiting transactions. */
  readonly maxTotalBytes: number
  /** Most transactions of the application's own pool. */
  readonly maxApplicationTxs: number
  /** Most transactions remembered as seen. */
  readonly cacheSize: number
}

/** Values of a node whose configuration names none. */
export const defaultLimits: MempoolLimits = {
  maxTxBytes: 1_048_576,
  maxTxs: 5_000,
  maxTotalBytes: 1_073_741_824,
  maxApplicationTxs: 100_000,
  cacheSize: 10_000
}

/** A waiting transaction. */
export interface PendingTx extends Candidate {
  /** First height of a block that may have it. */
  readonly notBefore: bigint
}

/** What waits and what was seen. */
export interface Mempool {
  /** In order of arrival. */
  readonly pending: ReadonlyArray<PendingTx>
  /** Hashes of seen bytes, oldest first: waiting, and successfully executed ones. */
  readonly seen: ReadonlySet<string>
}

/** A node that has just started. */
export const emptyMempool: Mempool = { pending: [], seen: new Set() }

/** What CheckTx needs to know of a node. */
export interface CheckContext {
  /** Committed state as the node has it. */
  readonly state: ChainState
  readonly verifiers: Verifiers
  readonly limits: MempoolLimits
  readonly minGasPriceScaled: bigint
}

/** No answer with a code: gRPC Unknown, or a JSON-RPC error, with this text. */
export interface UncodedRefusal {
  readonly text: string
}

/**
 * Hands bytes to a node. Accepted: the pool that has them. Refused bytes are not remembered and may be sent again.
 * `notBefore`: first height of a block that may have the transaction.
 */
export const checkTx = (
  mempool: Mempool,
  bytes: Uint8Array,
  notBefore: bigint,
  context: CheckContext
): Result.Result<Mempool, TxRefusal | UncodedRefusal> => {
  const { limits, state } = context
  const totalBytes = mempool.pending.reduce((sum, { bytes: waiting }) => sum + waiting.length, 0)
  if (mempool.pending.length >= limits.maxTxs || totalBytes + bytes.length > limits.maxTotalBytes) {
    return Result.fail({ codespace: "sdk", code: 20, log: "" })
  }
  if (bytes.length > limits.maxTxBytes) return Result.fail({ codespace: "sdk", code: 21, log: "" })
  const { maxBytes } = state.params.block
  if (bytes.length > maxBytes) {
    return Result.fail({ text: `tx pre check: tx size is too big: ${bytes.length}, max: ${maxBytes}` })
  }
  const hash = txHash(bytes, context.verifiers.sha256)
  if (mempool.seen.has(hash)) return Result.fail({ codespace: "sdk", code: 19, log: "" })
  const decoded = decodeTx(bytes)
  if (Result.isFailure(decoded)) return Result.fail(refuse(SDK.txDecode, decoded.failure.message))
  const tx = decoded.success
  const pendingState = withPending(state, mempool.pending, context).state
  const checked = ante(pendingState, { hash, bytes, tx }, "check", context)
  if (Result.isFailure(checked)) return Result.fail(checked.failure)
  if (mempool.pending.length >= limits.maxApplicationTxs) {
    return Result.fail({ codespace: "undefined", code: 1, log: "pool reached max tx capacity" })
  }
  return Result.succeed({
    pending: [...mempool.pending, { hash, bytes, tx, notBefore }],
    seen: remember(mempool.seen, hash, limits.cacheSize)
  })
}

/** The pool without a transaction; `forget`: its bytes may be sent again. */
export const removeTx = (mempool: Mempool, hash: string, forget: boolean): Mempool => ({
  pending: mempool.pending.filter((pending) => pending.hash !== hash),
  seen: forget ? without(mempool.seen, [hash]) : mempool.seen
})

/** Hash of the newest waiting transaction. */
export const newestHash = (mempool: Mempool): string | undefined => mempool.pending.at(-1)?.hash

/**
 * The pool after a block: its transactions leave, failed ones may be sent again, and those that no longer pass the
 * checks disappear without notice.
 */
export const afterBlock = (
  mempool: Mempool,
  block: CommittedBlock,
  dropped: ReadonlyArray<Candidate>,
  context: CheckContext
): Mempool => {
  const gone = new Set([...block.txs.map(({ hash }) => hash), ...dropped.map(({ hash }) => hash)])
  const waiting = mempool.pending.filter(({ hash }) => !gone.has(hash))
  const rechecked = withPending(context.state, waiting, context)
  const failed = block.txs.filter(({ result }) => result.code !== 0).map(({ hash }) => hash)
  const forgotten = [...failed, ...dropped.map(({ hash }) => hash), ...rechecked.failed.map(({ hash }) => hash)]
  const lost = new Set(rechecked.failed)
  return {
    pending: waiting.filter((pending) => !lost.has(pending)),
    seen: without(mempool.seen, forgotten)
  }
}

/** The state as CheckTx sees it: fees and nonces of waiting transactions are spent. */
const withPending = (
  state: ChainState,
  pending: ReadonlyArray<PendingTx>,
  context: CheckContext
): { readonly state: ChainState; readonly failed: ReadonlyArray<PendingTx> } => {
  const failed: Array<PendingTx> = []
  let current = state
  for (const entry of pending) {
    const checked = ante(current, entry, "recheck", context)
    if (Result.isFailure(checked)) failed.push(entry)
    else current = checked.success.state
  }
  return { state: current, failed }
}

const ante = (state: ChainState, { bytes, tx }: Candidate, mode: AnteMode, context: CheckContext) =>
  runAnte({
    state,
    tx,
    byteLength: bytes.length,
    mode,
    block: { height: context.state.height, timeUnixNano: context.state.timeUnixNano },
    verifiers: context.verifiers,
    minGasPriceScaled: context.minGasPriceScaled
  })

const remember = (seen: ReadonlySet<string>, hash: string, size: number): ReadonlySet<string> => {
  const next = new Set(seen).add(hash)
  const [oldest] = next
  if (next.size > size && oldest !== undefined) next.delete(oldest)
  return next
}

const without = (seen: ReadonlySet<string>, hashes: ReadonlyArray<string>): ReadonlySet<string> => {
  if (!hashes.some((hash) => seen.has(hash))) return seen
  const next = new Set(seen)
  for (const hash of hashes) next.delete(hash)
  return next
}
