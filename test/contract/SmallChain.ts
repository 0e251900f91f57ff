/** The simulated chain on which the chain's ports are held to their contracts, whatever stands between it and a suite. */
import { demoGenesis } from "../../adapters/simchain/Genesis.ts"
import { testKey } from "../support/RelayBuilder.ts"

/** Who is on it, as `ChainWorld` names them. */
export const smallChain = {
  application: testKey("application"),
  supplier: testKey("supplier"),
  service: "anvil",
  computeUnitsPerRelay: 100n
} as const

/** Its genesis. */
export const smallGenesis = demoGenesis({
  applications: [{ publicKey: smallChain.application.publicKey, serviceIds: [smallChain.service] }],
  suppliers: [{ publicKey: smallChain.supplier.publicKey, services: [{ serviceId: smallChain.service }] }],
  services: [{ id: smallChain.service, computeUnitsPerRelay: smallChain.computeUnitsPerRelay }]
})

/** Milliseconds at which it begins: time-outs below one second count as unset. */
export const SMALL_CHAIN_START = 1_800_000_000_000
