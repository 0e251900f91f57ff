/** The simulated chain as a service: the port contracts, the producer, operations, nodes with faults. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Result, Stream } from "effect"
import { TestClock } from "effect/testing"
import { updateSharedParams } from "../../../adapters/simchain/Governance.ts"
import * as SimChain from "../../../adapters/simchain/SimChain.ts"
import { SimNode } from "../../../adapters/simchain/SimNode.ts"
import { unstakeSupplier } from "../../../adapters/simchain/SupplierLifecycle.ts"
import { rememberingVerifiers } from "../../../adapters/simchain/Verifiers.ts"
import { Blocks } from "../../../domain/ports/Blocks.ts"
import { ChainQuery } from "../../../domain/ports/ChainQuery.ts"
import { ChainTx } from "../../../domain/ports/ChainTx.ts"
import { blocksContract } from "../../contract/BlocksContract.ts"
import { chainQueryContract } from "../../contract/ChainQueryContract.ts"
import { chainTxContract } from "../../contract/ChainTxContract.ts"
import { ChainWorld, reachClaimWindow, worldClaim, worldTx } from "../../contract/ChainWorld.ts"
import { SMALL_CHAIN_START, smallChain, smallGenesis } from "../../contract/SmallChain.ts"

const verifiers = rememberingVerifiers()

const chainLayer = () =>
  Layer.unwrap(Effect.as(TestClock.setTime(SMALL_CHAIN_START), SimChain.layer({ genesis: smallGenesis, verifiers })))

/** Header time so many seconds after the start. */
const after = (seconds: number): bigint => BigInt(SMALL_CHAIN_START + seconds * 1_000) * 1_000_000n

const worldLayer = Layer.effect(
  ChainWorld,
  Effect.gen(function* () {
    const chain = yield* SimChain.SimChain
    const node = yield* SimNode
    return ChainWorld.of({
      nextBlock: Effect.asVoid(chain.produceBlock),
      setReadsBroken: (queriesFail) => node.setFaults({ queriesFail }),
      setTxsBroken: (txsFail) => node.setFaults({ txsFail }),
      ...smallChain
    })
  })
)

const world = () => worldLayer.pipe(Layer.provideMerge(SimChain.layerNode()), Layer.provideMerge(chainLayer()))

blocksContract("simulated chain", world)
chainQueryContract("simulated chain", world)
chainTxContract("simulated chain", world)

type Ports = Layer.Success<ReturnType<typeof world>>

const test = <A, E>(title: string, body: Effect.Effect<A, E, Ports>) =>
  it.effect(title, () => body.pipe(Effect.provide(world())))

/** A claim in the first block of its window, ready to be sent. */
const readyClaim = Effect.gen(function* () {
  const tx = yield* ChainTx
  const header = yield* reachClaimWindow
  return yield* worldTx([yield* worldClaim(header)], tx.chainId)
})

const isUnavailable = <A, E extends { readonly _tag: string }>(effect: Effect.Effect<A, E>) =>
  Effect.map(Effect.result(effect), (result) => Result.isFailure(result) && result.failure._tag === "ChainUnavailable")

