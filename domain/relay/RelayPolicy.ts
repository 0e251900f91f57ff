/** What the operator decided about serving relays: services, limits and times. Read once when a relayer is built. */
import { Context, Duration } from "effect"
import type { RpcType } from "../ports/Backends.ts"
import type { Decimal } from "../protocol/Decimal.ts"

/**
 * When the backend may be asked. `eager`: after the ring signature is verified. `optimistic`: meanwhile. Either way the
 * answer is signed and leaves only after the signature passed.
 */
export type ValidationMode = "eager" | "optimistic"

/** One service that is offered. */
export interface ServicePolicy {
  readonly id: string
  /** Transports with at least one configured backend. */
  readonly rpcTypes: ReadonlySet<RpcType>
  /** Transport of requests that name none. */
  readonly defaultRpcType: RpcType
  readonly validation: ValidationMode
  /** Largest request body in bytes, inclusive. */
  readonly maxBodyBytes: number
}

/** What an operator decides about serving. Read when the layers are built: a change needs a restart. */
export interface RelayPolicy {
  /** Names this replica among relayers sharing a log. */
  readonly relayer: string
  readonly services: ReadonlyMap<string, ServicePolicy>
  /** Largest request body of any service in bytes, inclusive; beyond it a body is not even read. */
  readonly maxBodyBytes: number
  readonly meter: {
    readonly enabled: boolean
    /** What to do with a relay when the meter store is away: serve it uncharged, or refuse it. */
    readonly failBehavior: "open" | "closed"
    /** Part of the application's stake instead of the share by session, for a service or for all others. */
    readonly factors: ReadonlyMap<string, Decimal>
    readonly defaultFactor: Decimal | undefined
  }
  /** Relays served at the same time; one more is refused. Bounds memory: each holds its body and its answer. */
  readonly maxInFlight: number
  /** Longest wait for a block when a session starts at the height after ours. */
  readonly nextBlockWait: Duration.Duration
  /** Longest wait for the log; then the relay goes to the spool. */
  readonly appendTimeout: Duration.Duration
  /** Signed requests remembered against replay, for each session and in total; the oldest is dropped beyond it. */
  readonly seenPerSession: number
  readonly seenTotal: number
  /** Signed refusals for callers whose ring signature was not verified: burst and refill per second for each peer. */
  readonly refusalBurst: number
  readonly refusalsPerSecond: number
  /** Chain look-ups of unknown sessions and rings for requests not verified yet: burst and refill for each peer. */
  readonly lookupBurst: number
  readonly lookupsPerSecond: number
}

/** The policy of a relayer that offers nothing yet; times and bounds are the product's defaults. */
export const defaultRelayPolicy: RelayPolicy = {
  relayer: "relayer",
  services: new Map(),
  maxBodyBytes: 10_485_760,
  meter: { enabled: true, failBehavior: "open", factors: new Map(), defaultFactor: undefined },
  maxInFlight: 10_000,
  nextBlockWait: Duration.seconds(5),
  appendTimeout: Duration.millis(250),
  seenPerSession: 1_000_000,
  seenTotal: 4_000_000,
  refusalBurst: 50,
  refusalsPerSecond: 10,
  lookupBurst: 2_000,
  lookupsPerSecond: 200
}

/** The policy of this process; `defaultRelayPolicy`, which offers no service, unless a layer provides another. */
export const RelayPolicyRef: Context.Reference<RelayPolicy> = Context.Reference("relaymill/domain/relay/RelayPolicy", {
  defaultValue: () => defaultRelayPolicy
})
