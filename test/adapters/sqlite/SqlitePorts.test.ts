/** The other SQLite adapters keep the laws of their ports. */
import { Duration, Layer, Option } from "effect"
import * as LeadershipSqlite from "../../../adapters/sqlite/LeadershipSqlite.ts"
import * as MeterStoreSqlite from "../../../adapters/sqlite/MeterStoreSqlite.ts"
import * as RelayLogSqlite from "../../../adapters/sqlite/RelayLogSqlite.ts"
import * as SharedCacheSqlite from "../../../adapters/sqlite/SharedCacheSqlite.ts"
import { leadershipContract } from "../../contract/LeadershipContract.ts"
import { leasesContract } from "../../contract/LeasesContract.ts"
import { meterStoreContract } from "../../contract/MeterStoreContract.ts"
import { relayLogContract } from "../../contract/RelayLogContract.ts"
import { sharedCacheContract } from "../../contract/SharedCacheContract.ts"
import { realTime as timing } from "../../contract/Timing.ts"
import { ANNOUNCEMENT_LIFE, freshStores, layerLeases, storePorts, storePortsWith } from "./SqliteWorld.ts"

const name = "sqlite"

relayLogContract({
  name,
  layer: storePorts,
  small: { layer: storePortsWith(RelayLogSqlite.layerWith({ limit: 5 })), limit: 5 },
  announcementLife: ANNOUNCEMENT_LIFE,
  timing
})

leasesContract({ name, layer: Layer.provide(layerLeases, freshStores), timing })

leadershipContract({
  name,
  layer: Layer.fresh(LeadershipSqlite.layerWith(Duration.millis(200))),
  timing,
  isEndless: true
})

meterStoreContract({ name, layer: Layer.provide(MeterStoreSqlite.layer, freshStores), timing })

sharedCacheContract({
  name,
  layer: Layer.provide(SharedCacheSqlite.layer, freshStores),
  small: Option.some({ layer: Layer.provide(SharedCacheSqlite.layerWith(5), freshStores), capacity: 5 }),
  timing
})