describe("a node's faults", () => {
  test(
    "lag: blocks, queries and simulation are behind, and the view never goes back",
    Effect.gen(function* () {
      const [chain, node, blocks, query] = [yield* SimChain.SimChain, yield* SimNode, yield* Blocks, yield* ChainQuery]
      yield* chain.produceUntil(10n)
      assert.strictEqual((yield* blocks.latest).height, 10n)
      yield* node.setFaults({ lagBlocks: 3n })
      assert.strictEqual((yield* blocks.latest).height, 10n)
      yield* chain.produceUntil(12n)
      assert.strictEqual(yield* node.height, 10n)
      yield* chain.administer(unstakeSupplier(smallChain.supplier.address))
      yield* chain.produceUntil(15n)
      assert.strictEqual((yield* blocks.latest).height, 12n)
      assert.isTrue(Option.isNone(yield* blocks.at(13n)))
      assert.isTrue(Option.isNone(yield* query.blockEvents(13n)))
      const address = smallChain.supplier.address as Parameters<typeof query.supplier>[0]
      assert.strictEqual(Option.getOrThrow(yield* query.supplier(address)).unstakeSessionEndHeight, 0n)
      yield* node.setFaults({ lagBlocks: 0n })
      assert.strictEqual((yield* blocks.latest).height, 15n)
      assert.strictEqual(Option.getOrThrow(yield* query.supplier(address)).unstakeSessionEndHeight, 18n)
    })
  )

  test(
    "views are those of one node only",
    Effect.gen(function* () {
      const [chain, blocks] = [yield* SimChain.SimChain, yield* Blocks]
      const slow = yield* chain.makeNode({ lagBlocks: 2n, queriesFail: true })
      yield* chain.produceUntil(9n)
      assert.strictEqual((yield* blocks.latest).height, 9n)
      assert.strictEqual((yield* slow.blocks.latest).height, 7n)
      assert.isTrue(yield* isUnavailable(slow.query.sharedParams))
      assert.isFalse(yield* isUnavailable((yield* ChainQuery).sharedParams))
    }).pipe(Effect.scoped)
  )

  test(
    "queries behind the blocks of the same node",
    Effect.gen(function* () {
      const [chain, node, blocks, query] = [yield* SimChain.SimChain, yield* SimNode, yield* Blocks, yield* ChainQuery]
      yield* chain.produceUntil(5n)
      yield* node.setFaults({ queryLagBlocks: 2n })
      yield* chain.administer(updateSharedParams({ computeUnitsToTokensMultiplier: 7n }))
      yield* chain.produceUntil(7n)
      assert.strictEqual((yield* blocks.latest).height, 7n)
      assert.strictEqual((yield* query.sharedParams).computeUnitsToTokensMultiplier, 42_000_000n)
      yield* chain.produceBlock
      assert.strictEqual((yield* query.sharedParams).computeUnitsToTokensMultiplier, 7n)
    })
  )

  test(
    "stalled blocks: the stream is silent, then continues with the newest",
    Effect.gen(function* () {
      const [chain, node, blocks] = [yield* SimChain.SimChain, yield* SimNode, yield* Blocks]
      yield* node.setFaults({ blocksStalled: true })
      yield* chain.produceUntil(300n)
      assert.strictEqual((yield* blocks.latest).height, 1n)
      yield* node.setFaults({ blocksStalled: false })
      assert.strictEqual((yield* blocks.latest).height, 300n)
      const [first] = yield* blocks.changes.pipe(Stream.take(1), Stream.runCollect)
      assert.strictEqual(first?.height, 300n)
    })
  )

  test(
    "injected refusals are given once each and classified; the transaction goes nowhere",
    Effect.gen(function* () {
      const [node, tx, chain] = [yield* SimNode, yield* ChainTx, yield* SimChain.SimChain]
      const { txBytes } = yield* readyClaim
      yield* node.setFaults({
        refusals: [
          { codespace: "sdk", code: 20, log: "" },
          { text: "mempool is still rechecking after a new committed block, so it is considered as full" },
          { codespace: "sdk", code: 5, log: "spendable balance 1upokt is smaller than 2upokt: insufficient funds" }
        ]
      })
      for (const reason of ["retry", "retry", "operator"]) {
        const refused = yield* Effect.flip(tx.broadcast(txBytes))
        assert.strictEqual(refused._tag === "TxRefused" ? refused.reason : refused._tag, reason)
      }
      assert.deepStrictEqual(yield* chain.pending, [])
      yield* tx.broadcast(txBytes)
      assert.strictEqual((yield* chain.pending).length, 1)
    })
  )

  test(
    "dropped after CheckTx: accepted, never included; the bytes may be sent again, or are known for ever",
    Effect.gen(function* () {
      const [node, tx, chain] = [yield* SimNode, yield* ChainTx, yield* SimChain.SimChain]
      const { txBytes, hash } = yield* readyClaim
      yield* node.setFaults({ dropAccepted: 1 })
      yield* tx.broadcast(txBytes)
      yield* chain.produceBlock
      assert.isTrue(Option.isNone(yield* tx.find(hash)))
      yield* node.setFaults({ dropAccepted: 1, dropKeepsCache: true })
      yield* tx.broadcast(txBytes)
      const known = yield* Effect.flip(tx.broadcast(txBytes))
      assert.strictEqual(known._tag === "TxRefused" ? known.reason : known._tag, "known")
      yield* chain.produceBlock
      assert.isTrue(Option.isNone(yield* tx.find(hash)))
    })
  )

  test(
    "a lost reply took effect all the same",
    Effect.gen(function* () {
      const [node, tx, chain] = [yield* SimNode, yield* ChainTx, yield* SimChain.SimChain]
      const { txBytes, hash } = yield* readyClaim
      yield* node.setFaults({ loseReplies: 1 })
      assert.isTrue(yield* isUnavailable(tx.broadcast(txBytes)))
      const again = yield* Effect.flip(tx.broadcast(txBytes))
      assert.strictEqual(again._tag === "TxRefused" ? again.reason : again._tag, "known")
      yield* chain.produceBlock
      assert.isTrue(Option.isSome(yield* tx.find(hash)))
    })
  )

  test(
    "delayed inclusion",
    Effect.gen(function* () {
      const [node, tx, chain] = [yield* SimNode, yield* ChainTx, yield* SimChain.SimChain]
      const { txBytes, hash } = yield* readyClaim
      yield* node.setFaults({ inclusionDelayBlocks: 2n })
      const { height } = yield* chain.state
      yield* tx.broadcast(txBytes)
      yield* chain.produceUntil(height + 2n)
      assert.isTrue(Option.isNone(yield* tx.find(hash)))
      yield* chain.produceBlock
      assert.deepStrictEqual(
        Option.map(yield* tx.find(hash), (found) => found.height),
        Option.some(height + 3n)
      )
    })
  )

  test(
    "a reader of blocks that has stopped reading keeps none from the others",
    Effect.gen(function* () {
      const chain = yield* SimChain.SimChain
      const blocks = yield* Blocks
      yield* Effect.forkChild(Stream.runForEach(blocks.changes, () => Effect.never))
      let seen = 0n
      yield* Effect.forkChild(
        Stream.runForEach(blocks.changes, ({ height }) => Effect.sync(() => void (seen = height)))
      )
      yield* TestClock.adjust(0)
      yield* Effect.forEach(Array.from({ length: 40 }), () => Effect.andThen(chain.produceBlock, Effect.yieldNow))
      yield* TestClock.adjust(0)
      assert.strictEqual(seen, (yield* blocks.latest).height)
    })
  )
})

