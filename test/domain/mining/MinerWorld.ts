/**
 * A miner's surroundings for tests: a simulated chain with blocks of one second on TestClock, memory stores, the keys of
 * two suppliers, and real signed relays for the log. Several replicas may share one world.
 */
import { Duration, Effect, Layer, Option, Redacted, type Scope } from "effect"
import { TestClock } from "effect/testing"
import * as BroadcastMemory from "../../../adapters/memory/BroadcastMemory.ts"
import * as EntropySeeded from "../../../adapters/memory/EntropySeeded.ts"
import * as LeasesMemory from "../../../adapters/memory/LeasesMemory.ts"
import { MemoryStores } from "../../../adapters/memory/MemoryStores.ts"
import * as RelayLogMemory from "../../../adapters/memory/RelayLogMemory.ts"
import * as SupplierKeysMemory from "../../../adapters/memory/SupplierKeysMemory.ts"
import * as SupplierStoreMemory from "../../../adapters/memory/SupplierStoreMemory.ts"
import { demoGenesis, type GenesisInput } from "../../../adapters/simchain/Genesis.ts"
import * as SimChain from "../../../adapters/simchain/SimChain.ts"
import { rememberingVerifiers, type Verifiers } from "../../../adapters/simchain/Verifiers.ts"
import { defaultMinerSettings, MinerSettings } from "../../../domain/mining/MinerSettings.ts"
import { ChainQuery } from "../../../domain/ports/ChainQuery.ts"
import { Leases } from "../../../domain/ports/Leases.ts"
import { RelayLog } from "../../../domain/ports/RelayLog.ts"
import { SupplierStore } from "../../../domain/ports/SupplierStore.ts"
import { ApplicationAddress, ServiceId, SessionId, SupplierAddress } from "../../../domain/protocol/Identifiers.ts"
import type { MinedRelay } from "../../../domain/relay/MinedRelay.ts"
import type { SessionHeader } from "../../../domain/relay/SessionHeader.ts"
import { replay } from "../../../domain/session/SessionState.ts"
import { buildRelays, type TestKey, testKey, type TestRelay } from "../../support/RelayBuilder.ts"

export const SERVICE = "anvil"
export const UNITS = 100n
/** Milliseconds since the epoch at which a world begins. */
const START = 1_800_000_000_000

export const application = testKey("application")
export const otherApplication = testKey("other application")
export const gateway = testKey("gateway")
export const supplier = testKey("supplier")
export const otherSupplier = testKey("other supplier")
export const supplierAddress = SupplierAddress.make(supplier.address)

const realVerifiers = rememberingVerifiers()

/** Blocks of one second; nothing waits longer than a part of one. */
export const testSettings: MinerSettings = {
  ingest: { ...defaultMinerSettings.ingest, deliveryWait: Duration.millis(100) },
  submission: {
    ...defaultMinerSettings.submission,
    blockTime: Duration.seconds(1),
    sealPatience: Duration.millis(200),
    sealAfterReconnect: Duration.zero,
    recheckEvery: Duration.millis(50),
    settlementPatienceBlocks: 4n,
    retentionBlocks: 40n
  },
  fleet: {
    ...defaultMinerSettings.fleet,
    replica: "test",
    renewEvery: Duration.seconds(1),
    orphansEvery: Duration.seconds(1),
    leaseMargin: Duration.seconds(5)
  }
}

export interface WorldOptions extends GenesisInput {
  readonly settings?: MinerSettings
  /** The chain's cryptography; the real one by default. */
  readonly verifiers?: Verifiers
}

/** The stores of a miner, in memory; leases live 10 s. */
export const layerStores = Layer.mergeAll(
  RelayLogMemory.layer,
  SupplierStoreMemory.layer,
  LeasesMemory.layerWith(Duration.seconds(10)),
  BroadcastMemory.layer
).pipe(Layer.provideMerge(MemoryStores.layer), Layer.provideMerge(EntropySeeded.layer))

