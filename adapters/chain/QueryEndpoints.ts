/**
 * Where state is read: the nodes' gRPC, and their RPC where gRPC is not given or fails. Looks at every endpoint now and
 * then, so that one that has fallen behind is asked last.
 */
import { Context, Duration, Effect, Layer, type Redacted, Result, Schedule } from "effect"
import { Query as Sessions } from "../../domain/chain/proto/pocket/session_pb.ts"
import type { ReadinessReason } from "../../domain/lifecycle/Readiness.ts"
import { makeAbciTransport } from "./AbciTransport.ts"
import { EndpointFailed } from "./EndpointFailed.ts"
import { defaultPoolSettings, type Endpoint, type EndpointPool, makeEndpointPool } from "./EndpointPool.ts"
import { type GrpcAddress, grpcName, makeGrpcTransport } from "./GrpcTransport.ts"
import { makeQueryCalls, pathOf, type QueryCalls } from "./QueryCalls.ts"
import type { QueryTransport } from "./QueryTransport.ts"
import { RpcEndpoints } from "./RpcEndpoints.ts"

/** The endpoints and the questions asked of them. */
export class QueryEndpoints extends Context.Service<
  QueryEndpoints,
  {
    readonly calls: QueryCalls
    /** For other calls than queries: simulation and broadcast. */
    readonly pool: EndpointPool<QueryTransport>
    /** Reasons for `/ready`; blocking when state cannot be read anywhere. */
    readonly reasons: Effect.Effect<ReadonlyArray<ReadinessReason>>
  }
>()("relaymill/adapters/chain/QueryEndpoints") {}

/** A gRPC server, and the RPC of the same node: when that shows another chain or a fork, neither is asked. */
export interface NodeGrpc extends GrpcAddress {
  /** One of `RpcEndpoints`; left out: the server is believed whatever the nodes show. */
  readonly rpcUrl?: Redacted.Redacted
}

/** Which gRPC servers are asked and how long. */
export interface QuerySettings {
  /** First choice first; may be empty. Repeated ones count once. */
  readonly grpc: ReadonlyArray<NodeGrpc>
  /** Longest time of a query with all its attempts. */
  readonly deadline: Duration.Duration
  /** Queries under way at the same time; the default of pools if left out. */
  readonly concurrency?: number
}

/** Blocks that an endpoint may be behind the newest block shown: nodes of one network differ by one or two. */
const LAG_BLOCKS = 3n

/** Time between two looks at every endpoint. */
const LOOK = Duration.seconds(10)

/** Opens no connection: nodes may be away. Every RPC endpoint follows after all gRPC servers. */
export const layer = (settings: QuerySettings): Layer.Layer<QueryEndpoints, never, RpcEndpoints> =>
  Layer.effect(
    QueryEndpoints,
    Effect.gen(function* () {
      const rpc = yield* RpcEndpoints
      const endpoints: Array<Endpoint<QueryTransport>> = []
      for (const address of settings.grpc) {
        const name = grpcName(address)
        if (endpoints.some((known) => known.name === name)) continue
        const transport = yield* makeGrpcTransport(address)
        const node = address.rpcUrl === undefined ? undefined : rpc.nameOf(address.rpcUrl)
        endpoints.push({ name, client: node === undefined ? transport : believing(transport, name, node, rpc.pool) })
      }
      for (const { name, client } of rpc.endpoints) {
        endpoints.push({
          name: abciName(name),
          client: believing(makeAbciTransport(name, client), name, name, rpc.pool)
        })
      }
      const common = defaultPoolSettings("query")
      const { concurrency = common.concurrency, deadline } = settings
      const pool = yield* makeEndpointPool(endpoints, { ...common, concurrency, deadline })

      const heights = new Map<string, bigint>()
      const judge = (endpoint: string, height: bigint) => {
        const behind = (rpc.shown.newest ?? newestOf(heights.values())) - height
        const detail = behind > LAG_BLOCKS ? `is ${behind} blocks behind, at height ${height}` : undefined
        return pool.report(endpoint, "lagging", detail)
      }
      const noteHeight = (endpoint: string, height: bigint) =>
        Effect.suspend(() => {
          heights.set(endpoint, height)
          return judge(endpoint, height)
        })

      const path = pathOf(Sessions.method.params)
      const look = Effect.gen(function* () {
        const answers = yield* pool.each("height", (transport) => transport.unary(path, new Uint8Array(0)))
        // Where an endpoint that did not answer was before says nothing of where it is.
        const shown = answers.flatMap(({ endpoint, result }) =>
          Result.isSuccess(result) && result.success.height !== undefined
            ? [{ endpoint, height: result.success.height }]
            : []
        )
        for (const { endpoint, height } of shown) heights.set(endpoint, height)
        for (const { endpoint, height } of shown) yield* judge(endpoint, height)
      })
      if (endpoints.length > 1) yield* Effect.forkScoped(Effect.repeat(look, Schedule.spaced(LOOK)))
      return { calls: makeQueryCalls(pool, noteHeight), pool, reasons: pool.reasons }
    })
  )

/** Until a block was shown, what endpoints tell has to do. */
const newestOf = (heights: Iterable<bigint>): bigint => {
  let newest = 0n
  for (const height of heights) if (height > newest) newest = height
  return newest
}

/** Name among the query endpoints of the RPC endpoint of this name. */
export const abciName = (rpc: string): string => `${rpc} (ABCI)`

/** Queries to an endpoint of a node, while those who follow the node's blocks believe it. */
const believing = (
  transport: QueryTransport,
  endpoint: string,
  node: string,
  pool: Pick<EndpointPool<unknown>, "isBelieved">
): QueryTransport => ({
  unary: (path, request, height) =>
    Effect.suspend(() =>
      pool.isBelieved(node)
        ? transport.unary(path, request, height)
        : Effect.fail(
            new EndpointFailed({
              endpoint,
              operation: path,
              kind: "transport",
              detail: `the blocks of ${node} are not believed`,
              isUndone: true
            })
          )
    )
})
