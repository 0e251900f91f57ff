/**
 * Relayer and miner over embedded stores and a simulated chain that stands still unless told: one supplier, one
 * application that signs with its gateway, one service whose price and difficulty make every relay count.
 */
import { Duration, Effect, Layer, Redacted, Result } from "effect"
import * as EntropyNode from "../../adapters/crypto/EntropyNode.ts"
import { nodeSha256 } from "../../adapters/crypto/NodeSha256.ts"
import * as RingVerifierNative from "../../adapters/crypto/RingVerifierNative.ts"
import * as SupplierKeysNative from "../../adapters/crypto/SupplierKeysNative.ts"
import * as BroadcastMemory from "../../adapters/memory/BroadcastMemory.ts"
import * as LeasesMemory from "../../adapters/memory/LeasesMemory.ts"
import { MemoryStores } from "../../adapters/memory/MemoryStores.ts"
import * as MeterStoreMemory from "../../adapters/memory/MeterStoreMemory.ts"
import * as RelayLogMemory from "../../adapters/memory/RelayLogMemory.ts"
import * as RelaySpoolMemory from "../../adapters/memory/RelaySpoolMemory.ts"
import * as SupplierStoreMemory from "../../adapters/memory/SupplierStoreMemory.ts"
import { demoGenesis } from "../../adapters/simchain/Genesis.ts"
import * as SimChain from "../../adapters/simchain/SimChain.ts"
import { BulkSha256 } from "../../domain/crypto/BulkSha256.ts"
import { defaultMinerSettings, MinerSettings } from "../../domain/mining/MinerSettings.ts"
import { Backends } from "../../domain/ports/Backends.ts"
import { Blocks } from "../../domain/ports/Blocks.ts"
import { ChainQuery } from "../../domain/ports/ChainQuery.ts"
import { ApplicationAddress, ServiceId } from "../../domain/protocol/Identifiers.ts"
import { encodeHttpRequest } from "../../domain/relay/PoktHttp.ts"
import { defaultRelayPolicy, RelayPolicyRef } from "../../domain/relay/RelayPolicy.ts"
import { encodeRelayRequest } from "../../domain/relay/RelayRequest.ts"
import type { SessionHeader } from "../../domain/relay/SessionHeader.ts"
import { textToBytes } from "../../domain/wire/ByteText.ts"
import * as RelayPrograms from "../../layers/RelayPrograms.ts"
import { buildRequest, testKey } from "./RelayBuilder.ts"

export const SERVICE = "svc-eth"
export const supplier = testKey("supplier")
export const application = testKey("application")
export const gateway = testKey("gateway")

/** The chain and a node of it. Block hashes, and with them session ids, differ between chains. */
export const layerChain = SimChain.layerNode().pipe(
  Layer.provideMerge(
    SimChain.layer({
      verifiers: { sha256: nodeSha256 },
      genesis: demoGenesis({
        // Dear enough that one relay is worth its claim and its proof.
        services: [{ id: SERVICE, name: "Ethereum", computeUnitsPerRelay: 1_000_000n }],
        gateways: [{ publicKey: gateway.publicKey }],
        applications: [{ publicKey: application.publicKey, serviceIds: [SERVICE], gateways: [gateway.address] }],
        suppliers: [{ publicKey: supplier.publicKey, services: [{ serviceId: SERVICE }] }]
      })
    })
  )
)

const layerStores = Layer.mergeAll(
  RelayLogMemory.layer,
  SupplierStoreMemory.layer,
  LeasesMemory.layer,
  MeterStoreMemory.layer,
  BroadcastMemory.layer,
  RelaySpoolMemory.layer
).pipe(Layer.provideMerge(MemoryStores.layer))

const layerSettings = Layer.mergeAll(
  Layer.succeed(BulkSha256, nodeSha256),
  Layer.succeed(RelayPolicyRef, {
    ...defaultRelayPolicy,
    relayer: "test",
    services: new Map([
      [
        SERVICE,
        {
          id: SERVICE,
          rpcTypes: new Set(["jsonrpc"] as const),
          defaultRpcType: "jsonrpc" as const,
          validation: "eager" as const,
          maxBodyBytes: defaultRelayPolicy.maxBodyBytes
        }
      ]
    ])
  }),
  Layer.succeed(MinerSettings, {
    ingest: { ...defaultMinerSettings.ingest, deliveryWait: Duration.millis(20) },
    submission: {
      ...defaultMinerSettings.submission,
      blockTime: Duration.seconds(1),
      sealPatience: Duration.millis(20),
      sealAfterReconnect: Duration.zero,
      recheckEvery: Duration.millis(10)
    },
    fleet: { ...defaultMinerSettings.fleet, replica: "test" }
  })
)

/** A backend in this process that answers every relay with the same body. */
export const layerBackendConstant = Layer.succeed(Backends, {
  forward: () =>
    Effect.succeed({
      status: 200,
      rawHeaders: [["content-type", "application/json"]] as const,
      body: textToBytes(`{"jsonrpc":"2.0","id":1,"result":"0x1"}`),
      gunzipped: false
    }),
  isHealthy: () => Effect.succeed(true)
})

/** Everything but the chain, the backend and the transport. */
export const layerReplica = RelayPrograms.layer.pipe(
  Layer.provideMerge(layerStores),
  Layer.provideMerge(
    Layer.mergeAll(
      RingVerifierNative.layer,
      SupplierKeysNative.layer([Redacted.make(supplier.privateKey)]),
      EntropyNode.layer
    )
  ),
  Layer.provideMerge(layerSettings)
)

/** Header of the session in which relays are served now. */
export const currentSession = Effect.gen(function* () {
  const chain = yield* ChainQuery
  const { height } = yield* Blocks.use((blocks) => blocks.latest)
  const session = yield* chain.session(ApplicationAddress.make(application.address), ServiceId.make(SERVICE), height)
  return session.header
})

/** A signed request; `salt` makes it unlike others. */
export const requestBytes = (header: SessionHeader, salt: string): Uint8Array =>
  encodeRelayRequest(
    buildRequest({
      header,
      supplier,
      signer: gateway,
      ring: [application.publicKey, gateway.publicKey],
      salt,
      changeRequest: (request) => ({
        ...request,
        payload: Result.getOrThrow(
          encodeHttpRequest({
            method: "POST",
            url: "http://gateway.example/",
            headers: [{ key: "Content-Type", values: ["application/json"] }],
            body: textToBytes(`{"jsonrpc":"2.0","id":"${salt}","method":"eth_blockNumber","params":[]}`)
          })
        )
      })
    })
  )
