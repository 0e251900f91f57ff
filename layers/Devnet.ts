/** A simulated chain behind the wire of real nodes, and what relayers, miners and gateways need to run against it. */
import { Duration, Effect, Layer } from "effect"
import { nodeSha256 } from "../adapters/crypto/NodeSha256.ts"
import { startDemoBackend } from "../adapters/demo/DemoBackend.ts"
import { demoKeys } from "../adapters/demo/DemoKeys.ts"
import { startDevnet } from "../adapters/simchain/devnet/Devnet.ts"
import { keyText, writeHome } from "../adapters/simchain/devnet/DevnetHome.ts"
import { demoGenesis } from "../adapters/simchain/Genesis.ts"
import * as SimChain from "../adapters/simchain/SimChain.ts"

const SERVICE = "devnet-eth"
const CHAIN_ID = "pocket-devnet"
const COMPUTE_UNITS_PER_RELAY = 100n
const RELAYER_ADDRESS = "127.0.0.1:8080"
/** Number on chain of the transport JSON-RPC. */
const JSON_RPC = 3

/** What the command line decides about a devnet, in the ranges that `DevnetCommand` checks. */
export interface DevnetRun {
  readonly nodes: number
  /** Seconds between blocks. */
  readonly blockTime: number
  readonly suppliers: number
  readonly applications: number
  /** Makes the keys of all actors. */
  readonly seed: string
  /** Ports of the first node; 0 takes free ones. */
  readonly rpcPort: number
  readonly grpcPort: number
  readonly controlPort: number
  /** Directory of the configuration files. */
  readonly home: string
  readonly redisUrl: string
}

/** Runs until it is interrupted. `say` gets the lines for a person. */
export const runDevnet = (run: DevnetRun, say: (line: string) => Effect.Effect<void>) => {
  const suppliers = demoKeys(run.seed, "supplier", run.suppliers)
  const applications = demoKeys(run.seed, "application", run.applications)
  const gateways = demoKeys(run.seed, "gateway", 1)
  const chain = SimChain.layer({
    seed: run.seed,
    verifiers: { sha256: nodeSha256 },
    genesis: demoGenesis({
      chainId: CHAIN_ID,
      services: [{ id: SERVICE, name: "Devnet JSON-RPC", computeUnitsPerRelay: COMPUTE_UNITS_PER_RELAY }],
      gateways: gateways.map(({ publicKey }) => ({ publicKey })),
      applications: applications.map(({ publicKey }) => ({
        publicKey,
        serviceIds: [SERVICE],
        gateways: gateways.map(({ address }) => address)
      })),
      suppliers: suppliers.map(({ publicKey }) => ({
        publicKey,
        services: [
          {
            serviceId: SERVICE,
            endpoints: [{ url: `http://${RELAYER_ADDRESS}`, rpcType: JSON_RPC, configs: [] }]
          }
        ]
      }))
    })
  })
  return Effect.scoped(
    Effect.gen(function* () {
      const backendUrl = yield* startDemoBackend
      const { controlUrl, nodes } = yield* startDevnet({
        chain: yield* SimChain.SimChain,
        nodes: run.nodes,
        rpcPort: run.rpcPort,
        grpcPort: run.grpcPort,
        controlPort: run.controlPort
      })
      const home = yield* writeHome({
        directory: run.home,
        chainId: CHAIN_ID,
        nodes,
        supplierKeys: suppliers.map(({ privateKey }) => privateKey),
        redisUrl: run.redisUrl,
        relayerAddress: RELAYER_ADDRESS,
        service: SERVICE,
        backendUrl,
        blockTimeSeconds: run.blockTime
      })
      for (const [index, { grpcTarget, rpcUrl }] of nodes.entries()) {
        yield* say(`node ${index}: RPC ${rpcUrl}, gRPC ${grpcTarget}`)
      }
      yield* say(`control: ${controlUrl} (chain ${CHAIN_ID}, a block every ${run.blockTime} s)`)
      yield* say(`relayer: relaymill relayer --config ${home.relayer}`)
      yield* say(`miner: relaymill miner --config ${home.miner}`)
      yield* say("keys of this devnet, worth nothing anywhere else, for a gateway:")
      // Keys made from a public seed: a person needs them to send relays.
      for (const { address, privateKey } of gateways) {
        yield* say(`  gateway ${address} ${keyText(privateKey)}`)
      }
      for (const { address, privateKey } of applications) {
        yield* say(`  application ${address} ${keyText(privateKey)} (service ${SERVICE})`)
      }
      return yield* Effect.never
    })
  ).pipe(Effect.provide(SimChain.layerProducer(Duration.seconds(run.blockTime)).pipe(Layer.provideMerge(chain))))
}
