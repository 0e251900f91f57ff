/**
 * A chain inside this process: blocks on Effect's Clock, a mempool, and as many nodes with views and faults of their own
 * as a test or a demo needs. It accepts exactly what the real chain accepts, in the chain's words. One value is one chain;
 * equal genesis, seed, times and calls give equal blocks.
 */
import { Clock, Context, type Duration, Effect, Layer, Option, type Scope } from "effect"
import { Blocks } from "../../domain/ports/Blocks.ts"
import { ChainQuery } from "../../domain/ports/ChainQuery.ts"
import { ChainTx } from "../../domain/ports/ChainTx.ts"
import { ChainCell } from "./ChainCell.ts"
import type { ChainState } from "./ChainState.ts"
import type { CommittedBlock } from "./CommittedBlock.ts"
import { defaultLimits, type MempoolLimits } from "./Mempool.ts"
import type { NodeFaults } from "./NodeFaults.ts"
import type { Operation, OperationRefused } from "./Operation.ts"
import { makeSimNode, type NodePorts, SimNode } from "./SimNode.ts"
import { rememberingVerifiers, type Verifiers } from "./Verifiers.ts"

/** What a chain is made of. */
export interface SimChainOptions {
  readonly genesis: ChainState
  /** Enters every block hash and the order of transactions when they are shuffled. `relaymill` by default. */
  readonly seed?: string
  /**
   * Faster cryptography than the pure one; verdicts must be the same. A value of `rememberingVerifiers` is used as it is
   * and may be shared by many chains.
   */
  readonly verifiers?: Partial<Verifiers>
  readonly limits?: Partial<MempoolLimits>
  /** Least price of one unit of gas in units of 10⁻¹⁸ uPOKT, checked by CheckTx; 0.000001 uPOKT by default. */
  readonly minGasPriceScaled?: bigint
  /** Hears of each transaction that waits for a block from now on, over whatever node it came, before its sender does. */
  readonly taken?: (bytes: Uint8Array) => void
}

/** `0.000001upokt`, which the network's documents recommend to nodes. */
const DEFAULT_MIN_GAS_PRICE = 10n ** 12n

/** The chain and its controls. Its nodes (`makeNode`, `layerNode`) give the ports. */
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
export const make = (options: SimChainOptions): Effect.Effect<SimChain["Service"]> =>
  Effect.gen(function* () {
    const cell = new ChainCell({
      genesis: options.genesis,
      seed: options.seed ?? "relaymill",
      verifiers: rememberingVerifiers(options.verifiers),
      limits: { ...defaultLimits, ...options.limits },
      minGasPriceScaled: options.minGasPriceScaled ?? DEFAULT_MIN_GAS_PRICE,
      taken: options.taken
    })
    const nodes = new Set<() => void>()
    const produceBlock = Effect.map(Clock.currentTimeNanos, (now) => {
      const block = cell.commit(now)
      for (const advance of nodes) advance()
      return block
    })
    yield* produceBlock
    return SimChain.of({
      chainId: cell.state.chainId,
      state: Effect.sync(() => cell.state),
      produceBlock,
      produceUntil: (height) =>
        Effect.whileLoop({
          while: () => cell.state.height < height,
          body: () => produceBlock,
          step: () => {}
        }),
      setHalted: (halted) => Effect.sync(() => void (cell.halted = halted)),
      isHalted: Effect.sync(() => cell.halted),
      setShuffled: (shuffled) => Effect.sync(() => void (cell.shuffled = shuffled)),
      administer: (operation) =>
        Effect.flatMap(Clock.currentTimeNanos, (now) => {
          const refused = cell.administer(operation, now)
          return refused === undefined ? Effect.void : Effect.fail(refused)
        }),
      block: (height) => Effect.sync(() => Option.fromUndefinedOr(cell.block(height))),
      pending: Effect.sync(() => cell.mempool.pending.map(({ hash }) => hash)),
      makeNode: (faults = {}) =>
        Effect.gen(function* () {
          const { ports, advance } = yield* makeSimNode(cell, faults)
          yield* Effect.acquireRelease(
            Effect.sync(() => nodes.add(advance)),
            () => Effect.sync(() => nodes.delete(advance))
          )
          return ports
        })
    })
  })

/** The chain of `make` as a layer. */
export const layer = (options: SimChainOptions): Layer.Layer<SimChain> => Layer.effect(SimChain, make(options))

/** Commits a block every `blockTime` of the Clock while production is not halted. */
export const layerProducer = (blockTime: Duration.Input): Layer.Layer<never, never, SimChain> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const chain = yield* SimChain
      const tick = Effect.gen(function* () {
        yield* Effect.sleep(blockTime)
        if (!(yield* chain.isHalted)) yield* chain.produceBlock
      })
      yield* Effect.forkScoped(Effect.forever(tick))
    })
  )

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
