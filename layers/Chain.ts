/** The chain's ports over the nodes that a configuration names. */
import { Context, Duration, Effect, Layer } from "effect"
import * as BlocksNode from "../adapters/chain/BlocksNode.ts"
import * as BlockReads from "../adapters/chain/BlockReads.ts"
import * as ChainQueryNode from "../adapters/chain/ChainQueryNode.ts"
import * as ChainTxNode from "../adapters/chain/ChainTxNode.ts"
import * as QueryEndpoints from "../adapters/chain/QueryEndpoints.ts"
import * as RpcEndpoints from "../adapters/chain/RpcEndpoints.ts"
import type { MinerConfig } from "../adapters/config/MinerConfig.ts"
import type { NodeAddress } from "../adapters/config/PocketNodeConfig.ts"
import type { RelayerConfig } from "../adapters/config/RelayerConfig.ts"
import { BlockHint } from "../domain/chain/BlockAnnouncement.ts"
import { ChainReadiness } from "../domain/lifecycle/Readiness.ts"
import { watchClock } from "../domain/monitoring/ClockMonitor.ts"
import type { Blocks } from "../domain/ports/Blocks.ts"
import type { ChainQuery } from "../domain/ports/ChainQuery.ts"
import type { ChainTx } from "../domain/ports/ChainTx.ts"

/** Expected time between blocks where there is no setting: only bounds how long a silent node is believed. */
const BLOCK_TIME = Duration.seconds(30)

/** Blocks, queries and transactions of a miner, signed for the chain of its configuration. */
export const layerMiner = ({
  pocketNode,
  blockTime,
  workerPools
}: MinerConfig): Layer.Layer<Blocks | ChainQuery | ChainTx> => {
  const { chainId, queryTimeout } = pocketNode
  const queries = { deadline: queryTimeout, concurrency: workerPools.queryWorkers }
  return ChainTxNode.layer({ chainId }).pipe(
    Layer.provideMerge(layerNodes(nodesOf(pocketNode), chainId, blockTime, queries, "sends"))
  )
}

/** Blocks and queries of a relayer. Without a chain id in its configuration, its chain is the one that its nodes agree on. */
export const layerRelayer = ({ pocketNode }: RelayerConfig): Layer.Layer<Blocks | ChainQuery> =>
  layerNodes(nodesOf(pocketNode), pocketNode.chainId, BLOCK_TIME, { deadline: pocketNode.queryTimeout }, "reads")

const nodesOf = (first: NodeAddress & { readonly moreNodes: ReadonlyArray<NodeAddress> }) => [first, ...first.moreNodes]

const layerNodes = (
  nodes: ReadonlyArray<NodeAddress>,
  chainId: string | undefined,
  blockTime: Duration.Duration,
  queries: Omit<QueryEndpoints.QuerySettings, "grpc">,
  use: "sends" | "reads"
) => {
  const grpc = nodes.flatMap(({ grpc, grpcInsecure, rpcUrl }) =>
    grpc === undefined ? [] : [{ ...grpc, isInsecure: grpcInsecure, rpcUrl }]
  )
  const query = ChainQueryNode.layer.pipe(Layer.provide(BlockReads.layer))
  return Layer.merge(query, layerAbout(blockTime, use)).pipe(
    Layer.provideMerge(
      Layer.merge(
        BlocksNode.layer(BlocksNode.defaultBlocksSettings(chainId, blockTime)),
        QueryEndpoints.layer({ grpc, ...queries })
      )
    ),
    Layer.provideMerge(
      RpcEndpoints.layer({
        ...RpcEndpoints.defaultRpcSettings(nodes.map(({ rpcUrl }) => rpcUrl)),
        deadline: queries.deadline
      })
    )
  )
}

/** What the process tells of its nodes, and what it tells them. Only who sends transactions looks them up. */
const layerAbout = (blockTime: Duration.Duration, use: "sends" | "reads") =>
  Layer.effectContext(
    Effect.gen(function* () {
      const blocks = yield* BlocksNode.BlockEndpoints
      const queries = yield* QueryEndpoints.QueryEndpoints
      const ofIndex = use === "sends" ? [blocks.indexReasons] : []
      const all = [blocks.reasons, ...ofIndex, queries.reasons, yield* watchClock(blockTime)]
      const reasons = Effect.map(Effect.all(all), (found) => found.flat())
      return Context.make(ChainReadiness, reasons).pipe(Context.add(BlockHint, blocks.hint))
    })
  )
