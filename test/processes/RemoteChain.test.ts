/** The chain of another process keeps the laws of its ports. */
import { Layer, Effect } from "effect"
import { TestClock } from "effect/testing"
import * as SimChain from "../../adapters/simchain/SimChain.ts"
import { rememberingVerifiers } from "../../adapters/simchain/Verifiers.ts"
import { blocksContract } from "../contract/BlocksContract.ts"
import { chainQueryContract } from "../contract/ChainQueryContract.ts"
import { chainTxContract } from "../contract/ChainTxContract.ts"
import { ChainWorld } from "../contract/ChainWorld.ts"
import { SMALL_CHAIN_START, smallChain, smallGenesis } from "../contract/SmallChain.ts"
import { serveChain } from "./ChainServer.ts"
import * as RemoteChain from "./RemoteChain.ts"

const verifiers = rememberingVerifiers()

/** Behind a server of its own, so that nothing but the wire leads to it. */
const layerRemote = () =>
  Layer.unwrap(
    TestClock.setTime(SMALL_CHAIN_START).pipe(
      Effect.andThen(
        Layer.build(Layer.provideMerge(SimChain.layerNode(), SimChain.layer({ genesis: smallGenesis, verifiers })))
      ),
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
      ...smallChain
    }))
  ).pipe(Layer.provideMerge(layerRemote()))

blocksContract("chain of another process", world)
chainQueryContract("chain of another process", world)
chainTxContract("chain of another process", world)
