/** A miner of a fleet: mines as its configuration says, over Redis and a chain, and drains when it is interrupted. */
import { Duration, Effect, Layer } from "effect"
import type { MinerConfig } from "../adapters/config/MinerConfig.ts"
import { hostAndProcess, replicaName } from "../adapters/config/ReplicaName.ts"
import * as EntropyNode from "../adapters/crypto/EntropyNode.ts"
import { nodeSha256 } from "../adapters/crypto/NodeSha256.ts"
import { startProbes } from "../adapters/http/ProbeServer.ts"
import * as BroadcastRedis from "../adapters/redis/BroadcastRedis.ts"
import * as ForeignMiners from "../adapters/redis/ForeignMiners.ts"
import * as GoRollback from "../adapters/redis/GoRollback.ts"
import * as LeadershipRedis from "../adapters/redis/LeadershipRedis.ts"
import * as LeasesRedis from "../adapters/redis/LeasesRedis.ts"
import * as SharedCacheRedis from "../adapters/redis/SharedCacheRedis.ts"
import { StreamLosses } from "../adapters/redis/StreamLosses.ts"
import * as SupplierStoreRedis from "../adapters/redis/SupplierStoreRedis.ts"
import * as CachedChainQuery from "../domain/cache/CachedChainQuery.ts"
import { warmUp } from "../domain/cache/RefreshCaches.ts"
import { SupplierStates } from "../domain/cache/SupplierStates.ts"
import { BulkSha256 } from "../domain/crypto/BulkSha256.ts"
import { BlockHint, followAnnouncements } from "../domain/chain/BlockAnnouncement.ts"
import { drain } from "../domain/lifecycle/Drain.ts"
import { ChainReadiness } from "../domain/lifecycle/Readiness.ts"
import { type FleetMiner, startFleetMiner } from "../domain/mining/FleetMiner.ts"
import { MinerSettings } from "../domain/mining/MinerSettings.ts"
import type { Blocks } from "../domain/ports/Blocks.ts"
import type { ChainQuery } from "../domain/ports/ChainQuery.ts"
import type { ChainTx } from "../domain/ports/ChainTx.ts"
import type { SupplierAddress } from "../domain/protocol/Identifiers.ts"
import { releaseForRollback } from "../domain/supplier/ReleaseForRollback.ts"
import * as Keys from "./Keys.ts"
import * as Outermost from "./Outermost.ts"
import { factorsOf, fleetTimesOf, minerSettingsOf, monitorsOf } from "./MinerSettingsOf.ts"
import * as RedisPorts from "./RedisPorts.ts"

/** Longest time from the signal to the end of the process. */
const DRAIN_DEADLINE = Duration.seconds(25)
/** Reads at one time while caches are filled at the start, and the longest time for it. */
const WARM_UP = { concurrency: 10, limit: Duration.seconds(30) }
const HERE = "0.0.0.0"

/** Mines until it is interrupted, then drains. `started` is told the running miner. */
export const runMinerProcess = <E, R>(
  config: MinerConfig,
  chain: Layer.Layer<Blocks | ChainQuery | ChainTx, E, R>,
  started: (miner: FleetMiner) => Effect.Effect<void> = () => Effect.void
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const miner = yield* startFleetMiner({
        leaderId: hostAndProcess(),
        heartbeat: config.leaderElection.heartbeat,
        reconcileEvery: config.supplierReconcileInterval,
        besideGoMiners: config.supplierClaiming.besideGoMiners,
        factors: factorsOf(config),
        monitors: monitorsOf(config),
        lostEntries: (yield* StreamLosses).lost
      })
      if (config.metrics.enabled) {
        const { host = HERE, port } = config.metrics.address
        const own = Effect.map(miner.status, ({ lostEntries, notReady, notices }) => [
          ...notReady.map(({ detail }) => ({ text: detail, isBlocking: true })),
          ...notices.map((text) => ({ text, isBlocking: false })),
          ...Array.from(lostEntries, ([supplier, entries]) => ({
            text: `${entries} relays of ${supplier} were removed from its stream before they were mined`,
            isBlocking: false
          }))
        ])
        const reasons = Effect.map(Effect.all([own, yield* RedisPorts.reasons, yield* ChainReadiness]), (found) =>
          found.flat()
        )
        yield* startProbes({ host, port, reasons })
      }
      yield* Effect.forkScoped(followAnnouncements(yield* BlockHint))
      yield* Effect.forkScoped(warmUp({ applications: config.knownApplications, ...WARM_UP }))
      yield* started(miner)
      const end = drain([{ name: "committed, checkpointed, leases released", run: miner.drain }], DRAIN_DEADLINE)
      return yield* Effect.onExit(Effect.never, () => end)
    })
  ).pipe(Effect.provide(layerProcess(config, chain).pipe(Layer.provideMerge(Outermost.layer(config.logging)))))

/**
 * Gives one supplier back to Go miners, once no miner of ours runs; returns the sessions that Go goes on with. `patience`:
 * for what is being claimed or proved.
 */
export const releaseForGo = <E, R>(
  config: MinerConfig,
  chain: Layer.Layer<Blocks | ChainQuery | ChainTx, E, R>,
  supplier: SupplierAddress,
  patience: Duration.Duration
) =>
  releaseForRollback(supplier, patience).pipe(
    Effect.provide(
      GoRollback.layer.pipe(
        Layer.provideMerge(layerProcess(config, chain)),
        Layer.provideMerge(Outermost.layer(config.logging))
      )
    )
  )

const layerProcess = <E, R>(config: MinerConfig, chain: Layer.Layer<Blocks | ChainQuery | ChainTx, E, R>) => {
  const replica = config.redis.consumerName ?? replicaName("miner")
  return Layer.mergeAll(
    SupplierStates.layer,
    SupplierStoreRedis.layer,
    LeasesRedis.layerWith(fleetTimesOf(config).leaseTtl),
    LeadershipRedis.layerWith(config.leaderElection.ttl),
    ForeignMiners.layer
  ).pipe(
    Layer.provideMerge(CachedChainQuery.layer({ blockTime: config.blockTime })),
    Layer.provideMerge(Layer.mergeAll(SharedCacheRedis.layer, BroadcastRedis.layer, StreamLosses.layer)),
    Layer.provideMerge(
      Layer.mergeAll(
        // First of all: without keys there is nothing to wait for.
        Keys.layer(config.keys, config.hotReload),
        RedisPorts.layer(config.redis),
        EntropyNode.layer,
        chain,
        Layer.succeed(MinerSettings, minerSettingsOf(config, replica)),
        Layer.succeed(BulkSha256, nodeSha256),
        Layer.succeed(SupplierStoreRedis.SupplierStoreSettings, {
          blockTime: config.blockTime,
          sealReplicas: config.redis.sealReplicas
        })
      )
    )
  )
}
