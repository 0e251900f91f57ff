/** The other memory adapters keep the laws of their ports. */
import { Duration, Layer, Option } from "effect"
import * as EntropyNode from "../../../adapters/crypto/EntropyNode.ts"
import * as BroadcastMemory from "../../../adapters/memory/BroadcastMemory.ts"
import * as EntropySeeded from "../../../adapters/memory/EntropySeeded.ts"
import * as LeadershipMemory from "../../../adapters/memory/LeadershipMemory.ts"
import * as LeasesMemory from "../../../adapters/memory/LeasesMemory.ts"
import * as MeterStoreMemory from "../../../adapters/memory/MeterStoreMemory.ts"
import * as RelayLogMemory from "../../../adapters/memory/RelayLogMemory.ts"
import * as RelaySpoolMemory from "../../../adapters/memory/RelaySpoolMemory.ts"
import * as SharedCacheMemory from "../../../adapters/memory/SharedCacheMemory.ts"
import { broadcastContract } from "../../contract/BroadcastContract.ts"
import { entropyContract } from "../../contract/EntropyContract.ts"
import { leadershipContract } from "../../contract/LeadershipContract.ts"
import { leasesContract } from "../../contract/LeasesContract.ts"
import { meterStoreContract } from "../../contract/MeterStoreContract.ts"
import { relayLogContract } from "../../contract/RelayLogContract.ts"
import { relaySpoolContract } from "../../contract/RelaySpoolContract.ts"
import { sharedCacheContract } from "../../contract/SharedCacheContract.ts"
import { virtualTime as timing } from "../../contract/Timing.ts"
import { freshStores, storePorts, storePortsWith } from "./MemoryWorld.ts"

const name = "memory"

relayLogContract({
  name,
  layer: storePorts,
  small: { layer: storePortsWith(RelayLogMemory.layerWith(5)), limit: 5 },
  announcementLife: Duration.seconds(15),
  timing
})

leasesContract({
  name,
  layer: LeasesMemory.layer.pipe(Layer.provide([freshStores, EntropySeeded.layer])),
  timing
})

leadershipContract({
  name,
  layer: Layer.provide(LeadershipMemory.layer, freshStores),
  timing,
  isEndless: false
})

meterStoreContract({ name, layer: Layer.provide(MeterStoreMemory.layer, freshStores), timing })

sharedCacheContract({
  name,
  layer: Layer.provide(SharedCacheMemory.layer, freshStores),
  small: Option.some({ layer: Layer.provide(SharedCacheMemory.layerWith(5), freshStores), capacity: 5 }),
  timing
})

broadcastContract({ name, layer: Layer.provide(BroadcastMemory.layer, freshStores), timing })

relaySpoolContract({
  name,
  layer: RelaySpoolMemory.layer,
  small: { layer: Layer.suspend(() => RelaySpoolMemory.layerWith(new Map(), 5)), limit: 5 },
  timing
})

entropyContract({ name: "seeded", layer: EntropySeeded.layer, timing })
entropyContract({ name: "operating system", layer: EntropyNode.layer, timing })
