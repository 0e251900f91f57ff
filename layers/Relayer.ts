/** A relayer of a fleet: serves as its configuration says, over Redis and a chain, and drains when it is interrupted. */
import { Duration, Effect, Layer } from "effect"
import type { RelayerConfig } from "../adapters/config/RelayerConfig.ts"
import { replicaName } from "../adapters/config/ReplicaName.ts"
import * as EntropyNode from "../adapters/crypto/EntropyNode.ts"
import * as RingVerifierNative from "../adapters/crypto/RingVerifierNative.ts"
import * as BackendsHttp from "../adapters/http/BackendsHttp.ts"
import { startProbes } from "../adapters/http/ProbeServer.ts"
import { RelayServer } from "../adapters/http/RelayServer.ts"
import * as RelaySpoolMemory from "../adapters/memory/RelaySpoolMemory.ts"
import * as BroadcastRedis from "../adapters/redis/BroadcastRedis.ts"
import * as MeterStoreRedis from "../adapters/redis/MeterStoreRedis.ts"
import * as RelayLogRedis from "../adapters/redis/RelayLogRedis.ts"
import * as SharedCacheRedis from "../adapters/redis/SharedCacheRedis.ts"
import * as RelaySpoolDisk from "../adapters/spool/RelaySpoolDisk.ts"
import * as CachedChainQuery from "../domain/cache/CachedChainQuery.ts"
import { SupplierStates } from "../domain/cache/SupplierStates.ts"
import { warmUp } from "../domain/cache/RefreshCaches.ts"
import { ServiceFactors } from "../domain/cache/ServiceFactors.ts"
import { BlockHint, followAnnouncements } from "../domain/chain/BlockAnnouncement.ts"
import { drain } from "../domain/lifecycle/Drain.ts"
import { ChainReadiness } from "../domain/lifecycle/Readiness.ts"
import type { Blocks } from "../domain/ports/Blocks.ts"
import type { ChainQuery } from "../domain/ports/ChainQuery.ts"
import * as RegistryGate from "../domain/relay/RegistryGate.ts"
import { RelayPolicyRef } from "../domain/relay/RelayPolicy.ts"
import { ServeRelay } from "../domain/relay/ServeRelay.ts"
import * as Keys from "./Keys.ts"
import * as Outermost from "./Outermost.ts"
import * as RedisPorts from "./RedisPorts.ts"
import * as RelayPrograms from "./RelayPrograms.ts"
import { backendsOf, policyOf } from "./RelayerSettings.ts"

/** Expected time between blocks, which only bounds how long caches live; relayers have no setting for it. */
const BLOCK_TIME = Duration.seconds(30)
/** Longest time from the signal to the end of the process. */
const DRAIN_DEADLINE = Duration.seconds(20)
const HERE = "0.0.0.0"

/**
 * Serves until it is interrupted, then drains. `chain` is asked through the shared caches. `started` runs once relays are
 * served and is told the port.
 */
export const runRelayer = <E, R>(
  config: RelayerConfig,
  chain: Layer.Layer<Blocks | ChainQuery, E, R>,
  started: (port: number) => Effect.Effect<void> = () => Effect.void
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { knownApplications, concurrency, enabled, timeout } = config.cacheWarmup
      if (enabled) yield* warmUp({ applications: knownApplications, concurrency, limit: timeout })
      const server = yield* RelayServer
      const relays = yield* ServeRelay
      yield* Effect.forkScoped(relays.keepHouse)
      const refused = Effect.map(relays.refusals, (found) => found.map((text) => ({ text, isBlocking: false })))
      const reasons = Effect.map(
        Effect.all([server.reasons, yield* RedisPorts.reasons, yield* ChainReadiness, refused]),
        (found) => found.flat()
      )
      for (const { enabled: isOn, address } of [config.metrics, config.healthCheck]) {
        if (isOn) yield* startProbes({ host: address.host ?? HERE, port: address.port, reasons })
      }
      yield* Effect.forkScoped(followAnnouncements(yield* BlockHint))
      yield* Effect.logInfo("relays are served").pipe(
        Effect.annotateLogs({ host: config.listen.host ?? HERE, port: server.port })
      )
      yield* started(server.port)
      const end = drain(
        [
          { name: "not ready", run: server.unready },
          { name: "relays in flight finished", run: server.drain },
          { name: "spool flushed, meter settled", run: relays.drain }
        ],
        DRAIN_DEADLINE
      )
      return yield* Effect.onExit(Effect.never, () => end)
    })
  ).pipe(Effect.provide(layerProcess(config, chain).pipe(Layer.provideMerge(Outermost.layer(config.logging)))))

const layerProcess = <E, R>(config: RelayerConfig, chain: Layer.Layer<Blocks | ChainQuery, E, R>) => {
  const policy = policyOf(config, replicaName("relayer"))
  const { host = HERE, port } = config.listen
  const { enabled, minSizeBytes } = config.responseCompression
  return RelayServer.layer({
    host,
    port,
    maxBodyBytes: policy.maxBodyBytes,
    ...(enabled && { compression: { minSizeBytes } })
  }).pipe(
    Layer.provideMerge(RelayPrograms.layer),
    Layer.provideMerge(
      Layer.mergeAll(
        CachedChainQuery.layer({ blockTime: BLOCK_TIME }),
        ServiceFactors.layer,
        RelayLogRedis.layerWith({ ...RelayLogRedis.defaultSettings, highWater: config.streamHighWater }),
        MeterStoreRedis.layerWith({
          keyPrefix: config.relayMeter.keyPrefix,
          lifetime: config.relayMeter.cacheTtl
        }),
        BackendsHttp.layer(backendsOf(config)),
        RingVerifierNative.layer,
        layerSpool(config),
        RegistryGate.layer.pipe(Layer.provide(SupplierStates.layer)),
        Layer.succeed(RelayPolicyRef, policy)
      )
    ),
    Layer.provideMerge(Layer.mergeAll(SharedCacheRedis.layer, BroadcastRedis.layer)),
    Layer.provideMerge(
      // Keys first of all: without them there is nothing to wait for.
      Layer.mergeAll(Keys.layer(config.keys, true), RedisPorts.layer(config.redis), EntropyNode.layer, chain)
    )
  )
}

const layerSpool = ({ spool: { directory, fsync, maxBytes } }: RelayerConfig) =>
  directory === undefined
    ? RelaySpoolMemory.layerWith(new Map(), RelaySpoolMemory.SPOOL_LIMIT, maxBytes)
    : RelaySpoolDisk.layer({ dir: directory, maxBytes, fsync })
