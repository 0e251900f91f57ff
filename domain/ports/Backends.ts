/** The operator's nodes that answer relays. Selection, health, circuit breaking and retries are the adapter's. */
import { Context, type Effect, Schema } from "effect"
import type { ServiceId } from "../protocol/Identifiers.ts"
import type { BackendAnswer } from "../relay/BackendAnswer.ts"
import type { HttpRequestPayload } from "../relay/PoktHttp.ts"

/** Transport a service is reached by; the field's names as in supplier stakes and configuration. */
export const RpcType = Schema.Literals(["jsonrpc", "rest", "websocket", "grpc", "cometbft"])
export type RpcType = typeof RpcType.Type

/** One request to forward. */
export interface BackendRequest {
  readonly service: ServiceId
  readonly rpcType: RpcType
  /** The gateway's request as signed; only path and query of its URL are used. */
  readonly payload: HttpRequestPayload
  /** Headers of the outer request that may be passed on (`spec/relayer.md` §1.6), lower-case names. */
  readonly outerHeaders: Readonly<Record<string, string>>
  readonly supplier: string
  readonly application: string
}

/**
 * Why there is no answer. `unhealthy`: no healthy backend, nothing was sent. `unreachable`: refused, reset, broke off.
 * `timeout`: the service's time passed. `too_large`: the answer exceeds `limit` bytes. `unsendable`: the request itself
 * is none that this transport can carry (its method, its URL), nothing was sent and no backend is to blame.
 */
export class BackendFailed extends Schema.TaggedError<BackendFailed>()("BackendFailed", {
  reason: Schema.Literals(["unhealthy", "unreachable", "timeout", "too_large", "unsendable"]),
  service: Schema.String,
  rpcType: RpcType,
  /** Bytes, for `too_large`. */
  limit: Schema.optionalKey(Schema.Int),
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return `backend of ${this.service} (${this.rpcType}): ${this.reason}`
  }
}

/** Forwards requests to the backends of a service. One call is one request: retries happen inside and are not seen. */
export class Backends extends Context.Service<
  Backends,
  {
    /**
     * Forwards and reads the whole answer, bounded by the service's limit. Redirects are answers. Interruption cancels
     * the call.
     */
    readonly forward: (request: BackendRequest) => Effect.Effect<BackendAnswer, BackendFailed>
    /** Whether at least one backend is healthy now. No I/O. */
    readonly isHealthy: (service: ServiceId, rpcType: RpcType) => Effect.Effect<boolean>
  }
>()("relaymill/domain/ports/Backends") {}
