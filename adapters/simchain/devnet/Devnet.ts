/**
 * Nodes of a simulated chain that speak the wire of real ones: CometBFT RPC with WebSocket, and the Cosmos gRPC services,
 * each with faults of its own, and one control surface for all.
 */
import { Effect, Option, type Scope, Stream, type Duration } from "effect"
import { sha256 } from "../../../domain/crypto/Sha256.ts"
import type { CannotListen } from "../../../domain/lifecycle/CannotListen.ts"
import type { NodeFaults } from "../NodeFaults.ts"
import type { SimChain } from "../SimChain.ts"
import type { SimNode } from "../SimNode.ts"
import { startControl } from "./ControlServer.ts"
import { makeGrpcServer } from "./GrpcServer.ts"
import { makeListener } from "./Listener.ts"
import type { NodeView } from "./NodeView.ts"
import { makeRpcServer } from "./RpcServer.ts"
import { makeSubscriptions } from "./Subscriptions.ts"
import { makeTxJournal, type TxJournal } from "./TxJournal.ts"
import { noWireFaults, type WireFaults } from "./WireFaults.ts"

/** What a devnet is started with. */
export interface DevnetOptions {
  readonly chain: SimChain["Service"]
  /** Number of nodes, 1 by default. */
  readonly nodes?: number
  /** `127.0.0.1` by default. */
  readonly host?: string
  /** Ports of the first node; the next nodes have the following ones. 0, the default, takes free ones. */
  readonly rpcPort?: number
  readonly grpcPort?: number
  /** 0, the default, takes a free one. */
  readonly controlPort?: number
  /** Faults that all nodes start with. */
  readonly faults?: Partial<NodeFaults>
}

/** One node and its switches. */
export interface DevnetNode {
  /** `http://host:port`. */
  readonly rpcUrl: string
  /** `ws://host:port/websocket`. */
  readonly webSocketUrl: string
  /** `host:port`, without TLS. */
  readonly grpcTarget: string
  /** Height it shows, and faults of what it sees of the chain. */
  readonly node: SimNode["Service"]
  readonly wireFaults: Effect.Effect<WireFaults>
  /** Changes the named switches of its sockets and leaves the others. */
  readonly setWireFaults: (faults: Partial<WireFaults>) => Effect.Effect<void>
  /** Cuts every connection, listens no more for `down`, and listens again on the same ports. */
  readonly restart: (down?: Duration.Input) => Effect.Effect<void, CannotListen>
  /** WebSocket clients that are connected. */
  readonly webSockets: Effect.Effect<number>
}

/** A running devnet. */
export interface Devnet {
  readonly chain: SimChain["Service"]
  readonly nodes: ReadonlyArray<DevnetNode>
  /** `http://host:port` of the control surface. */
  readonly controlUrl: string
}

/** Starts nodes and control surface; they end with the scope. Blocks come from whoever drives the chain. */
export const startDevnet = (options: DevnetOptions): Effect.Effect<Devnet, CannotListen, Scope.Scope> =>
  Effect.gen(function* () {
    const host = options.host ?? "127.0.0.1"
    const journal = makeTxJournal(sha256)
    const nodes = yield* Effect.forEach(Array.from({ length: options.nodes ?? 1 }), (_, index) =>
      startNode(options, host, index, journal)
    )
    const controlUrl = yield* startControl({
      host,
      port: options.controlPort ?? 0,
      chain: options.chain,
      nodes,
      journal
    })
    return { chain: options.chain, nodes, controlUrl }
  })

const startNode = (
  options: DevnetOptions,
  host: string,
  index: number,
  journal: TxJournal
): Effect.Effect<DevnetNode, CannotListen, Scope.Scope> =>
  Effect.gen(function* () {
    const { blocks, node, wire } = yield* options.chain.makeNode(options.faults)
    const fork = Effect.runForkWith(yield* Effect.context<never>())
    const run = (effect: Effect.Effect<void>) => void fork(effect)
    let wireFaults = noWireFaults
    const view: NodeView = { wire, wireFaults: () => wireFaults, journal }
    const refuses = () => wireFaults.dropConnections

    const subscriptions = yield* makeSubscriptions(view, run)
    const rpcServer = makeRpcServer(view, run)
    rpcServer.on("upgrade", subscriptions.upgrade)
    const rpc = yield* makeListener({
      host,
      port: portOf(options.rpcPort, index),
      refuses,
      take: (socket) => void rpcServer.emit("connection", socket)
    })
    const grpcServer = yield* makeGrpcServer(view, run)
    const grpc = yield* makeListener({
      host,
      port: portOf(options.grpcPort, index),
      refuses,
      take: grpcServer.take
    })

    let published = wire.height()
    yield* Effect.forkScoped(
      Stream.runForEach(blocks.changes, (newest) =>
        Effect.sync(() => {
          for (; published < newest.height; published++) {
            const block = Option.fromUndefinedOr(wire.block(published + 1n))
            if (Option.isSome(block)) subscriptions.publish(block.value)
          }
        })
      )
    )
    return {
      rpcUrl: `http://${host}:${rpc.port}`,
      webSocketUrl: `ws://${host}:${rpc.port}/websocket`,
      grpcTarget: `${host}:${grpc.port}`,
      node,
      wireFaults: Effect.sync(() => wireFaults),
      setWireFaults: (changed) =>
        Effect.sync(() => {
          wireFaults = { ...wireFaults, ...changed }
          if (!wireFaults.dropConnections) return
          rpc.cut()
          grpc.cut()
        }),
      restart: (down = 0) =>
        Effect.gen(function* () {
          yield* Effect.all([rpc.close, grpc.close])
          yield* Effect.sleep(down)
          yield* Effect.all([rpc.open, grpc.open])
        }),
      webSockets: Effect.sync(subscriptions.clients)
    }
  })

const portOf = (first: number | undefined, index: number): number =>
  first === undefined || first === 0 ? 0 : first + index
