/**
 * A process with the simulated chain and the backend that relays are for. Argument: a `FleetChain` as JSON. The chain
 * stands still behind its first block until it is told to go on. Tells `ready` with both addresses.
 */
import { Duration, Effect, Layer, Schema } from "effect"
import { startDemoBackend } from "../../adapters/demo/DemoBackend.ts"
import * as SimChain from "../../adapters/simchain/SimChain.ts"
import { serveChain } from "./ChainServer.ts"
import { FleetChain, simChainOf } from "./FleetChain.ts"
import { argument, runProcess, tell } from "./ProcessEnd.ts"

const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(FleetChain))

runProcess(
  Effect.gen(function* () {
    const chain = yield* decode(argument(0, "the chain as JSON"))
    return yield* Effect.gen(function* () {
      yield* SimChain.SimChain.use((running) => running.setHalted(true))
      const url = yield* serveChain
      const backend = yield* startDemoBackend
      yield* tell("ready", { url, backend })
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
