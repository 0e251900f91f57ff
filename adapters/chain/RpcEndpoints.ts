/** The nodes' RPC endpoints, each with its connections, and the pools over which calls go to the best of them. */
import { Context, Duration, Effect, Layer, type Redacted, Schedule } from "effect"
import { type CometRpc, makeCometRpc } from "./CometRpc.ts"
import { EndpointFaults } from "./EndpointHealth.ts"
import { defaultPoolSettings, type Endpoint, type EndpointPool, makeEndpointPool } from "./EndpointPool.ts"
import { rpcAddress } from "./RpcAddress.ts"

/** Every configured node's RPC. */
export class RpcEndpoints extends Context.Service<
  RpcEndpoints,
  {
    /** In the order of the configuration; names differ. */
    readonly endpoints: ReadonlyArray<Endpoint<CometRpc>>
    /** Name of the endpoint with this URL; undefined if there is none. */
    readonly nameOf: (url: Redacted.Redacted) => string | undefined
    /** Short calls. */
    readonly pool: EndpointPool<CometRpc>
    /** Whole blocks and their results, which can take long. Faults that `pool` is told of count here too. */
    readonly bodies: EndpointPool<CometRpc>
    /** Kept by whoever follows the blocks, for those who hold other heights against it. */
    readonly shown: ShownHeight
  }
>()("relaymill/adapters/chain/RpcEndpoints") {}

/** Height of the newest block that was read from a node and belongs to the chain; what a node only names does not count. */
export interface ShownHeight {
  newest: bigint | undefined
}

/** Which nodes are called and how. */
export interface RpcEndpointsSettings {
  /** Absolute http(s) URLs, at least one; the first is preferred. Repeated ones count once. */
  readonly urls: ReadonlyArray<Redacted.Redacted>
  /** Longest time of a short call with all its attempts. */
  readonly deadline: Duration.Duration
  /** Longest time in which a block's results are read. */
  readonly bodyDeadline: Duration.Duration
  /** Longest results of a block in bytes: a block in which sessions settle can have hundreds of megabytes. */
  readonly maxResultsBytes: number
}

/** 5 s for a call; a minute and 1 GiB for the results of a block. */
export const defaultRpcSettings = (urls: ReadonlyArray<Redacted.Redacted>): RpcEndpointsSettings => ({
  urls,
  deadline: Duration.seconds(5),
  bodyDeadline: Duration.minutes(1),
  maxResultsBytes: 2 ** 30
})

/** Results of blocks that are read at the same time: each may hold events of a settlement. */
const BODIES_AT_ONCE = 2

/** Between looks for endpoints that have rested and are not needed now. */
const REVIVE = Duration.seconds(5)

/** Opens no connection: nodes may be away. */
export const layer = (settings: RpcEndpointsSettings): Layer.Layer<RpcEndpoints> =>
  Layer.effect(
    RpcEndpoints,
    Effect.gen(function* () {
      const endpoints: Array<Endpoint<CometRpc>> = []
      for (const url of settings.urls) {
        const client = yield* makeCometRpc({ url, maxResultsBytes: settings.maxResultsBytes })
        const { name } = client.address
        const sameName = endpoints.filter((endpoint) => endpoint.client.address.name === name)
        if (sameName.some(({ client: { address } }) => address.path === client.address.path)) continue
        // Nodes behind one host are told apart by their number: paths may hold tokens.
        endpoints.push({
          name: sameName.length === 0 ? name : `${name}#${sameName.length + 1}`,
          client,
          faults: new EndpointFaults()
        })
      }
      const revived = (pool: EndpointPool<CometRpc>) =>
        Effect.as(
          Effect.forkScoped(
            Effect.repeat(
              pool.revive("status", ({ status }) => status),
              Schedule.spaced(REVIVE)
            )
          ),
          pool
        )
      const common = { ...defaultPoolSettings("rpc"), deadline: settings.deadline }
      return {
        endpoints,
        nameOf: (url) => {
          const { name, path } = rpcAddress(url)
          return endpoints.find(({ client: { address } }) => address.name === name && address.path === path)?.name
        },
        pool: yield* revived(yield* makeEndpointPool(endpoints, common)),
        bodies: yield* revived(
          yield* makeEndpointPool(endpoints, {
            ...common,
            wire: "rpc_bodies",
            deadline: settings.bodyDeadline,
            concurrency: BODIES_AT_ONCE
          })
        ),
        shown: { newest: undefined }
      }
    })
  )
