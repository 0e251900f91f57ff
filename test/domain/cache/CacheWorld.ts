/**
 * A small chain of records that a test changes, with its reads counted, and replicas of the caches over one shared
 * cache and one bus. The version of everything live is one number: the application's stake, the service's compute units.
 */
import { Context, Duration, Effect, Layer, Option, type Scope, Stream, SubscriptionRef } from "effect"
import * as BroadcastMemory from "../../../adapters/memory/BroadcastMemory.ts"
import { makeStores, MemoryStores } from "../../../adapters/memory/MemoryStores.ts"
import * as SharedCacheMemory from "../../../adapters/memory/SharedCacheMemory.ts"
import * as CachedChainQuery from "../../../domain/cache/CachedChainQuery.ts"
import { ChainCaches } from "../../../domain/cache/ChainCaches.ts"
import type { SupplierState } from "../../../domain/cache/SupplierState.ts"
import type { Application } from "../../../domain/chain/Application.ts"
import type { Supplier } from "../../../domain/chain/Supplier.ts"
import { type Block, Blocks, ChainUnavailable } from "../../../domain/ports/Blocks.ts"
import { Broadcast } from "../../../domain/ports/Broadcast.ts"
import { ChainQuery, ServiceNotFound, SessionNotFound } from "../../../domain/ports/ChainQuery.ts"
import { SharedCache } from "../../../domain/ports/SharedCache.ts"
import { ApplicationAddress, ServiceId, SupplierAddress } from "../../../domain/protocol/Identifiers.ts"
import { defaultProofParams } from "../../../domain/protocol/ProofParams.ts"
import { defaultSessionParams } from "../../../domain/protocol/SessionParams.ts"
import { defaultSharedParams } from "../../../domain/protocol/SharedParams.ts"
import { defaultTokenomicsParams } from "../../../domain/protocol/TokenomicsParams.ts"
import { sessionEnd, sessionStart } from "../../../domain/session/SessionGrid.ts"
import { testKey } from "../../support/RelayBuilder.ts"

export const application = testKey("application")
export const supplier = testKey("supplier")
export const gateway = testKey("gateway")
export const APPLICATION = ApplicationAddress.make(application.address)
export const SUPPLIER = SupplierAddress.make(supplier.address)
export const SERVICE = ServiceId.make("anvil")
export const BLOCK_TIME = Duration.seconds(30)

export interface CacheWorld {
  readonly chain: {
    /** The version of everything live. */
    version: bigint
    /** Reads fail. */
    away: boolean
    /** Run inside of each read, after its version was read. */
    during: Effect.Effect<void>
    readonly calls: Map<string, number>
    supplierRecord: Option.Option<Supplier>
    /** Gateways of the application. */
    gateways: ReadonlyArray<string>
  }
  readonly query: ChainQuery["Service"]
  readonly blocks: Blocks["Service"]
  readonly setHeight: (height: bigint) => Effect.Effect<void>
  readonly cache: SharedCache["Service"]
  readonly bus: Broadcast["Service"]
  /** Reads of the chain by operation. */
  readonly count: (operation: string) => number
}

export const anApplication = (stake: bigint): Application => ({
  address: application.address,
  stake,
  serviceIds: [SERVICE],
  delegateeGatewayAddresses: [],
  pendingUndelegations: [],
  unstakeSessionEndHeight: 0n,
  pendingTransfer: undefined,
  perSessionSpendLimit: undefined,
  serviceConfigHistory: []
})

/** The registry's state of an active supplier. */
export const activeState: SupplierState = {
  status: "active",
  staked: true,
  services: [],
  stakedEndpoints: [],
  unstakeSessionEndHeight: 0n,
  operatorAddress: SUPPLIER,
  ownerAddress: "pokt1owner",
  lastUpdated: 1_700_000_000,
  lastRefreshSessionStart: 91n,
  updatedBy: "miner-1"
}

export const aSupplier: Supplier = {
  ownerAddress: supplier.address,
  operatorAddress: supplier.address,
  stake: 1_000n,
  services: [],
  unstakeSessionEndHeight: 0n,
  serviceConfigHistory: [
    {
      operatorAddress: supplier.address,
      service: {
        serviceId: SERVICE,
        endpoints: [
          { url: "https://a.example", rpcType: 3, configs: [] },
          { url: "https://b.example", rpcType: 3, configs: [] },
          { url: "wss://a.example", rpcType: 2, configs: [] }
        ],
        revShare: []
      },
      activationHeight: 1n,
      deactivationHeight: 0n
    }
  ]
}

