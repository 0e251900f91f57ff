/** A relayer as its configuration file says, over the chain of another process. Arguments: the file, the chain's address. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect } from "effect"
import { loadRelayer } from "../../adapters/config/ConfigFile.ts"
import { runRelayer } from "../../layers/Relayer.ts"
import { argument, runProcess, tell } from "./ProcessEnd.ts"
import * as RemoteChain from "./RemoteChain.ts"

runProcess(
  Effect.gen(function* () {
    const { config } = yield* loadRelayer(argument(0, "the configuration file"))
    return yield* runRelayer(config, RemoteChain.layer(argument(1, "the chain's address")), (port) =>
      tell("ready", { port })
    )
  }).pipe(Effect.provide(NodeServices.layer))
)