/** Everything a miner needs, with the chain's controls and the stores. */
export const layerWorld = ({ settings, verifiers = realVerifiers, ...genesis }: WorldOptions = {}) =>
  layerStores.pipe(
    Layer.provideMerge(SimChain.layerNode()),
    Layer.provideMerge(SimChain.layerProducer("1 second")),
    Layer.provideMerge(
      SimChain.layer({
        genesis: demoGenesis({
          applications: [application, otherApplication].map(({ publicKey }) => ({
            publicKey,
            serviceIds: [SERVICE],
            gateways: [gateway.address]
          })),
          gateways: [{ publicKey: gateway.publicKey }],
          suppliers: [supplier, otherSupplier].map(({ publicKey }) => ({
            publicKey,
            services: [{ serviceId: SERVICE }]
          })),
          services: [{ id: SERVICE, computeUnitsPerRelay: UNITS }],
          ...genesis
        }),
        seed: "miner world",
        verifiers
      })
    ),
    Layer.provideMerge(SupplierKeysMemory.layer([Redacted.make(supplier.privateKey)])),
    Layer.provideMerge(Layer.succeed(MinerSettings, settings ?? testSettings)),
    Layer.provideMerge(Layer.effectDiscard(TestClock.setTime(START)))
  )

/** Runs a test in a world of its own. */
export const inWorld =
  (options: WorldOptions = {}) =>
  <A, E>(test: Effect.Effect<A, E, Layer.Success<ReturnType<typeof layerWorld>> | Scope.Scope>) =>
    Effect.scoped(test).pipe(Effect.provide(layerWorld(options)))

/** Header of an application's session at a height. */
export const headerAt = (height: bigint, of: TestKey = application) =>
  Effect.map(
    ChainQuery.use((chain) => chain.session(ApplicationAddress.make(of.address), ServiceId.make(SERVICE), height)),
    ({ header }) => header
  )

/** Relays of a session, signed by the gateway for the supplier. */
export const relaysOf = (header: SessionHeader, count: number, salt = "relay") => {
  const signedFor = header.applicationAddress === application.address ? application : otherApplication
  return buildRelays(count, {
    header,
    supplier,
    signer: gateway,
    ring: [signedFor.publicKey, gateway.publicKey],
    salt
  })
}

/** The message that a relayer appends. */
export const minedRelay = (header: SessionHeader, relay: TestRelay, change: Partial<MinedRelay> = {}): MinedRelay => ({
  relayHash: relay.hash,
  relayBytes: relay.leaf,
  computeUnitsPerRelay: UNITS,
  sessionId: header.sessionId,
  sessionEndHeight: header.sessionEndBlockHeight,
  supplierOperatorAddress: supplier.address,
  serviceId: header.serviceId,
  applicationAddress: header.applicationAddress,
  arrivalBlockHeight: header.sessionStartBlockHeight,
  publishedAtUnixNano: 0n,
  sessionStartHeight: header.sessionStartBlockHeight,
  ...change
})

/** Appends relays to the log. */
export const append = (header: SessionHeader, relays: ReadonlyArray<TestRelay>, change: Partial<MinedRelay> = {}) =>
  Effect.forEach(relays, (relay) =>
    RelayLog.use((log) => log.append({ relay: minedRelay(header, relay, change), trace: Option.none() }))
  )

/** Lets the clock run by so many seconds, hence blocks, in steps small enough for whatever waits in between. */
export const runBlocks = (blocks: number) =>
  Effect.forEach(Array.from({ length: blocks * 20 }), () => TestClock.adjust(Duration.millis(50)), { discard: true })

/** Events of a session as stored. */
export const eventsOf = (header: SessionHeader, of: string = supplier.address) =>
  Effect.map(
    SupplierStore.use((store) => store.load(SupplierAddress.make(of), SessionId.make(header.sessionId))),
    (stored) => (Option.isSome(stored) ? stored.value.events : [])
  )

/** State of a session as stored. */
export const stateOf = (header: SessionHeader) => Effect.map(eventsOf(header), replay)

/** A lease of the supplier for tests that drive programs themselves. */
export const takeLease = Effect.map(
  Leases.use((leases) => leases.acquire(supplierAddress, "test")),
  Option.getOrThrow
)