/** The chain, the shared cache and the bus; height 100. */
export const makeWorld: Effect.Effect<CacheWorld, never, Scope.Scope> = Effect.gen(function* () {
  const calls = new Map<string, number>()
  const chain: CacheWorld["chain"] = {
    version: 1n,
    away: false,
    during: Effect.void,
    calls,
    supplierRecord: Option.some(aSupplier),
    gateways: []
  }
  const read = <A, E = never>(operation: string, value: () => Effect.Effect<A, E>) =>
    Effect.suspend((): Effect.Effect<A, E | ChainUnavailable> => {
      calls.set(operation, (calls.get(operation) ?? 0) + 1)
      if (chain.away) return Effect.fail(new ChainUnavailable({ operation, cause: "away" }))
      const answer = value()
      return Effect.andThen(chain.during, answer)
    })
  const known = <A>(service: string, value: A): Effect.Effect<A, ServiceNotFound> =>
    service === SERVICE ? Effect.succeed(value) : Effect.fail(new ServiceNotFound({ service }))
  const height = yield* SubscriptionRef.make(100n)
  const blockOf = (at: bigint): Block => ({ height: at, hash: new Uint8Array(32), timeUnixNano: at })
  const params = () => ({ ...defaultSharedParams, computeUnitsToTokensMultiplier: chain.version })
  const query = ChainQuery.of({
    sharedParams: read("sharedParams", () => Effect.succeed(params())),
    sharedParamsAt: () => read("sharedParamsAt", () => Effect.succeed(params())),
    proofParams: read("proofParams", () =>
      Effect.succeed({ ...defaultProofParams, proofMissingPenalty: chain.version })
    ),
    sessionParams: read("sessionParams", () => Effect.succeed(defaultSessionParams)),
    supplierParams: read("supplierParams", () => Effect.succeed({ minStake: chain.version })),
    tokenomicsParams: read("tokenomicsParams", () => Effect.succeed(defaultTokenomicsParams(SUPPLIER))),
    blockLimits: read("blockLimits", () => Effect.succeed({ maxBytes: undefined, maxGas: chain.version })),
    session: (app, service, at) =>
      read("session", () => {
        const refused = (reason: "future" | "no_application") =>
          Effect.fail(new SessionNotFound({ application: app, service, height: at, reason }))
        if (at > SubscriptionRef.getUnsafe(height)) return refused("future")
        if (app !== APPLICATION) return refused("no_application")
        return Effect.succeed({
          header: {
            applicationAddress: app,
            serviceId: service,
            sessionId: "5e55",
            sessionStartBlockHeight: sessionStart(defaultSharedParams, at),
            sessionEndBlockHeight: sessionEnd(defaultSharedParams, at)
          },
          sessionId: "5e55",
          sessionNumber: 1n,
          numBlocksPerSession: 10n,
          application: anApplication(chain.version),
          suppliers: [{ ...aSupplier, serviceConfigHistory: [] }]
        })
      }),
    application: (address) =>
      read("application", () =>
        Effect.succeed(
          address === APPLICATION
            ? Option.some({ ...anApplication(chain.version), delegateeGatewayAddresses: chain.gateways })
            : Option.none()
        )
      ),
    supplier: (address) =>
      read("supplier", () => Effect.succeed(address === SUPPLIER ? chain.supplierRecord : Option.none())),
    service: (id) =>
      read("service", () =>
        Effect.succeed(
          id === SERVICE
            ? Option.some({
                id,
                name: "Anvil",
                computeUnitsPerRelay: chain.version,
                ownerAddress: supplier.address,
                card: undefined
              })
            : Option.none()
        )
      ),
    account: (address) =>
      read("account", () =>
        Effect.succeed(
          address === APPLICATION
            ? Option.some({
                address,
                publicKey: application.publicKey,
                publicKeyType: "/cosmos.crypto.secp256k1.PubKey",
                accountNumber: 7n,
                sequence: 0n
              })
            : Option.none()
        )
      ),
    publicKey: (address) =>
      read("publicKey", () =>
        Effect.succeed(
          Option.map(
            Option.fromUndefinedOr([application, gateway].find((key) => key.address === address)),
            ({ publicKey }) => publicKey
          )
        )
      ),
    balance: () => read("balance", () => Effect.succeed(1n)),
    computeUnitsPerRelayAt: (service) => read("computeUnitsPerRelayAt", () => known(service, chain.version)),
    difficultyTargetAt: (service) =>
      read("difficultyTargetAt", () => known(service, new Uint8Array(32).fill(Number(chain.version)))),
    claim: () => read("claim", () => Effect.succeedNone),
    claims: () => read("claims", () => Effect.succeed([])),
    recentFee: () => read("recentFee", () => Effect.succeedSome(chain.version)),
    blockEvents: () => read("blockEvents", () => Effect.succeedNone)
  })
  const blocks = Blocks.of({
    latest: Effect.map(SubscriptionRef.get(height), blockOf),
    peek: () => blockOf(SubscriptionRef.getUnsafe(height)),
    at: (at) => Effect.succeed(Option.some(blockOf(at))),
    changes: Stream.map(SubscriptionRef.changes(height), blockOf)
  })
  const stores = Layer.succeed(MemoryStores, makeStores())
  const shared = yield* Layer.build(
    Layer.mergeAll(SharedCacheMemory.layer, BroadcastMemory.layer).pipe(Layer.provide(stores))
  )
  return {
    chain,
    query,
    blocks,
    setHeight: (at) => SubscriptionRef.set(height, at),
    cache: Context.get(shared, SharedCache),
    bus: Context.get(shared, Broadcast),
    count: (operation) => calls.get(operation) ?? 0
  }
})

/** The ports of one replica; each may be replaced. */
export interface ReplicaPorts {
  readonly query?: ChainQuery["Service"]
  readonly cache?: SharedCache["Service"]
  readonly bus?: Broadcast["Service"]
}

/** The ports of the world as a layer. */
export const portsOf = (world: CacheWorld, { query, cache, bus }: ReplicaPorts = {}) =>
  Layer.mergeAll(
    Layer.succeed(ChainQuery, query ?? world.query),
    Layer.succeed(SharedCache, cache ?? world.cache),
    Layer.succeed(Broadcast, bus ?? world.bus),
    Layer.succeed(Blocks, world.blocks)
  )

/** One replica's caches, and the chain as it sees it through them. */
export const replica = (world: CacheWorld, ports: ReplicaPorts = {}) =>
  Effect.map(
    Layer.build(Layer.provide(CachedChainQuery.layer({ blockTime: BLOCK_TIME }), portsOf(world, ports))),
    (context) => ({ query: Context.get(context, ChainQuery), caches: Context.get(context, ChainCaches) })
  )

/** Stake of the world's application through a replica. */
export const stakeThrough = (query: ChainQuery["Service"]) =>
  Effect.map(query.application(APPLICATION), (found) => Option.getOrThrow(found).stake)
