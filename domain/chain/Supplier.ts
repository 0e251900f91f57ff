/** A supplier as the chain stores it: operator, owner, stake, and the services it may be chosen for at which heights. */
import { Result } from "effect"
import { create } from "@bufbuild/protobuf"
import { type InvalidChainRecord, upoktFromMessage, upoktToMessage } from "./Coin.ts"
import {
  type ConfigOptions,
  type RPCType,
  type Supplier as SupplierMessage,
  type SupplierServiceConfig as ServiceConfigMessage,
  SupplierSchema
} from "./proto/pocket/shared_pb.ts"

/** Transports by their number on chain. Source: poktroll `proto/pocket/shared/service.proto`, RPCType. */
export const RpcType = { unknown: 0, grpc: 1, websocket: 2, jsonRpc: 3, rest: 4, cometBft: 5 } as const

/** One public address of a supplier for a service. `rpcType` is one of `RpcType`, or a number of a newer chain. */
export interface SupplierEndpoint {
  readonly url: string
  readonly rpcType: number
  readonly configs: ReadonlyArray<{ readonly key: number; readonly value: string }>
}

/** Part of a reward, whole percent. The shares of one service sum to 100. */
export interface RevenueShare {
  readonly address: string
  readonly percentage: bigint
}

/** What a supplier offers for one service. A dehydrated answer has no `revShare`. */
export interface SupplierServiceConfig {
  readonly serviceId: string
  readonly endpoints: ReadonlyArray<SupplierEndpoint>
  readonly revShare: ReadonlyArray<RevenueShare>
}

/** A service config with the heights between which it counts; `deactivationHeight` 0 means open. */
export interface ServiceConfigUpdate {
  readonly operatorAddress: string
  readonly service: SupplierServiceConfig
  readonly activationHeight: bigint
  readonly deactivationHeight: bigint
}

/** Source: poktroll `proto/pocket/shared/supplier.proto`. */
export interface Supplier {
  readonly ownerAddress: string
  readonly operatorAddress: string
  /** uPOKT. */
  readonly stake: bigint
  readonly services: ReadonlyArray<SupplierServiceConfig>
  /** 0 while staked. */
  readonly unstakeSessionEndHeight: bigint
  readonly serviceConfigHistory: ReadonlyArray<ServiceConfigUpdate>
}

/** Converts the wire message; fails on an amount that is no number. */
export const fromMessage = (message: SupplierMessage): Result.Result<Supplier, InvalidChainRecord> =>
  Result.map(upoktFromMessage(message.stake, "Supplier", "stake"), (stake) => ({
    ownerAddress: message.ownerAddress,
    operatorAddress: message.operatorAddress,
    stake,
    services: message.services.map(serviceConfig),
    unstakeSessionEndHeight: message.unstakeSessionEndHeight,
    serviceConfigHistory: message.serviceConfigHistory.map((update) => ({
      operatorAddress: update.operatorAddress,
      service:
        update.service === undefined ? { serviceId: "", endpoints: [], revShare: [] } : serviceConfig(update.service),
      activationHeight: update.activationHeight,
      deactivationHeight: update.deactivationHeight
    }))
  }))

/** The wire message of a record, as a node would answer it. */
export const toMessage = (supplier: Supplier): SupplierMessage =>
  create(SupplierSchema, {
    ownerAddress: supplier.ownerAddress,
    operatorAddress: supplier.operatorAddress,
    stake: upoktToMessage(supplier.stake),
    services: supplier.services.map(serviceConfigShape),
    unstakeSessionEndHeight: supplier.unstakeSessionEndHeight,
    serviceConfigHistory: supplier.serviceConfigHistory.map((update) => ({
      operatorAddress: update.operatorAddress,
      service: serviceConfigShape(update.service),
      activationHeight: update.activationHeight,
      deactivationHeight: update.deactivationHeight
    }))
  })

const serviceConfig = (message: ServiceConfigMessage): SupplierServiceConfig => ({
  serviceId: message.serviceId,
  endpoints: message.endpoints.map((endpoint) => ({
    url: endpoint.url,
    rpcType: endpoint.rpcType,
    configs: endpoint.configs.map(({ key, value }) => ({ key, value }))
  })),
  revShare: message.revShare.map((share) => ({ address: share.address, percentage: share.revSharePercentage }))
})

const serviceConfigShape = (config: SupplierServiceConfig) => ({
  serviceId: config.serviceId,
  endpoints: config.endpoints.map((endpoint) => ({
    url: endpoint.url,
    // The enum is open: any int32 is carried, the generated type has no constructor for unknown numbers.
    rpcType: endpoint.rpcType as RPCType,
    configs: endpoint.configs.map(({ key, value }) => ({ key: key as ConfigOptions, value }))
  })),
  revShare: config.revShare.map((share) => ({ address: share.address, revSharePercentage: share.percentage }))
})
