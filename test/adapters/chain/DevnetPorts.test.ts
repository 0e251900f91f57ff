/** The ports over real sockets keep the laws that the simulated chain keeps: contract suites against devnet nodes. */
import { Context, Duration, Effect, Layer, Redacted, Schedule, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as BlockReads from "../../../adapters/chain/BlockReads.ts"
import * as BlocksNode from "../../../adapters/chain/BlocksNode.ts"
import * as ChainQueryNode from "../../../adapters/chain/ChainQueryNode.ts"
import * as ChainTxNode from "../../../adapters/chain/ChainTxNode.ts"
import * as QueryEndpoints from "../../../adapters/chain/QueryEndpoints.ts"
import * as RpcEndpoints from "../../../adapters/chain/RpcEndpoints.ts"
import { startDevnet } from "../../../adapters/simchain/devnet/Devnet.ts"
import * as SimChain from "../../../adapters/simchain/SimChain.ts"
import { rememberingVerifiers } from "../../../adapters/simchain/Verifiers.ts"
import { Blocks } from "../../../domain/ports/Blocks.ts"
import { ChainQuery } from "../../../domain/ports/ChainQuery.ts"
import { blocksContract } from "../../contract/BlocksContract.ts"
import { chainQueryContract } from "../../contract/ChainQueryContract.ts"
import { chainTxContract } from "../../contract/ChainTxContract.ts"
import { ChainWorld } from "../../contract/ChainWorld.ts"
import { SMALL_CHAIN_START, smallChain, smallGenesis } from "../../contract/SmallChain.ts"

const verifiers = rememberingVerifiers()

/** A chain with `nodes` nodes behind sockets, and the ports over them; time of the sockets is real. */
const world = (parts: { readonly nodes: number; readonly withGrpc: boolean; readonly txIndexOff?: boolean }) => () =>
  Layer.effectContext(
    Effect.gen(function* () {
      yield* TestClock.setTime(SMALL_CHAIN_START)
      const chain = Context.get(
        yield* Layer.build(SimChain.layer({ genesis: smallGenesis, verifiers })),
        SimChain.SimChain
      )
      // So that there is a block below the newest.
      yield* chain.produceBlock

      const { nodes } = yield* Effect.orDie(startDevnet({ chain, nodes: parts.nodes }))
      for (const node of nodes) yield* node.setWireFaults({ txIndexOff: parts.txIndexOff ?? false })
      const rpc = RpcEndpoints.layer(RpcEndpoints.defaultRpcSettings(nodes.map(({ rpcUrl }) => Redacted.make(rpcUrl))))
      const grpc = nodes.map(({ grpcTarget }) => {
        const [host = "", port] = grpcTarget.split(":")
        return { host, port: Number(port), isInsecure: true }
      })
      const settings = RpcEndpoints.defaultRpcSettings([])
      const queries = QueryEndpoints.layer({ grpc: parts.withGrpc ? grpc : [], deadline: settings.deadline })
      const ports = Layer.mergeAll(
        ChainTxNode.layer({ chainId: smallGenesis.chainId }),
        ChainQueryNode.layer.pipe(Layer.provide(BlockReads.layer))
      ).pipe(
        Layer.provideMerge(
          Layer.merge(queries, BlocksNode.layer(BlocksNode.defaultBlocksSettings(undefined, Duration.seconds(10))))
        ),
        Layer.provide(rpc)
      )
      const context = yield* TestClock.withLive(Layer.build(ports))
      const blocks = Context.get(context, Blocks)
      const query = Context.get(context, ChainQuery)
      /** Cut off; and back once the endpoints, which rest after failures, are asked again. */
      const setBroken = (dropConnections: boolean) =>
        Effect.forEach(nodes, (node) => node.setWireFaults({ dropConnections })).pipe(
          Effect.andThen(
            dropConnections
              ? Effect.void
              : TestClock.withLive(Effect.retry(reads, { schedule: Schedule.spaced("20 millis"), times: 500 }))
          ),
          Effect.orDie
        )
      const reads = Effect.all([query.sharedParams, query.blockLimits, query.blockEvents(1n)], { discard: true })
      return Context.add(context, ChainWorld, {
        nextBlock: Effect.gen(function* () {
          yield* chain.produceBlock
          const height = yield* nodes[0]!.node.height
          yield* blocks.changes.pipe(
            Stream.takeUntil((block) => block.height >= height),
            Stream.runDrain
          )
        }),
        setReadsBroken: setBroken,
        setTxsBroken: setBroken,
        ...smallChain
      })
    })
  )

const grpc = world({ nodes: 1, withGrpc: true })
blocksContract("devnet", grpc)
chainQueryContract("devnet", grpc)
chainTxContract("devnet", grpc)

chainQueryContract("devnet over RPC alone", world({ nodes: 1, withGrpc: false }))

// Fees of recent transactions are in the index only.
const unindexed = world({ nodes: 1, withGrpc: false, txIndexOff: true })
chainTxContract("devnet over RPC alone, without an index", unindexed)

const two = world({ nodes: 2, withGrpc: true })
blocksContract("devnet of two nodes", two)
chainQueryContract("devnet of two nodes", two)
chainTxContract("devnet of two nodes", two)
