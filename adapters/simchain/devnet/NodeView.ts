/** One devnet node as its servers see it: the simulated node's wire with the faults of its sockets. */
import type { NodeWire } from "../SimNode.ts"
import type { WireFaults } from "./WireFaults.ts"
import type { ChainState } from "../ChainState.ts"
import type { TxRefusal } from "../ChainErrors.ts"
import type { UncodedRefusal } from "../Mempool.ts"
import type { BlockTx, CommittedBlock } from "../CommittedBlock.ts"
import { MAX_KEPT_BLOCKS } from "../ChainCell.ts"
import type { TxJournal } from "./TxJournal.ts"

/** What servers read. */
export interface NodeView {
  readonly wire: NodeWire
  readonly wireFaults: () => WireFaults
  /** That of the whole devnet. */
  readonly journal: TxJournal
}

/** Chain id that the node claims. */
export const claimedChainId = ({ wire, wireFaults }: NodeView): string => wireFaults().wrongChainId ?? wire.chainId

/** Height that the node claims to have, given one that it has. */
export const claimedHeight = ({ wireFaults }: NodeView, height: bigint): bigint => height + wireFaults().heightLie

/** Lowest height of which the node has block and results. */
export const lowestHeight = ({ wire, wireFaults }: NodeView): bigint => {
  const kept = wire.height() - MAX_KEPT_BLOCKS + 1n
  return [wire.state().blockHashes.first, kept, wireFaults().prunedBelow].reduce((a, b) => (a > b ? a : b))
}

/** A block that the node still has. */
export const blockOf = (view: NodeView, height: bigint): CommittedBlock | undefined =>
  height < lowestHeight(view) ? undefined : view.wire.block(height)

/** A state that the node still has; 0 is the newest. */
export const stateOf = (view: NodeView, height: bigint): ChainState | undefined =>
  height === 0n || height === view.wire.state().height
    ? view.wire.state()
    : height < view.wireFaults().prunedBelow
      ? undefined
      : view.wire.stateAt(height)

/** A transaction in a block that the node has. */
export const transactionOf = (
  view: NodeView,
  hash: string
): { readonly height: bigint; readonly tx: BlockTx } | undefined => {
  const found = view.wire.transaction(hash)
  return found === undefined || found.height < lowestHeight(view) ? undefined : found
}

/** CheckTx through the node, which goes into the journal. */
export const checkTx = (view: NodeView, bytes: Uint8Array): TxRefusal | UncodedRefusal | undefined => {
  const refusal = answerOf(view, bytes)
  view.journal.note(bytes, view.wire.height(), refusal)
  return refusal
}

const answerOf = ({ wire, wireFaults }: NodeView, bytes: Uint8Array): TxRefusal | UncodedRefusal | undefined => {
  const { mempoolFull, outOfGas } = wireFaults()
  if (mempoolFull) return { codespace: "sdk", code: 20, log: "" }
  if (outOfGas) {
    return {
      codespace: "sdk",
      code: 11,
      log: "out of gas in location: ReadFlat; gasWanted: 100, gasUsed: 1000: out of gas"
    }
  }
  return wire.checkTx(bytes)
}

/** Whether calls of a kind get no answer now, by the faults of the node itself. */
export const isMute = ({ wire }: NodeView, kind: "read" | "tx"): boolean => {
  const { queriesFail, txsFail } = wire.faults()
  return kind === "read" ? queriesFail : txsFail
}
