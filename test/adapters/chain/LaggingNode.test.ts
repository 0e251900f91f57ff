/**
 * A miner over two devnet nodes, the first choice of which is a healthy one that is now and then a few blocks behind: what
 * it does not show yet is never taken for what is not there, and nothing is decided below a height already acted upon.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Duration, Effect, Layer, Redacted, Schedule, Stream } from "effect"
import * as BlockReads from "../../../adapters/chain/BlockReads.ts"
import * as BlocksNode from "../../../adapters/chain/BlocksNode.ts"
import * as ChainQueryNode from "../../../adapters/chain/ChainQueryNode.ts"
import * as ChainTxNode from "../../../adapters/chain/ChainTxNode.ts"
import * as QueryEndpoints from "../../../adapters/chain/QueryEndpoints.ts"
import * as RpcEndpoints from "../../../adapters/chain/RpcEndpoints.ts"
import * as BroadcastMemory from "../../../adapters/memory/BroadcastMemory.ts"
import * as EntropySeeded from "../../../adapters/memory/EntropySeeded.ts"
import * as LeasesMemory from "../../../adapters/memory/LeasesMemory.ts"
import { MemoryStores } from "../../../adapters/memory/MemoryStores.ts"
import * as RelayLogMemory from "../../../adapters/memory/RelayLogMemory.ts"
import * as SupplierKeysMemory from "../../../adapters/memory/SupplierKeysMemory.ts"
import * as SupplierStoreMemory from "../../../adapters/memory/SupplierStoreMemory.ts"
import { startDevnet } from "../../../adapters/simchain/devnet/Devnet.ts"
import { demoGenesis } from "../../../adapters/simchain/Genesis.ts"
import * as SimChain from "../../../adapters/simchain/SimChain.ts"
import { rememberingVerifiers } from "../../../adapters/simchain/Verifiers.ts"
import { startMiner } from "../../../domain/mining/Miner.ts"
import { MinerSettings } from "../../../domain/mining/MinerSettings.ts"
import { Blocks } from "../../../domain/ports/Blocks.ts"
import { replay } from "../../../domain/session/SessionState.ts"
import {
  append,
  application,
  eventsOf,
  gateway,
  headerAt,
  relaysOf,
  SERVICE,
  supplier,
  testSettings,
  UNITS
} from "../../domain/mining/MinerWorld.ts"
import { eventually } from "./FakeComet.ts"

const CHAIN = "lagging"
const BLOCK = Duration.millis(120)

const genesis = demoGenesis({
  chainId: CHAIN,
  applications: [{ publicKey: application.publicKey, serviceIds: [SERVICE], gateways: [gateway.address] }],
  gateways: [{ publicKey: gateway.publicKey }],
  suppliers: [{ publicKey: supplier.publicKey, services: [{ serviceId: SERVICE }] }],
  services: [{ id: SERVICE, computeUnitsPerRelay: UNITS }],
  params: { shared: { claimWindowCloseOffsetBlocks: 5n, proofWindowCloseOffsetBlocks: 5n } }
})

/** A miner's stores and keys. */
const layerOwn = Layer.mergeAll(
  RelayLogMemory.layer,
  SupplierStoreMemory.layer,
  LeasesMemory.layerWith(Duration.seconds(10)),
  BroadcastMemory.layer
).pipe(
  Layer.provideMerge(MemoryStores.layer),
  Layer.provideMerge(EntropySeeded.layer),
  Layer.provideMerge(SupplierKeysMemory.layer([Redacted.make(supplier.privateKey)])),
  Layer.provideMerge(
    Layer.succeed(MinerSettings, {
      ingest: testSettings.ingest,
      fleet: testSettings.fleet,
      submission: { ...testSettings.submission, blockTime: BLOCK }
    })
  )
)

/** The chain's ports over these nodes, the first of them preferred. */
const layerPorts = (nodes: ReadonlyArray<{ readonly rpcUrl: string; readonly grpcTarget: string }>) => {
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

describe("a node that is a few blocks behind", () => {
  for (const txIndexOff of [false, true]) {
    it.live(
      `costs no fee and no session, and takes no height back: index ${txIndexOff ? "off" : "on"}`,
      () =>
        Effect.gen(function* () {
          const chain = yield* SimChain.make({ genesis, seed: "lagging", verifiers: rememberingVerifiers() })
          const { controlUrl, nodes } = yield* startDevnet({ chain, nodes: 2 })
          const [behind] = nodes
          for (const node of nodes) yield* node.setWireFaults({ txIndexOff })
          const ports = yield* Layer.build(layerPorts(nodes))
          const blocks = Context.get(ports, Blocks)
          const endpoints = Context.get(ports, BlocksNode.BlockEndpoints)
          const seen: Array<bigint> = []
          yield* Effect.forkScoped(
            Stream.runForEach(blocks.changes, ({ height }) => Effect.sync(() => seen.push(height)))
          )
          const own = yield* Layer.build(layerOwn)
          const program = Effect.gen(function* () {
            const header = yield* headerAt(1n)
            yield* append(header, relaysOf(header, 5))
            yield* startMiner
            let lag = 0n
            // 0, 1, 2, 3, 0, … blocks behind: as many as nodes of one network may be apart.
            yield* Effect.forkScoped(
              Effect.gen(function* () {
                lag = (lag + 1n) % 4n
                yield* behind!.node.setFaults({ lagBlocks: lag })
                yield* chain.produceBlock
              }).pipe(Effect.repeat(Schedule.spaced(BLOCK)))
            )
            let end: string | undefined
            yield* Effect.repeat(
              Effect.map(eventsOf(header), (events) => {
                end = replay(events).end?._tag
                return end
              }),
              { until: (tag) => tag !== undefined, schedule: Schedule.spaced("50 millis"), times: 400 }
            )
            assert.strictEqual(end, "Settled")
            // Every event is of a height at or above those before it.
            const heights = (yield* eventsOf(header)).flatMap((event) => ("height" in event ? [event.height] : []))
            assert.isAbove(heights.length, 3)
            assert.deepStrictEqual(
              heights,
              heights.toSorted((a, b) => Number(a - b))
            )
          })
          yield* program.pipe(Effect.provide(Context.merge(ports, own)))
          assert.deepStrictEqual(
            seen,
            [...new Set(seen)].toSorted((a, b) => Number(a - b))
          )
          const { transactions } = yield* Effect.promise(
            async () =>
              (await (await fetch(`${controlUrl}/transactions`)).json()) as {
                transactions: ReadonlyArray<{ messages: ReadonlyArray<{ kind: string }>; block?: { height: string } }>
              }
          )
          const ofKind = (kind: string) =>
            transactions.filter(({ messages }) => messages.some((of) => of.kind === kind))
          assert.lengthOf(ofKind("claim"), 1)
          assert.lengthOf(ofKind("proof"), 1)
          yield* eventually("nothing is blocking", () =>
            Effect.runSync(endpoints.reasons).every(({ isBlocking }) => !isBlocking)
          )
        }),
      60_000
    )
  }
})
