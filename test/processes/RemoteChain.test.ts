/** The chain of another process keeps the laws of its ports. */
import { Layer, Effect } from "effect"
import { TestClock } from "effect/testing"
import { demoGenesis } from "../../adapters/simchain/Genesis.ts"
import * as SimChain from "../../adapters/simchain/SimChain.ts"
import { rememberingVerifiers } from "../../adapters/simchain/Verifiers.ts"
import { blocksContract } from "../contract/BlocksContract.ts"
import { chainQueryContract } from "../contract/ChainQueryContract.ts"
import { chainTxContract } from "../contract/ChainTxContract.ts"
import { ChainWorld } from "../contract/ChainWorld.ts"
import { testKey } from "../support/RelayBuilder.ts"
import { serveChain } from "./ChainServer.ts"
import * as RemoteChain from "./RemoteChain.ts"

const application = testKey("application")
const supplier = testKey("supplier")
const verifiers = rememberingVerifiers()

const genesis = demoGenesis({
  applications: [{ publicKey: application.publicKey, serviceIds: ["anvil"] }],
  suppliers: [{ publicKey: supplier.publicKey, services: [{ serviceId: "anvil" }] }],
  services: [{ id: "anvil", computeUnitsPerRelay: 100n }]
})

/** Milliseconds at which every chain begins: time-outs below one second count as unset. */
const START = 1_800_000_000_000

/** Behind a server of its own, so that nothing but the wire leads to it. */
const layerRemote = () =>
  Layer.unwrap(
    TestClock.setTime(START).pipe(
      Effect.andThen(Layer.build(Layer.provideMerge(SimChain.layerNode(), SimChain.layer({ genesis, verifiers })))),
      Effect.flatMap((context) => Effect.provide(serveChain, context)),
      Effect.map(RemoteChain.layer)
    )
  )

const world = () =>
  Layer.effect(
    ChainWorld,
    Effect.map(RemoteChain.ChainControl, (control) => ({
      nextBlock: Effect.orDie(control.produceBlock),
      setReadsBroken: (queriesFail: boolean) => Effect.orDie(control.setFaults({ queriesFail })),
      setTxsBroken: (txsFail: boolean) => Effect.orDie(control.setFaults({ txsFail })),
      application,
      supplier,
      service: "anvil",
      computeUnitsPerRelay: 100n
    }))
  ).pipe(Layer.provideMerge(layerRemote()))

blocksContract("chain of another process", world)
chainQueryContract("chain of another process", world)
chainTxContract("chain of another process", world)
