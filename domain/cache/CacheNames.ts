/**
 * Names of cached values and of the channels that invalidate them, below the fleet's base prefix; adapters put segments
 * that an operator has renamed in their place. Those that a Go fleet
 * reads and writes are its own; values whose encoding there is not laid down have keys of ours under `mill:cache`.
 */

/** What invalidation messages are about. The names are part of the channels'. */
export type InvalidatedType =
  | "application"
  | "service"
  | "account"
  | "supplier"
  | "shared_params"
  | "proof_params"
  | "service_factor"

/** Keys and channels. Ids are part of them and have no colons of their own. */
export const names = {
  /** Protobuf of the record. */
  application: (address: string): string => `cache:application:${address}`,
  /** Protobuf of the record. */
  service: (id: string): string => `cache:service:${id}`,
  /** 33 raw bytes: the public key. */
  account: (address: string): string => `cache:account:${address}`,
  /** Protobuf of the live record. */
  sharedParams: "cache:shared_params",
  /** Protobuf of the live record. */
  proofParams: "cache:proof_params",
  /** Set of addresses that are worth refreshing. */
  knownApplications: "cache:known:applications",
  /** Set of ids that are worth refreshing. */
  knownServices: "cache:known:services",
  /** JSON of a supplier's state. */
  supplierState: (address: string): string => `supplier:${address}`,
  /** JSON of a service's factor. */
  serviceFactor: (id: string): string => `service_factor:service:${id}`,
  /** JSON of the factor of all other services. */
  defaultServiceFactor: "service_factor:default",
  /** The lock of one of the above, in Go's place. */
  lock: (entity: string): string => `cache:lock:${entity}`,
  /** A key of ours. */
  own: (...parts: ReadonlyArray<string>): string => `mill:cache:${parts.join(":")}`,
  /** Channel of a type. */
  invalidations: (type: InvalidatedType): string => `events:cache:${type}:invalidate`,
  /** Shared params at a height; the payload is that height, decimal. */
  paramsInvalidations: "events:invalidate:params",
  /** Params of the supplier module, whose channel is formed unlike all others. Nothing of them is kept here. */
  supplierParamsInvalidations: "events:cache:invalidate:supplier_params"
} as const
