/** `relaymill devnet`: a simulated chain that speaks the wire of real nodes, for relayers and miners in other processes. */
import { Console, Effect } from "effect"
import { Command, Flag } from "effect/cli"
import { checkCounts, countFlag } from "./CountFlag.ts"
import { refused } from "./StartRefused.ts"

const nodes = countFlag("nodes", 1, 1, 20, "Nodes of the chain, each with ports and faults of its own")
const blockTime = countFlag("block-time", 1, 1, 3_600, "Seconds between blocks")
const suppliers = countFlag("suppliers", 2, 1, 1_000, "Staked suppliers, all in every session")
const applications = countFlag("applications", 2, 1, 100, "Staked applications, all signed for by one gateway")
const rpcPort = countFlag("rpc-port", 26_657, 0, 65_500, "CometBFT RPC port of the first node, 0 for free ones")
const grpcPort = countFlag("grpc-port", 9_090, 0, 65_500, "gRPC port of the first node, 0 for free ones")
const controlPort = countFlag("control-port", 26_600, 0, 65_535, "Port of the control surface, 0 for a free one")

/** `relaymill devnet`. Fails with `StartRefused` for a number out of range, a port in use or a directory not writable. */
export const devnetCommand = Command.make(
  "devnet",
  {
    nodes: nodes.flag,
    blockTime: blockTime.flag,
    suppliers: suppliers.flag,
    applications: applications.flag,
    rpcPort: rpcPort.flag,
    grpcPort: grpcPort.flag,
    controlPort: controlPort.flag,
    seed: Flag.String("seed").pipe(Flag.withDefault("relaymill"), Flag.withDescription("Makes the keys of all actors")),
    home: Flag.String("home").pipe(
      Flag.withDefault("devnet"),
      Flag.withDescription("Directory for relayer.yaml, miner.yaml and keys.yaml (made if absent)")
    ),
    redisUrl: Flag.String("redis-url").pipe(
      Flag.withDefault("redis://127.0.0.1:6379"),
      Flag.withDescription("Redis that the written files name")
    )
  },
  Effect.fnUntraced(function* (options) {
    yield* checkCounts([
      [nodes, options.nodes],
      [blockTime, options.blockTime],
      [suppliers, options.suppliers],
      [applications, options.applications],
      [rpcPort, options.rpcPort],
      [grpcPort, options.grpcPort],
      [controlPort, options.controlPort]
    ])
    // Loaded here, so that help and version answer without it.
    const { runDevnet } = yield* Effect.promise(() => import("../layers/Devnet.ts"))
    return yield* runDevnet(options, Console.log).pipe(
      Effect.catchTags({ CannotListen: refused, HomeRefused: refused })
    )
  })
).pipe(Command.withDescription("Serve a simulated chain over CometBFT RPC and gRPC for other processes"))
