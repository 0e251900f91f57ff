/**
 * The chain's answer to `GetSession`: header, application and suppliers of the session that contains a height, or why
 * there is none. Reads the current records, with params, hashes and configs of the height that is asked for.
 * Source: poktroll `x/session/keeper`, query_get_session.go and session_hydrator.go.
 */
import { Result, Schema } from "effect"
import type { Application } from "../chain/Application.ts"
import type { Session } from "../chain/Session.ts"
import type { ServiceConfigUpdate, Supplier } from "../chain/Supplier.ts"
import { decodeAddress } from "../keys/Address.ts"
import type { SharedParams } from "../protocol/SharedParams.ts"
import { applicationServices, isApplicationActive } from "./ApplicationConfigs.ts"
import { sessionEnd, sessionNumber, sessionStart } from "./SessionGrid.ts"
import { sessionIdOf, sessionIdPreimage } from "./SessionId.ts"
import { selectSuppliers, sessionCandidates } from "./SessionSuppliers.ts"

/** What is asked for: `height` 0 means the latest. */
export interface SessionRequest {
  readonly applicationAddress: string
  readonly serviceId: string
  readonly height: bigint
}

/** Chain state as the hydration reads it, at the latest committed height or inside a block. */
export interface SessionState {
  /** Height of the state: the latest committed block, or the block being executed. */
  readonly latestHeight: bigint
  readonly sharedParamsAt: (height: bigint) => SharedParams
  readonly numSuppliersPerSessionAt: (height: bigint) => bigint
  /** 32 bytes; empty when none is stored, as for the block being executed. */
  readonly blockHash: (height: bigint) => Uint8Array
  readonly application: (address: string) => Application | undefined
  /** Config updates of all suppliers for the service, in any order. */
  readonly configUpdates: (serviceId: string) => ReadonlyArray<ServiceConfigUpdate>
  readonly supplier: (operatorAddress: string) => Supplier | undefined
}

/** There is no such session. `malformed` is gRPC InvalidArgument (3), all else Internal (13) with the chain's own text. */
export class SessionHydrationFailed extends Schema.TaggedError<SessionHydrationFailed>()("SessionHydrationFailed", {
  reason: Schema.Literals(["malformed", "future", "no application", "inactive", "service", "suppliers"]),
  detail: Schema.String
}) {
  /** gRPC status code. */
  get grpcCode(): number {
    return this.reason === "malformed" ? 3 : 13
  }
  override get message(): string {
    return this.detail
  }
}

/** Computes the session. Cost: one pass over the service's config updates, one SHA3-256 for each candidate. */
export const hydrateSession = (
  request: SessionRequest,
  state: SessionState
): Result.Result<Session, SessionHydrationFailed> => {
  const { applicationAddress, serviceId } = request
  const malformed = describeMalformed(request)
  if (malformed !== undefined) return fail("malformed", malformed)

  const { latestHeight } = state
  const height = request.height === 0n ? latestHeight : request.height
  if (height > latestHeight) {
    return fail(
      "future",
      `block height ${height} is ahead of the last committed block height ${latestHeight}: error during session hydration`
    )
  }
  const params = state.sharedParamsAt(height)
  const start = sessionStart(params, height)
  const end = sessionEnd(params, height)
  const preimage = sessionIdPreimage({
    blockHash: state.blockHash(start),
    serviceId,
    applicationAddress,
    sessionStart: start
  })
  const sessionId = sessionIdOf(preimage)

  const application = state.application(applicationAddress)
  if (application === undefined) {
    return fail(
      "no application",
      `could not find app with address "${applicationAddress}" at height ${start}: application for session not found not found `
    )
  }
  if (!isApplicationActive(application, end)) {
    return fail(
      "inactive",
      `application "${applicationAddress}" is not active for session ${sessionId}: application is not active`
    )
  }
  if (!applicationServices(application, height).includes(serviceId)) {
    return fail(
      "service",
      `application "${applicationAddress}" not staked for service ID "${serviceId}": application in session not staked for requested service`
    )
  }

  const candidates = sessionCandidates(state.configUpdates(serviceId), serviceId, height)
  if (candidates.length === 0) {
    return fail(
      "suppliers",
      `could not find suppliers for service ${serviceId} at height ${start}: no suppliers not found for session`
    )
  }
  const suppliers = selectSuppliers(candidates, preimage, state.numSuppliersPerSessionAt(height)).flatMap((update) => {
    // A removed supplier leaves its config's place empty: nobody else moves up.
    const supplier = state.supplier(update.operatorAddress)
    return supplier === undefined ? [] : [{ ...supplier, services: [update.service], serviceConfigHistory: [] }]
  })
  return Result.succeed({
    header: {
      applicationAddress,
      serviceId,
      sessionId,
      sessionStartBlockHeight: start,
      sessionEndBlockHeight: end
    },
    sessionId,
    sessionNumber: sessionNumber(params, height),
    numBlocksPerSession: params.numBlocksPerSession,
    application,
    suppliers
  })
}

/** Source: poktroll `x/shared/types/service.go`, IsValidServiceId. */
const serviceIdPattern = /^[A-Za-z0-9_-]{1,42}$/

const describeMalformed = (request: SessionRequest): string | undefined => {
  if (Result.isFailure(decodeAddress(request.applicationAddress))) {
    return "invalid application address for session"
  }
  if (!serviceIdPattern.test(request.serviceId)) return `invalid service ID: ${JSON.stringify(request.serviceId)}`
  return request.height < 0n
    ? `invalid block height for session being retrieved ${request.height};: invalid block height for session`
    : undefined
}

const fail = (reason: SessionHydrationFailed["reason"], detail: string): Result.Result<never, SessionHydrationFailed> =>
  Result.fail(new SessionHydrationFailed({ reason, detail }))
