/** The Redis adapters keep the laws of their ports, on every server at hand, standalone and cluster. */
import { Duration, Effect, Layer, Option } from "effect"
import * as EntropyNode from "../../../adapters/crypto/EntropyNode.ts"
import * as BroadcastRedis from "../../../adapters/redis/BroadcastRedis.ts"
import * as LeadershipRedis from "../../../adapters/redis/LeadershipRedis.ts"
import * as LeasesRedis from "../../../adapters/redis/LeasesRedis.ts"
import * as MeterStoreRedis from "../../../adapters/redis/MeterStoreRedis.ts"
import * as RelayLogRedis from "../../../adapters/redis/RelayLogRedis.ts"
import * as RedisConnections from "../../../adapters/redis/RedisConnections.ts"
import * as SharedCacheRedis from "../../../adapters/redis/SharedCacheRedis.ts"
import { StreamLosses } from "../../../adapters/redis/StreamLosses.ts"
import * as SupplierStoreRedis from "../../../adapters/redis/SupplierStoreRedis.ts"
import { broadcastContract } from "../../contract/BroadcastContract.ts"
import { leadershipContract } from "../../contract/LeadershipContract.ts"
import { leasesContract } from "../../contract/LeasesContract.ts"
import { meterStoreContract } from "../../contract/MeterStoreContract.ts"
import { relayLogContract } from "../../contract/RelayLogContract.ts"
import { sharedCacheContract } from "../../contract/SharedCacheContract.ts"
import { realTime as timing } from "../../contract/Timing.ts"
import { onEveryRedis } from "../../support/EveryRedis.ts"

onEveryRedis("Ports on Redis", (redis) => {
  const { name } = redis
  /** Connections with a namespace of their own each time they are built: an empty store. */
  const fresh = Layer.unwrap(Effect.sync(() => RedisConnections.layer(redis.settings())))

  /** Announcements live shorter than in operation, so that the suite sees their end. */
  const announcementLife = Duration.seconds(2)
  const logPorts = (change: Partial<RelayLogRedis.RelayLogSettings>) =>
    Layer.mergeAll(
      RelayLogRedis.layerWith({ ...RelayLogRedis.defaultSettings, announcementLife, ...change }),
      SupplierStoreRedis.layer,
      LeasesRedis.layer
    ).pipe(Layer.provide(StreamLosses.layer), Layer.provide([fresh, EntropyNode.layer]))
  relayLogContract({
    name,
    layer: logPorts({}),
    small: { layer: logPorts({ highWater: 5 }), limit: 5 },
    announcementLife,
    timing
  })

  leasesContract({
    name,
    layer: LeasesRedis.layerWith(Duration.millis(500)).pipe(Layer.provide([fresh, EntropyNode.layer])),
    timing
  })
  leadershipContract({
    name,
    layer: Layer.provide(LeadershipRedis.layerWith(Duration.millis(500)), fresh),
    timing,
    isEndless: false
  })
  sharedCacheContract({ name, layer: Layer.provide(SharedCacheRedis.layer, fresh), small: Option.none(), timing })
  /** The counters' prefix is not the namespace's base, so it is fresh too. */
  let prefixes = 0
  const meters = Layer.suspend(() =>
    MeterStoreRedis.layerWith({ keyPrefix: `meters${process.pid}x${++prefixes}`, lifetime: Duration.minutes(1) })
  )
  meterStoreContract({ name, layer: Layer.provide(meters, fresh), timing })
  broadcastContract({ name, layer: Layer.provide(BroadcastRedis.layer, fresh), timing })
})
