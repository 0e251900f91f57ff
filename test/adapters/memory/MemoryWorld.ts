/** The memory adapters as the contract suites want them: fresh stores each time the layer is built. */
import { Effect, Layer } from "effect"
import * as EntropySeeded from "../../../adapters/memory/EntropySeeded.ts"
import * as LeasesMemory from "../../../adapters/memory/LeasesMemory.ts"
import { MemoryStores, SET_ASIDE_LIMIT } from "../../../adapters/memory/MemoryStores.ts"
import * as RelayLogMemory from "../../../adapters/memory/RelayLogMemory.ts"
import * as SupplierStoreMemory from "../../../adapters/memory/SupplierStoreMemory.ts"
import type { RelayLog } from "../../../domain/ports/RelayLog.ts"
import { StoreInspector, type StorePorts } from "../../contract/SupplierStoreWorld.ts"

const inspector = Layer.effect(
  StoreInspector,
  Effect.map(MemoryStores, (stores) => ({
    setAside: (supplier) =>
      Effect.sync(() =>
        stores.supplier(supplier).setAside.map(({ delivery, reason }) => ({ id: delivery.id, reason }))
      ),
    setAsideLimit: SET_ASIDE_LIMIT
  }))
)

/** Fresh state, shared by the layers it is given to. */
export const freshStores = Layer.fresh(MemoryStores.layer)

/** This log, with store and leases over the same fresh state. */
export const storePortsWith = (log: Layer.Layer<RelayLog, never, MemoryStores>): Layer.Layer<StorePorts> =>
  Layer.mergeAll(SupplierStoreMemory.layer, log, LeasesMemory.layer, inspector).pipe(
    Layer.provide(freshStores),
    Layer.provide(EntropySeeded.layer)
  )

export const storePorts = storePortsWith(RelayLogMemory.layer)
