/** What a relayer makes of a supplier's state: serve for it or not. */
import type { SupplierState } from "./SupplierState.ts"

/** What is known of a supplier: a state; that nobody wrote one; or nothing, because Redis did not answer. */
export type KnownState =
  | { readonly _tag: "State"; readonly state: SupplierState }
  | { readonly _tag: "Absent" }
  | { readonly _tag: "Unknown" }

/** The decision about one relay. */
export type GateDecision =
  | { readonly _tag: "Serve"; readonly optimistic: boolean; readonly isTransportStaked: boolean }
  | { readonly _tag: "Refuse"; readonly reason: "no_state" | "not_staked" | "no_services" | "service_not_staked" }

/**
 * Whether to serve `service` over `transport` for a supplier. A supplier whose key is held is served while nothing is
 * known of it: at the start, and while Redis is away. A transport that is not staked is served too, for the caller to
 * count: claims do not carry it. Source: the Go relay miner's `decideSupplierServe`.
 */
export const decideServe = (
  known: KnownState,
  asked: { readonly service: string; readonly transport: string; readonly isKeyHeld: boolean }
): GateDecision => {
  if (known._tag !== "State") {
    return asked.isKeyHeld ? { _tag: "Serve", optimistic: true, isTransportStaked: true } : refuse("no_state")
  }
  const { status, staked, services, stakedEndpoints } = known.state
  if (!staked || status === "not_staked") return refuse("not_staked")
  if (services.length === 0) return refuse("no_services")
  if (!services.includes(asked.service)) return refuse("service_not_staked")
  const isTransportStaked =
    stakedEndpoints.length === 0 ||
    stakedEndpoints.some(({ serviceId, rpcType }) => serviceId === asked.service && rpcType === asked.transport)
  return { _tag: "Serve", optimistic: false, isTransportStaked }
}

const refuse = (reason: Extract<GateDecision, { readonly _tag: "Refuse" }>["reason"]): GateDecision => ({
  _tag: "Refuse",
  reason
})
