/** The SQLite store keeps the laws of its port. */
import { supplierStoreContract } from "../../contract/SupplierStoreContract.ts"
import { realTime } from "../../contract/Timing.ts"
import { storePorts } from "./SqliteWorld.ts"

supplierStoreContract({ name: "sqlite", layer: storePorts, timing: realTime })
