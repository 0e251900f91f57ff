/**
 * The one mutable place of a simulated chain: newest state, kept blocks, pool, operations and switches. Every method runs
 * synchronously, so each is atomic for fibers; everything it computes comes from pure modules.
 */
import { Result } from "effect"
import { textToBytes } from "../../domain/wire/ByteText.ts"
import { executeBlock } from "./BlockExecution.ts"
import type { BlockContext, ChainState } from "./ChainState.ts"
import type { BlockTx, CommittedBlock } from "./CommittedBlock.ts"
import { afterBlock, type CheckContext, emptyMempool, type Mempool, type MempoolLimits } from "./Mempool.ts"
import type { Operation, OperationRefused } from "./Operation.ts"
import type { Verifiers } from "./Verifiers.ts"

/** Blocks with results that are kept; older ones are as good as pruned. */
export const MAX_KEPT_BLOCKS = 10_000n

/** States that a lagging node can still step through; the greatest useful lag in blocks. */
export const MAX_KEPT_STATES = 128n

/** Least distance of two block times, as CometBFT rounds to: 1 ms. */
const MIN_BLOCK_STEP = 1_000_000n

/** What a chain consists of; see `SimChainOptions`. */
export interface ChainCellOptions {
  readonly genesis: ChainState
  readonly seed: string
  readonly verifiers: Verifiers
  readonly limits: MempoolLimits
  readonly minGasPriceScaled: bigint
  readonly taken?: ((bytes: Uint8Array) => void) | undefined
}

/** One chain. `state` and `mempool` are replaced, never changed. */
export class ChainCell {
  state: ChainState
  mempool: Mempool = emptyMempool
  halted = false
  shuffled = false
  readonly options: ChainCellOptions
  private operations: ReadonlyArray<Operation> = []
  private readonly blocks = new Map<bigint, CommittedBlock>()
  private readonly states = new Map<bigint, ChainState>()
  private readonly txs = new Map<string, { readonly height: bigint; readonly tx: BlockTx }>()

  constructor(options: ChainCellOptions) {
    this.options = options
    this.state = options.genesis
  }

  /** Enters an operation into the next block, or says why it could not be executed there. */
  administer(operation: Operation, nowUnixNano: bigint): OperationRefused | undefined {
    const block = this.nextBlock(nowUnixNano)
    let state = this.state
    for (const earlier of this.operations) state = Result.getOrElse(earlier(state, block), () => state)
    const executed = operation(state, block)
    if (Result.isFailure(executed)) return executed.failure
    this.operations = [...this.operations, operation]
    return undefined
  }

  /** Commits one block; its time is `nowUnixNano`, or just after the block before. */
  commit(nowUnixNano: bigint): CommittedBlock {
    const block = this.nextBlock(nowUnixNano)
    const { seed, verifiers } = this.options
    const ready = this.mempool.pending.filter(({ notBefore }) => notBefore <= block.height)
    const executed = executeBlock({
      state: this.state,
      block,
      operations: this.operations,
      candidates: this.shuffled ? this.shuffle(ready, block) : ready,
      seed,
      verifiers
    })
    this.operations = []
    this.state = executed.state
    this.keep(executed.committed)
    this.mempool = afterBlock(this.mempool, executed.committed, executed.dropped, this.checkContext(this.state))
    return executed.committed
  }

  /** What CheckTx needs, for a node that is at `state`. */
  checkContext(state: ChainState): CheckContext {
    const { verifiers, limits, minGasPriceScaled } = this.options
    return { state, verifiers, limits, minGasPriceScaled }
  }

  /** A committed block that is still kept. */
  block(height: bigint): CommittedBlock | undefined {
    return this.blocks.get(height)
  }

  /** A committed state that is still kept. */
  stateAt(height: bigint): ChainState | undefined {
    return this.states.get(height)
  }

  /** A transaction of a kept block, by its upper-case hash. */
  transaction(hash: string): { readonly height: bigint; readonly tx: BlockTx } | undefined {
    return this.txs.get(hash)
  }

  private nextBlock(nowUnixNano: bigint): BlockContext {
    const earliest = this.state.timeUnixNano + MIN_BLOCK_STEP
    return { height: this.state.height + 1n, timeUnixNano: nowUnixNano < earliest ? earliest : nowUnixNano }
  }

  private keep(block: CommittedBlock): void {
    this.blocks.set(block.height, block)
    this.states.set(block.height, this.state)
    for (const tx of block.txs) this.txs.set(tx.hash, { height: block.height, tx })
    const pruned = this.blocks.get(block.height - MAX_KEPT_BLOCKS)
    for (const { hash } of pruned?.txs ?? []) this.txs.delete(hash)
    this.blocks.delete(block.height - MAX_KEPT_BLOCKS)
    this.states.delete(block.height - MAX_KEPT_STATES)
  }

  /** An order drawn from seed, height and the hashes themselves. */
  private shuffle<Tx extends { readonly hash: string }>(
    txs: ReadonlyArray<Tx>,
    block: BlockContext
  ): ReadonlyArray<Tx> {
    const { seed, verifiers } = this.options
    const rank = (hash: string) =>
      String.fromCharCode(...verifiers.sha256(textToBytes(`${seed}/order/${block.height}/${hash}`)))
    return txs
      .map((tx) => ({ tx, rank: rank(tx.hash) }))
      .sort((a, b) => (a.rank < b.rank ? -1 : 1))
      .map(({ tx }) => tx)
  }
}
