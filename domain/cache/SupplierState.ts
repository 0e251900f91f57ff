/**
 * The state of a supplier that miners write and relayers read: is it staked, for which services. JSON under one key for
 * each supplier, the fields in the order and with the omissions of the Go fleet, which reads and writes the same.
 */
import { Option, Result, Schema } from "effect"
import { RpcType, type Supplier } from "../chain/Supplier.ts"
import type { SharedParams } from "../protocol/SharedParams.ts"
import { sessionStart } from "../session/SessionGrid.ts"
import { isConfigActive } from "../session/SessionSuppliers.ts"

/** Transports as the state names them. */
export type StakedTransport = "jsonrpc" | "rest" | "websocket" | "grpc" | "cometbft"

/** A transport that the supplier has staked for a service. */
export interface StakedEndpoint {
  readonly serviceId: string
  /** One of `StakedTransport`, or a name of a newer fleet. */
  readonly rpcType: string
}

/** Source: the Go relay miner's `cache/supplier_cache.go`. */
export interface SupplierState {
  /** `unstaking` suppliers still serve. */
  readonly status: "active" | "unstaking" | "not_staked"
  readonly staked: boolean
  readonly services: ReadonlyArray<string>
  /** Empty: not known, which no transport is refused for. */
  readonly stakedEndpoints: ReadonlyArray<StakedEndpoint>
  /** 0 while staked. */
  readonly unstakeSessionEndHeight: bigint
  readonly operatorAddress: string
  readonly ownerAddress: string
  /** Seconds since the Unix epoch. */
  readonly lastUpdated: number
  /** Start of the session in which it was computed; 0 if not known. */
  readonly lastRefreshSessionStart: bigint
  /** Replica that wrote it; empty if not known. */
  readonly updatedBy: string
}

/** Why no state is written: what would be written is not known to be true. */
export class StateNotKnown extends Schema.TaggedError<StateNotKnown>()("StateNotKnown", {
  supplier: Schema.String,
  /** `unreliable_boot_snapshot`: no height is known yet. `no_active_service`: staked, but between two configs. */
  reason: Schema.Literals(["unreliable_boot_snapshot", "no_active_service"])
}) {
  override get message(): string {
    return `the state of supplier ${this.supplier} is not written: ${this.reason}`
  }
}

/** What a state is computed from. */
export interface SupplierStanding {
  readonly supplier: string
  /** The chain's answer; none only if the chain said that there is no such supplier, never because it did not answer. */
  readonly record: Option.Option<Supplier>
  readonly params: SharedParams
  /** Latest height; none before the first block is known. */
  readonly height: Option.Option<bigint>
  /** Whether a replica of this fleet holds its key; one that is being given up still serves what it has. */
  readonly isHeld: boolean
  readonly nowSeconds: number
  readonly replica: string
}

/** The state to write. Active without services is never one: relayers would refuse for it. */
export const supplierState = (standing: SupplierStanding): Result.Result<SupplierState, StateNotKnown> => {
  const { supplier, record, params, height, isHeld, nowSeconds, replica } = standing
  const written = {
    operatorAddress: supplier,
    lastUpdated: nowSeconds,
    lastRefreshSessionStart: Option.match(height, { onNone: () => 0n, onSome: (at) => sessionStart(params, at) }),
    updatedBy: replica
  }
  if (Option.isNone(record)) {
    return Result.succeed({
      ...written,
      status: "not_staked",
      staked: false,
      services: [],
      stakedEndpoints: [],
      unstakeSessionEndHeight: 0n,
      ownerAddress: ""
    })
  }
  const { services, serviceConfigHistory, unstakeSessionEndHeight, ownerAddress } = record.value
  const configs = Option.match(height, {
    onNone: () => services,
    onSome: (at) =>
      serviceConfigHistory.length === 0
        ? services
        : serviceConfigHistory.filter((update) => isConfigActive(update, at)).map((update) => update.service)
  })
  const status = unstakeSessionEndHeight > 0n || !isHeld ? "unstaking" : "active"
  const ids = [...new Set(configs.map(({ serviceId }) => serviceId))]
  if (ids.length === 0 && (status === "active" || Option.isNone(height))) {
    const reason = Option.isNone(height) ? "unreliable_boot_snapshot" : "no_active_service"
    return Result.fail(new StateNotKnown({ supplier, reason }))
  }
  return Result.succeed({
    ...written,
    status,
    staked: true,
    services: ids,
    stakedEndpoints: endpointsOf(configs),
    unstakeSessionEndHeight,
    ownerAddress
  })
}

