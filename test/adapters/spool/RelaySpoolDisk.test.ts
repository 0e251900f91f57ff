import { Layer } from "effect"
import { relaySpoolContract } from "../../contract/RelaySpoolContract.ts"
import { realTime } from "../../contract/Timing.ts"
import { freshSpool } from "./SpoolWorld.ts"

for (const fsync of [true, false]) {
  relaySpoolContract({
    name: fsync ? "disk, synced" : "disk, not synced",
    layer: Layer.fresh(Layer.orDie(freshSpool({ fsync }))),
    small: { layer: Layer.fresh(Layer.orDie(freshSpool({ fsync, maxEntries: 5 }))), limit: 5 },
    timing: { ...realTime, runs: 30 }
  })
}
