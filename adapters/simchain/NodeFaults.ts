/**
 * What can go wrong with one node of the simulated chain, as its client sees it. Each node has its own switches, so that
 * several replicas can disagree about the chain at the same time.
 */

/**
 * An answer to a broadcast that is not the chain's own decision: one of CheckTx, or a text without a code, such as
 * `mempool is still rechecking after a new committed block, so it is considered as full`.
 */
export type InjectedRefusal =
  | { readonly codespace: string; readonly code: number; readonly log: string }
  | { readonly text: string }

/** The switches of one node; `noFaults` is how it starts. */
export interface NodeFaults {
  /**
   * Blocks that this node is behind, at most `MAX_KEPT_STATES`. Its view never goes back: a greater lag only delays what
   * it sees next.
   */
  readonly lagBlocks: bigint
  /** Queries, simulation and CheckTx are so many blocks more behind than the blocks that the node shows. */
  readonly queryLagBlocks: bigint
  /** The node shows no new block at all until this is false again; its queries go on at the old height. */
  readonly blocksStalled: boolean
  /** Every read fails with `ChainUnavailable`: queries, blocks by height, transaction look-ups. */
  readonly queriesFail: boolean
  /** Simulation and broadcast fail with `ChainUnavailable` before anything took effect. */
  readonly txsFail: boolean
  /** Answers of the next broadcasts, in order; each is used once. The transaction goes nowhere. */
  readonly refusals: ReadonlyArray<InjectedRefusal>
  /** So many of the next accepted transactions are forgotten after CheckTx answered 0. */
  readonly dropAccepted: number
  /** Whether a forgotten transaction stays in the cache, so that the same bytes are answered with 19. */
  readonly dropKeepsCache: boolean
  /** So many of the next broadcasts take full effect, but the answer is lost: `ChainUnavailable`. */
  readonly loseReplies: number
  /** Accepted transactions wait at least so many blocks more than needed. */
  readonly inclusionDelayBlocks: bigint
}

/** A node without faults. */
export const noFaults: NodeFaults = {
  lagBlocks: 0n,
  queryLagBlocks: 0n,
  blocksStalled: false,
  queriesFail: false,
  txsFail: false,
  refusals: [],
  dropAccepted: 0,
  dropKeepsCache: false,
  loseReplies: 0,
  inclusionDelayBlocks: 0n
}
