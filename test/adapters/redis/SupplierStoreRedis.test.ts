/** The Redis store keeps the laws of its port, on one server and on a cluster. */
import { supplierStoreContract } from "../../contract/SupplierStoreContract.ts"
import { realTime } from "../../contract/Timing.ts"
import { onEveryRedis } from "../../support/EveryRedis.ts"
import { freshStore } from "./StoreWorld.ts"

onEveryRedis("SupplierStoreRedis", (redis) => {
  supplierStoreContract({ name: redis.name, layer: freshStore(redis.settings), timing: realTime })
})
