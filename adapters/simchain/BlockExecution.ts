/**
 * Builds and executes one block: operations, then those waiting transactions that the checks still let in, then the end
 * of the block. Pure: equal inputs give equal blocks, hash included.
 */
import { Result } from "effect"
import type { DecodedTx } from "../../domain/tx/TxDecode.ts"
import { runAnte } from "./AnteHandler.ts"
import { headerHash, makeHeader } from "./BlockHeader.ts"
import { type BlockContext, type ChainState, hashAt } from "./ChainState.ts"
import type { BlockTx, CommittedBlock } from "./CommittedBlock.ts"
import { endBlock } from "./EndBlock.ts"
import type { Operation } from "./Operation.ts"
import { executeTx } from "./TxExecution.ts"
import type { Verifiers } from "./Verifiers.ts"

/** A transaction that may go into the block. */
export interface Candidate {
  readonly hash: string
  readonly bytes: Uint8Array
  readonly tx: DecodedTx
}

/** What a block is made of. */
export interface BlockInput {
  /** Committed state of the block before. */
  readonly state: ChainState
  readonly block: BlockContext
  readonly operations: ReadonlyArray<Operation>
  /** In the order in which they are to be executed. */
  readonly candidates: ReadonlyArray<Candidate>
  readonly seed: string
  readonly verifiers: Verifiers
}

/** A block and the state after it. */
export interface ExecutedBlock {
  readonly state: ChainState
  readonly committed: CommittedBlock
  /** Candidates that did not pass the checks of a block; they are in no block and will not be in a later one. */
  readonly dropped: ReadonlyArray<Candidate>
}

/** Executes the block at `block.height`. */
export const executeBlock = (input: BlockInput): ExecutedBlock => {
  const { block, verifiers } = input
  const begun = input.operations.reduce(
    // Each operation was accepted when it was entered; what came before it may have taken its ground since.
    (state, operation) => Result.getOrElse(operation(state, block), () => state),
    freeNonces(input.state, block)
  )
  const { included, dropped } = propose(begun, input)
  const header = makeHeader(
    {
      ...block,
      chainId: begun.chainId,
      seed: input.seed,
      lastHash: hashAt(input.state, block.height - 1n),
      txs: included.map(({ bytes }) => bytes),
      limits: begun.params.block
    },
    verifiers.sha256
  )
  const hash = headerHash(header, verifiers.sha256)
  let state = begun
  const txs: Array<BlockTx> = []
  for (const candidate of included) {
    const execution = executeTx({
      state,
      tx: candidate.tx,
      byteLength: candidate.bytes.length,
      mode: "deliver",
      block,
      verifiers,
      minGasPriceScaled: 0n
    })
    state = execution.state
    txs.push({ hash: candidate.hash, bytes: candidate.bytes, result: execution.result })
  }
  const ended = endBlock(state, block, hash, verifiers)
  return {
    state: ended.state,
    committed: { ...block, hash, header, txs, endBlockEvents: ended.events },
    dropped
  }
}

/** Used pairs whose time-out block time has reached are free again. Source: cosmos-sdk x/auth PreBlocker. */
const freeNonces = (state: ChainState, block: BlockContext): ChainState => {
  const nonces = new Map<string, ReadonlySet<bigint>>()
  for (const [signer, timeouts] of state.nonces) {
    const left = [...timeouts].filter((timeout) => timeout > block.timeUnixNano)
    if (left.length > 0) nonces.set(signer, new Set(left))
  }
  return { ...state, nonces }
}

/** The proposer checks each transaction on the new block and leaves out what fails or does not fit. */
const propose = (
  state: ChainState,
  { block, candidates, verifiers }: BlockInput
): { readonly included: ReadonlyArray<Candidate>; readonly dropped: ReadonlyArray<Candidate> } => {
  const { maxBytes, maxGas } = state.params.block
  const included: Array<Candidate> = []
  const dropped: Array<Candidate> = []
  let current = state
  let bytes = 0
  let gas = 0n
  for (const candidate of candidates) {
    const gasWanted = candidate.tx.fee?.gasLimit ?? 0n
    if (bytes + candidate.bytes.length > maxBytes || (maxGas > 0n && gas + gasWanted > maxGas)) continue
    const checked = runAnte({
      state: current,
      tx: candidate.tx,
      byteLength: candidate.bytes.length,
      mode: "deliver",
      block,
      verifiers,
      minGasPriceScaled: 0n
    })
    if (Result.isFailure(checked)) {
      dropped.push(candidate)
      continue
    }
    current = checked.success.state
    bytes += candidate.bytes.length
    gas += gasWanted
    included.push(candidate)
  }
  return { included, dropped }
}
