/** Builders for the chain's actor records and addresses of tests. */
import type { Application } from "../../../domain/chain/Application.ts"
import type { Supplier, SupplierServiceConfig } from "../../../domain/chain/Supplier.ts"
import { encodeBech32 } from "../../../domain/keys/Bech32.ts"
import type { Gateway } from "../../../domain/session/Delegations.ts"

/** An address whose 20 bytes are `head` followed by zeros. */
export const anAddress = (...head: ReadonlyArray<number>): string =>
  encodeBech32(
    "pokt",
    Uint8Array.from({ length: 20 }, (_, index) => head[index] ?? 0)
  )

export const aService = (serviceId = "svc", url = "http://supplier.test"): SupplierServiceConfig => ({
  serviceId,
  endpoints: [{ url, rpcType: 3, configs: [] }],
  revShare: []
})

export const aSupplier = (fields: Partial<Supplier> = {}): Supplier => ({
  ownerAddress: anAddress(0xee),
  operatorAddress: anAddress(0x51),
  stake: 1_000_000n,
  services: [],
  unstakeSessionEndHeight: 0n,
  serviceConfigHistory: [],
  ...fields
})

export const anApplication = (fields: Partial<Application> = {}): Application => ({
  address: anAddress(0xaa),
  stake: 1_000_000n,
  serviceIds: ["svc"],
  delegateeGatewayAddresses: [],
  pendingUndelegations: [],
  unstakeSessionEndHeight: 0n,
  pendingTransfer: undefined,
  perSessionSpendLimit: undefined,
  serviceConfigHistory: [],
  ...fields
})

export const aGateway = (fields: Partial<Gateway> = {}): Gateway => ({
  address: anAddress(0x9a),
  stake: 1_000n,
  unstakeSessionEndHeight: 0n,
  ...fields
})
