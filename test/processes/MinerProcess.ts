/**
 * A miner as its configuration file says, over the chain of another process. Arguments: the file, the chain's address.
 * Tells `ready`, then `status` at every change of what it owns, whether it leads, and why it is not ready.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect } from "effect"
import { loadMiner } from "../../adapters/config/ConfigFile.ts"
import type { FleetMiner } from "../../domain/mining/FleetMiner.ts"
import { runMinerProcess } from "../../layers/Miner.ts"
import { argument, runProcess, tell } from "./ProcessEnd.ts"
import * as RemoteChain from "./RemoteChain.ts"

/** Between looks at the status. */
const LOOK = "100 millis"

const follow = (miner: FleetMiner) => {
  let told = ""
  return Effect.gen(function* () {
    const { isLeader, notReady, suppliers } = yield* miner.status
    const status = { suppliers, isLeader, notReady: notReady.map(({ reason }) => reason) }
    const text = JSON.stringify(status)
    if (text !== told) yield* tell("status", status)
    told = text
    yield* Effect.sleep(LOOK)
  }).pipe(Effect.forever)
}

runProcess(
  Effect.gen(function* () {
    const { config } = yield* loadMiner(argument(0, "the configuration file"))
    return yield* runMinerProcess(config, RemoteChain.layer(argument(1, "the chain's address")), (miner) =>
      Effect.andThen(tell("ready"), Effect.asVoid(Effect.forkDetach(follow(miner))))
    )
  }).pipe(Effect.provide(NodeServices.layer))
)