describe("the chain's switches", () => {
  test(
    "shuffled blocks have another order, the same for the same seed",
    Effect.gen(function* () {
      const [chain, tx] = [yield* SimChain.SimChain, yield* ChainTx]
      const header = yield* reachClaimWindow
      yield* chain.setShuffled(true)
      const sent: Array<string> = []
      for (let count = 0; count < 8; count++) {
        const { txBytes, hash } = yield* worldTx([yield* worldClaim(header)], tx.chainId)
        yield* tx.broadcast(txBytes)
        sent.push(hash)
      }
      const block = yield* chain.produceBlock
      const included = block.txs.map(({ hash }) => hash)
      assert.notDeepEqual(included, sent)
      assert.deepStrictEqual([...included].sort(), [...sent].sort())
    })
  )

  it.effect("the producer commits a block each block time of the Clock, and none while halted", () =>
    Effect.gen(function* () {
      const chain = yield* SimChain.SimChain
      const height = Effect.map(chain.state, (state) => state.height)
      assert.strictEqual(yield* height, 1n)
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(yield* height, 4n)
      assert.strictEqual((yield* chain.state).timeUnixNano, after(3))
      yield* chain.setHalted(true)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* height, 4n)
      yield* chain.setHalted(false)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* height, 5n)
      assert.strictEqual((yield* chain.state).timeUnixNano, after(14))
    }).pipe(Effect.provide(SimChain.layerProducer("1 second").pipe(Layer.provideMerge(chainLayer()))))
  )

  it.effect("equal seeds and times give equal blocks, other seeds other ones", () =>
    Effect.gen(function* () {
      const hashOf = (seed: string) =>
        Effect.gen(function* () {
          const chain = yield* SimChain.make({ genesis: smallGenesis, seed, verifiers })
          yield* chain.produceUntil(9n)
          return Option.getOrThrow(yield* chain.block(9n)).hash
        })
      assert.deepStrictEqual(yield* hashOf("a"), yield* hashOf("a"))
      assert.notDeepEqual(yield* hashOf("a"), yield* hashOf("b"))
    })
  )

  test(
    "operations run in the next block; one that cannot is refused at once",
    Effect.gen(function* () {
      const chain = yield* SimChain.SimChain
      yield* chain.administer(updateSharedParams({ computeUnitsToTokensMultiplier: 7n }))
      assert.strictEqual((yield* chain.state).params.shared.live.computeUnitsToTokensMultiplier, 42_000_000n)
      yield* chain.administer(unstakeSupplier(smallChain.supplier.address))
      const twice = yield* Effect.flip(chain.administer(unstakeSupplier(smallChain.supplier.address)))
      assert.strictEqual(twice._tag, "OperationRefused")
      yield* chain.produceBlock
      const { params, suppliers } = yield* chain.state
      assert.strictEqual(params.shared.live.computeUnitsToTokensMultiplier, 7n)
      assert.strictEqual(suppliers.get(smallChain.supplier.address)?.unstakeSessionEndHeight, 6n)
    })
  )
})
