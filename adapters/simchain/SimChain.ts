/**
 * A chain inside this process: blocks on Effect's Clock, a mempool, and as many nodes with views and faults of their own
 * as a test or a demo needs. It accepts exactly what the real chain accepts, in the chain's words. One value is one chain;
 * equal genesis, seed, times and calls give equal blocks.
 */
import { Context, type Duration, Effect, Layer, type Option, type Scope } from "effect"
import { Blocks } from "../../domain/ports/Blocks.ts"
import { ChainQuery } from "../../domain/ports/ChainQuery.ts"
import { ChainTx } from "../../domain/ports/ChainTx.ts"
import type { ChainState } from "./ChainState.ts"
import type { CommittedBlock } from "./CommittedBlock.ts"
import type { MempoolLimits } from "./Mempool.ts"
import type { NodeFaults } from "./NodeFaults.ts"
import type { Operation, OperationRefused } from "./Operation.ts"
import type { Verifiers } from "./Verifiers.ts"

export interface SimChainOptions {
  readonly genesis: ChainState
  /** Enters every block hash and the order of transactions when they are shuffled. `relaymill` by default. */
  readonly seed?: string
  /** Faster cryptography than the pure one. Their verdicts must be the same. */
  readonly verifiers?: Partial<Verifiers>
  readonly limits?: Partial<MempoolLimits>
  /** Least price of one unit of gas in units of 10⁻¹⁸ uPOKT, checked by CheckTx; 0.000001 uPOKT by default. */
  readonly minGasPriceScaled?: bigint
}

/** A node of the chain as one client sees it. */
export class SimNode extends Context.Service<
  SimNode,
  {
    /** Height that this node shows now. */
    readonly height: Effect.Effect<bigint>
    readonly faults: Effect.Effect<NodeFaults>
    /** Changes the named switches and leaves the others. */
    readonly setFaults: (faults: Partial<NodeFaults>) => Effect.Effect<void>
  }
>()("relaymill/adapters/simchain/SimNode") {}

/** The ports of one node and its switches, for programs that hold several nodes. */
export interface NodePorts {
  readonly blocks: Blocks["Service"]
  readonly query: ChainQuery["Service"]
  readonly tx: ChainTx["Service"]
  readonly node: SimNode["Service"]
}

export class SimChain extends Context.Service<
  SimChain,
  {
    readonly chainId: string
    /** State after the last committed block. */
    readonly state: Effect.Effect<ChainState>
    /** Commits one block now, also while production is halted: operations first, then transactions, then EndBlock. */
    readonly produceBlock: Effect.Effect<CommittedBlock>
    /** Commits blocks until `height` is the last one; does nothing if it is already committed. */
    readonly produceUntil: (height: bigint) => Effect.Effect<void>
    /** Stops and resumes what `layerProducer` does. */
    readonly setHalted: (halted: boolean) => Effect.Effect<void>
    readonly isHalted: Effect.Effect<boolean>
    /** Whether blocks take transactions in an order drawn from seed and height instead of the order of arrival. */
    readonly setShuffled: (shuffled: boolean) => Effect.Effect<void>
    /**
     * Enters an operation (stake, delegation, params …) into the next block, where it runs before the transactions.
     * Refused at once if it cannot be executed after those entered before it.
     */
    readonly administer: (operation: Operation) => Effect.Effect<void, OperationRefused>
    /** A committed block with results; none when not committed yet or no longer kept. */
    readonly block: (height: bigint) => Effect.Effect<Option.Option<CommittedBlock>>
    /** Hashes of the transactions that wait for a block, oldest first. */
    readonly pending: Effect.Effect<ReadonlyArray<string>>
    /** A further node; it ends with the scope. */
    readonly makeNode: (faults?: Partial<NodeFaults>) => Effect.Effect<NodePorts, never, Scope.Scope>
  }
>()("relaymill/adapters/simchain/SimChain") {}

/** A chain with its first block committed. Further blocks come from `produceBlock`, or from `layerProducer`. */
export const layer = (_options: SimChainOptions): Layer.Layer<SimChain> => Layer.effect(SimChain, Effect.never)

/** Commits a block every `blockTime` of the Clock while production is not halted. */
export const layerProducer = (_blockTime: Duration.Input): Layer.Layer<never, never, SimChain> =>
  Layer.effectDiscard(Effect.void)

/** The chain ports through a node of its own, with its switches. Call it once for each replica. */
export const layerNode = (
  faults: Partial<NodeFaults> = {}
): Layer.Layer<Blocks | ChainQuery | ChainTx | SimNode, never, SimChain> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const chain = yield* SimChain
      const { blocks, query, tx, node } = yield* chain.makeNode(faults)
      return Context.make(Blocks, blocks).pipe(
        Context.add(ChainQuery, query),
        Context.add(ChainTx, tx),
        Context.add(SimNode, node)
      )
    })
  )
