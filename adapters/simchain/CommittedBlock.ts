/** A block of the simulated chain with the results that a node keeps of it. */
import type { RawEvent } from "../../domain/chain/ChainEvents.ts"
import type { Block } from "../../domain/ports/Blocks.ts"
import type { BlockHeader } from "./BlockHeader.ts"

/** Result of one transaction, by CheckTx or in a block; `code` 0 means success. */
export interface TxResult {
  readonly codespace: string
  readonly code: number
  readonly log: string
  readonly gasWanted: bigint
  readonly gasUsed: bigint
  readonly events: ReadonlyArray<RawEvent>
}

/** A transaction in a block. */
export interface BlockTx {
  /** Upper-case hex of SHA-256(`bytes`). */
  readonly hash: string
  readonly bytes: Uint8Array
  readonly result: TxResult
}

/** A block with its transactions in order and what their execution and the end of the block reported. */
export interface CommittedBlock extends Block {
  /** `hash` is its hash. */
  readonly header: BlockHeader
  readonly txs: ReadonlyArray<BlockTx>
  /** Events of the end of the block, in order. */
  readonly endBlockEvents: ReadonlyArray<RawEvent>
}
