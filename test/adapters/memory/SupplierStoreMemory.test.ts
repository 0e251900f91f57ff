/** The memory store keeps the laws of its port. */
import { supplierStoreContract } from "../../contract/SupplierStoreContract.ts"
import { virtualTime } from "../../contract/Timing.ts"
import { storePorts } from "./MemoryWorld.ts"

supplierStoreContract({ name: "memory", layer: storePorts, timing: virtualTime })