/** The JSON text. Heights above 2⁵³ lose digits, as in Go's readers of JSON they would not; no chain has them. */
export const encodeSupplierState = (state: SupplierState): string =>
  JSON.stringify({
    status: state.status,
    staked: state.staked,
    services: state.services,
    ...(state.stakedEndpoints.length > 0 && {
      staked_endpoints: state.stakedEndpoints.map(({ serviceId, rpcType }) => ({
        service_id: serviceId,
        rpc_type: rpcType
      }))
    }),
    unstake_session_end_height: Number(state.unstakeSessionEndHeight),
    operator_address: state.operatorAddress,
    owner_address: state.ownerAddress,
    last_updated: state.lastUpdated,
    ...(state.lastRefreshSessionStart !== 0n && { last_refresh_session_start: Number(state.lastRefreshSessionStart) }),
    ...(state.updatedBy !== "" && { updated_by: state.updatedBy })
  })

/**
 * The state of `supplier`; none for a text that is none, is another supplier's, or says active without services: such
 * a state was written by mistake, and counts as absent. Unknown fields are passed over, absent ones are Go's zero.
 */
export const decodeSupplierState = (text: string, supplier: string): Option.Option<SupplierState> =>
  decodeJson(text).pipe(
    Option.map((json) => ({
      status: json.status,
      staked: json.staked ?? false,
      services: json.services ?? [],
      stakedEndpoints: (json.staked_endpoints ?? []).map(({ service_id, rpc_type }) => ({
        serviceId: service_id,
        rpcType: rpc_type
      })),
      unstakeSessionEndHeight: BigInt(json.unstake_session_end_height ?? 0),
      operatorAddress: json.operator_address ?? supplier,
      ownerAddress: json.owner_address ?? "",
      lastUpdated: json.last_updated ?? 0,
      lastRefreshSessionStart: BigInt(json.last_refresh_session_start ?? 0),
      updatedBy: json.updated_by ?? ""
    })),
    Option.filter((state) => state.operatorAddress === supplier && !isContaminated(state))
  )

/** Staked and active for nothing: no chain state reads so. */
export const isContaminated = ({ staked, status, services }: SupplierState): boolean =>
  staked && status === "active" && services.length === 0

const Natural = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))

const decodeJson = Schema.decodeUnknownOption(
  Schema.fromJsonString(
    Schema.Struct({
      status: Schema.Literals(["active", "unstaking", "not_staked"]),
      staked: Schema.optionalKey(Schema.Boolean),
      // Go writes null for an empty list.
      services: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.String))),
      staked_endpoints: Schema.optionalKey(
        Schema.NullOr(Schema.Array(Schema.Struct({ service_id: Schema.String, rpc_type: Schema.String })))
      ),
      unstake_session_end_height: Schema.optionalKey(Natural),
      operator_address: Schema.optionalKey(Schema.String),
      owner_address: Schema.optionalKey(Schema.String),
      last_updated: Schema.optionalKey(Natural),
      last_refresh_session_start: Schema.optionalKey(Natural),
      updated_by: Schema.optionalKey(Schema.String)
    })
  )
)

const TRANSPORTS: ReadonlyMap<number, StakedTransport> = new Map([
  [RpcType.grpc, "grpc"],
  [RpcType.websocket, "websocket"],
  [RpcType.jsonRpc, "jsonrpc"],
  [RpcType.rest, "rest"],
  [RpcType.cometBft, "cometbft"]
])

/** Each service and transport once; a transport without a name here is left out. */
const endpointsOf = (configs: Supplier["services"]): ReadonlyArray<StakedEndpoint> => {
  const unique = new Map<string, StakedEndpoint>()
  for (const { serviceId, endpoints } of configs) {
    for (const { rpcType } of endpoints) {
      const name = TRANSPORTS.get(rpcType)
      if (name !== undefined) unique.set(`${serviceId} ${name}`, { serviceId, rpcType: name })
    }
  }
  return [...unique.values()]
}
