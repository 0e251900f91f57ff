/**
 * A process with the simulated chain, two devnet nodes that serve it to the fleet, and the backend that relays are for.
 * Argument: a `FleetChain` as JSON. The chain stands still behind its first block until it is told to go on. Tells `ready`
 * with all addresses; `url` is where the driver and the gateway read it.
 */
import { Duration, Effect, Layer, Schema } from "effect"
import { startDemoBackend } from "../../adapters/demo/DemoBackend.ts"
import { startDevnet } from "../../adapters/simchain/devnet/Devnet.ts"
import * as SimChain from "../../adapters/simchain/SimChain.ts"
import { serveChain } from "./ChainServer.ts"
import { FleetChain, simChainOf } from "./FleetChain.ts"
import { argument, runProcess, tell } from "./ProcessEnd.ts"

/** Full nodes of the fleet. */
const NODES = 2

const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(FleetChain))

runProcess(
  Effect.gen(function* () {
    const chain = yield* decode(argument(0, "the chain as JSON"))
    return yield* Effect.gen(function* () {
      yield* SimChain.SimChain.use((running) => running.setHalted(true))
      const url = yield* serveChain
      const backend = yield* startDemoBackend
      const { controlUrl, nodes } = yield* startDevnet({ chain: yield* SimChain.SimChain, nodes: NODES })
      yield* tell("ready", {
        url,
        backend,
        control: controlUrl,
        nodes: nodes.map(({ grpcTarget, rpcUrl }) => ({ grpcTarget, rpcUrl }))
      })
      return yield* Effect.never
    }).pipe(
      Effect.provide(
        Layer.mergeAll(SimChain.layerNode(), SimChain.layerProducer(Duration.millis(chain.blockMillis))).pipe(
          Layer.provideMerge(SimChain.layer(simChainOf(chain)))
        )
      )
    )
  }).pipe(Effect.scoped)
)
