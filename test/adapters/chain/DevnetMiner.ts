/** A miner over devnet nodes: real sockets, real time, blocks of a fraction of a second. */
import { Duration, Effect, Layer, Redacted, Schedule } from "effect"
import * as BlockReads from "../../../adapters/chain/BlockReads.ts"
import * as BlocksNode from "../../../adapters/chain/BlocksNode.ts"
import * as ChainQueryNode from "../../../adapters/chain/ChainQueryNode.ts"
import * as ChainTxNode from "../../../adapters/chain/ChainTxNode.ts"
import * as QueryEndpoints from "../../../adapters/chain/QueryEndpoints.ts"
import * as RpcEndpoints from "../../../adapters/chain/RpcEndpoints.ts"
import * as SupplierKeysMemory from "../../../adapters/memory/SupplierKeysMemory.ts"
import { demoGenesis } from "../../../adapters/simchain/Genesis.ts"
import * as SimChain from "../../../adapters/simchain/SimChain.ts"
import { rememberingVerifiers } from "../../../adapters/simchain/Verifiers.ts"
import { MinerSettings } from "../../../domain/mining/MinerSettings.ts"
import type { SessionHeader } from "../../../domain/relay/SessionHeader.ts"
import { replay } from "../../../domain/session/SessionState.ts"
import type { GasPrice } from "../../../domain/tx/TxFee.ts"
import {
  application,
  eventsOf,
  gateway,
  layerStores,
  SERVICE,
  supplier,
  testSettings,
  UNITS
} from "../../domain/mining/MinerWorld.ts"

const CHAIN = "devnet-miner"

/** Time between the blocks of these chains. */
export const BLOCK = Duration.millis(120)

const genesis = demoGenesis({
  chainId: CHAIN,
  applications: [{ publicKey: application.publicKey, serviceIds: [SERVICE], gateways: [gateway.address] }],
  gateways: [{ publicKey: gateway.publicKey }],
  suppliers: [{ publicKey: supplier.publicKey, services: [{ serviceId: SERVICE }] }],
  services: [{ id: SERVICE, computeUnitsPerRelay: UNITS }],
  params: { shared: { claimWindowCloseOffsetBlocks: 5n, proofWindowCloseOffsetBlocks: 5n } }
})

/** A chain with windows of six blocks, whose nodes take nothing below 0.000001upokt. */
export const makeChain = SimChain.make({ genesis, seed: CHAIN, verifiers: rememberingVerifiers() })

/** Stores, keys and settings of a miner. */
export const layerOwn = (gasPrice: GasPrice = testSettings.submission.gasPrice) =>
  layerStores.pipe(
    Layer.provideMerge(SupplierKeysMemory.layer([Redacted.make(supplier.privateKey)])),
    Layer.provideMerge(
      Layer.succeed(MinerSettings, {
        ingest: testSettings.ingest,
        fleet: testSettings.fleet,
        submission: { ...testSettings.submission, blockTime: BLOCK, gasPrice }
      })
    )
  )

/** The chain's ports over these nodes, the first of them preferred. */
export const layerPorts = (nodes: ReadonlyArray<{ readonly rpcUrl: string; readonly grpcTarget: string }>) => {
  const rpc = RpcEndpoints.layer(RpcEndpoints.defaultRpcSettings(nodes.map(({ rpcUrl }) => Redacted.make(rpcUrl))))
  const queries = QueryEndpoints.layer({
    grpc: nodes.map(({ grpcTarget, rpcUrl }) => {
      const [host = "", port] = grpcTarget.split(":")
      return { host, port: Number(port), isInsecure: true, rpcUrl: Redacted.make(rpcUrl) }
    }),
    deadline: Duration.seconds(5)
  })
  return Layer.mergeAll(
    ChainTxNode.layer({ chainId: CHAIN }),
    ChainQueryNode.layer.pipe(Layer.provide(BlockReads.layer))
  ).pipe(
    Layer.provideMerge(Layer.merge(queries, BlocksNode.layer(BlocksNode.defaultBlocksSettings(CHAIN, BLOCK)))),
    Layer.provideMerge(rpc)
  )
}

/** How the session ended; undefined when it did not within a while. */
export const endOf = Effect.fnUntraced(function* (header: SessionHeader) {
  let end: string | undefined
  yield* Effect.repeat(
    Effect.map(eventsOf(header), (events) => {
      end = replay(events).end?._tag
      return end
    }),
    { until: (tag) => tag !== undefined, schedule: Schedule.spaced("50 millis"), times: 400 }
  )
  return end
})

/** What a devnet's control surface tells of a transaction. */
export interface ListedTx {
  readonly fee: string
  readonly messages: ReadonlyArray<{ readonly kind: string }>
  readonly taken: number
  readonly refused: Readonly<Record<string, number>>
}

/** Transactions with messages of a kind that the nodes were handed, each once. */
export const listed = (controlUrl: string, kind: "claim" | "proof") =>
  Effect.promise(async () => {
    const { transactions } = (await (await fetch(`${controlUrl}/transactions`)).json()) as {
      transactions: ReadonlyArray<ListedTx>
    }
    return transactions.filter(({ messages }) => messages.some((of) => of.kind === kind))
  })
