/** One node of the simulated chain: what it has seen of the chain, the ports of its clients, and its faults. */
import { Context, Effect, Option, PubSub, type Scope, Stream } from "effect"
import type { Sha256 } from "../../domain/crypto/Sha256.ts"
import { type Block, Blocks } from "../../domain/ports/Blocks.ts"
import type { ChainQuery } from "../../domain/ports/ChainQuery.ts"
import type { ChainTx } from "../../domain/ports/ChainTx.ts"
import type { ChainCell } from "./ChainCell.ts"
import type { ChainState } from "./ChainState.ts"
import type { TxRefusal } from "./ChainErrors.ts"
import type { BlockTx, CommittedBlock } from "./CommittedBlock.ts"
import type { MempoolLimits, UncodedRefusal } from "./Mempool.ts"
import { type NodeFaults, noFaults } from "./NodeFaults.ts"
import { makeNodeQuery } from "./NodeQuery.ts"
import { broadcastTx, losesReply, makeNodeTx, runSimulation, unavailable } from "./NodeTx.ts"

/** A node's switches. */
export class SimNode extends Context.Service<
  SimNode,
  {
    /** Height that this node shows now. */
    readonly height: Effect.Effect<bigint>
    readonly faults: Effect.Effect<NodeFaults>
    /** Changes the named switches and leaves the others. A smaller lag shows the next blocks at once. */
    readonly setFaults: (faults: Partial<NodeFaults>) => Effect.Effect<void>
  }
>()("relaymill/adapters/simchain/SimNode") {}

/** The ports of one node and its switches, for programs that hold several nodes. */
export interface NodePorts {
  readonly blocks: Blocks["Service"]
  readonly query: ChainQuery["Service"]
  readonly tx: ChainTx["Service"]
  readonly node: SimNode["Service"]
  readonly wire: NodeWire
}

/** The node as its wire sees it: states and answers before a client's adapter has read them. Everything is synchronous. */
export interface NodeWire {
  readonly chainId: string
  /** Height of the newest block shown. */
  readonly height: () => bigint
  /** The state that queries and transactions see. */
  readonly state: () => ChainState
  /** A committed state up to that one, while it is kept (`MAX_KEPT_STATES`). */
  readonly stateAt: (height: bigint) => ChainState | undefined
  /** A block up to the one shown, while it is kept. */
  readonly block: (height: bigint) => CommittedBlock | undefined
  /** A transaction of such a block by its upper-case hash. */
  readonly transaction: (hash: string) => { readonly height: bigint; readonly tx: BlockTx } | undefined
  /** Hashes of what waits for a block. */
  readonly pending: () => ReadonlyArray<{ readonly hash: string; readonly bytes: Uint8Array }>
  /** CheckTx: the refusal, or nothing when the bytes wait for a block. */
  readonly checkTx: (bytes: Uint8Array) => TxRefusal | UncodedRefusal | undefined
  /** Whether the answer of this broadcast is to be lost; counts it. */
  readonly losesReply: () => boolean
  readonly simulate: (bytes: Uint8Array) => ReturnType<typeof runSimulation>
  readonly sha256: Sha256
  readonly faults: () => NodeFaults
  readonly limits: MempoolLimits
}

/** Blocks that a slow reader of `changes` may be behind before it misses some. */
const CHANGES_BUFFER = 16

/** A node of the chain in `cell`, and what tells it that a block was committed. The stream of blocks ends with the scope. */
export const makeSimNode = (
  cell: ChainCell,
  initial: Partial<NodeFaults>
): Effect.Effect<{ readonly ports: NodePorts; readonly advance: () => void }, never, Scope.Scope> =>
  Effect.gen(function* () {
    const changes = yield* Effect.acquireRelease(
      PubSub.sliding<Block>({ capacity: CHANGES_BUFFER, replay: 1 }),
      PubSub.shutdown
    )
    const runSync = Effect.runSyncWith(yield* Effect.context<never>())
    let faults: NodeFaults = { ...noFaults, ...initial }
    let state: ChainState = cell.state
    const blockAt = (height: bigint): CommittedBlock | undefined =>
      height > state.height ? undefined : cell.block(height)
    const publish = () => {
      const block = blockAt(state.height)
      // `publishUnsafe` keeps a block from all readers while one of them is full; a sliding hub never waits.
      if (block !== undefined) runSync(PubSub.publish(changes, toBlock(block)))
    }
    /** Moves the view as far as lag allows, never back; a state that is no longer kept is jumped over. */
    const advance = (): void => {
      if (faults.blocksStalled) return
      const target = cell.stateAt(cell.state.height - faults.lagBlocks)
      if (target === undefined || target.height <= state.height) return
      state = target
      publish()
    }
    const setFaults = (changed: Partial<NodeFaults>): void => {
      faults = { ...faults, ...changed }
      advance()
    }
    publish()
    const latest = (): Block => toBlock(blockAt(state.height) ?? firstBlock(cell))
    /** State of queries and transactions: that of the block shown, or an older one that is still kept. */
    const queryState = (): ChainState => cell.stateAt(state.height - faults.queryLagBlocks) ?? state
    const view = { state: queryState, height: () => state.height, faults: () => faults, setFaults }
    const readFailure = (operation: string) => (faults.queriesFail ? unavailable(operation) : undefined)
    return {
      advance,
      ports: {
        blocks: Blocks.of({
          latest: Effect.sync(latest),
          peek: latest,
          at: (height) =>
            Effect.suspend(() => {
              const failure = readFailure("block")
              return failure === undefined
                ? Effect.succeed(Option.map(Option.fromUndefinedOr(blockAt(height)), toBlock))
                : Effect.fail(failure)
            }),
          changes: Stream.fromPubSub(changes)
        }),
        query: makeNodeQuery({ state: view.state, block: blockAt, readFailure }),
        tx: makeNodeTx(cell, view),
        wire: {
          chainId: cell.state.chainId,
          height: () => state.height,
          state: queryState,
          stateAt: (height) => (height > queryState().height ? undefined : cell.stateAt(height)),
          block: blockAt,
          transaction: (hash) => {
            const found = cell.transaction(hash)
            return found === undefined || found.height > state.height ? undefined : found
          },
          pending: () => cell.mempool.pending,
          checkTx: (bytes) => broadcastTx(cell, view, bytes),
          losesReply: () => losesReply(view),
          simulate: (bytes) => runSimulation(cell, queryState(), bytes),
          sha256: cell.options.verifiers.sha256,
          faults: () => faults,
          limits: cell.options.limits
        },
        node: SimNode.of({
          height: Effect.sync(() => state.height),
          faults: Effect.sync(() => faults),
          setFaults: (changed) => Effect.sync(() => setFaults(changed))
        })
      }
    }
  })

const toBlock = ({ height, hash, timeUnixNano }: CommittedBlock): Block => ({ height, hash, timeUnixNano })

/** A node whose own block is no longer kept was stalled for thousands of blocks: it shows the newest. */
const firstBlock = (cell: ChainCell): CommittedBlock => {
  const block = cell.block(cell.state.height)
  if (block === undefined) throw new Error("the simulated chain has no block")
  return block
}
