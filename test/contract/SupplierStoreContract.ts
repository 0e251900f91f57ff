/** What every `SupplierStore` must do, with the log and the leases it shares its state with. */
import { describe } from "@effect/vitest"
import { commitLaws } from "./supplierStore/CommitLaws.ts"
import { deliveryLaws } from "./supplierStore/DeliveryLaws.ts"
import { fenceLaws } from "./supplierStore/FenceLaws.ts"
import { intentLaws } from "./supplierStore/IntentLaws.ts"
import { nodeLaws } from "./supplierStore/NodeLaws.ts"
import { storeModelLaws } from "./supplierStore/StoreModelLaws.ts"
import type { StoreWorld } from "./SupplierStoreWorld.ts"

/** Registers the suite for one adapter. */
export const supplierStoreContract = (world: StoreWorld): void => {
  describe(`SupplierStore, ${world.name}`, () => {
    deliveryLaws(world)
    fenceLaws(world)
    commitLaws(world)
    nodeLaws(world)
    intentLaws(world)
    storeModelLaws(world)
  })
}
