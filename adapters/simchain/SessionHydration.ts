/**
 * GetSession: which session of an application and a service contains a height, and who serves it. The query and the
 * handlers of claims and proofs share it. Source: poktroll `x/session/keeper/session_hydrator.go`, `query_get_session.go`.
 */
import { Result } from "effect"
import type { Application } from "../../domain/chain/Application.ts"
import type { Session } from "../../domain/chain/Session.ts"
import type { Supplier } from "../../domain/chain/Supplier.ts"
import { decodeAddress } from "../../domain/keys/Address.ts"
import type { SessionNotFound } from "../../domain/ports/ChainQuery.ts"
import { sessionParamsAt } from "../../domain/protocol/SessionParams.ts"
import { sessionEnd, sessionNumber, sessionStart } from "../../domain/session/SessionGrid.ts"
import { sessionIdOf, sessionIdPreimage } from "../../domain/session/SessionId.ts"
import { isConfigActive, selectSuppliers, sessionCandidates } from "../../domain/session/SessionSuppliers.ts"
import { type ChainState, hashAt, sharedAt } from "./ChainState.ts"
import { quoted } from "./GoText.ts"

/** No such session, with the chain's message. */
export interface HydrationError {
  readonly reason: SessionNotFound["reason"]
  readonly text: string
}

/**
 * The session that contains `height` (0: `latest`). `latest` is the height a caller is at: the committed one for a query,
 * that of the block for a message executed in it, whose own hash is not stored yet.
 */
export const hydrateSession = (
  state: ChainState,
  request: { readonly application: string; readonly service: string; readonly height: bigint },
  latest: bigint
): Result.Result<Session, HydrationError> => {
  const malformed = malformedRequest(request)
  if (malformed !== undefined) return fail("malformed", malformed)
  const height = request.height === 0n ? latest : request.height
  if (height > latest) {
    return fail(
      "future",
      `block height ${height} is ahead of the last committed block height ${latest}: error during session hydration`
    )
  }
  const params = sharedAt(state, height)
  const start = sessionStart(params, height)
  const end = sessionEnd(params, height)
  const application = state.applications.get(request.application)
  if (application === undefined) {
    return fail(
      "no_application",
      `could not find app with address ${quoted(request.application)} at height ${start}: application for session not found not found `
    )
  }
  const applicationText = quoted(application.address)
  if (!isApplicationActive(application, end)) {
    return fail(
      "inactive_application",
      `application ${applicationText} is not active for session ID: application is not active`
    )
  }
  const preimage = sessionIdPreimage({
    blockHash: hashAt(state, start),
    serviceId: request.service,
    applicationAddress: request.application,
    sessionStart: start
  })
  if (!hasService(application, request.service, height)) {
    return fail(
      "service_not_staked",
      `application ${applicationText} not staked for service ID ${quoted(request.service)}: application in session not staked for requested service`
    )
  }
  const updates = [...state.suppliers.values()].flatMap((supplier) => supplier.serviceConfigHistory)
  const candidates = sessionCandidates(updates, request.service, height)
  if (candidates.length === 0) {
    return fail(
      "no_suppliers",
      `could not find suppliers for service ${request.service} at height ${start}: no suppliers not found for session`
    )
  }
  const count = sessionParamsAt(state.params.session, height).numSuppliersPerSession
  const suppliers = selectSuppliers(candidates, preimage, count).flatMap(
    ({ operatorAddress, service }): ReadonlyArray<Supplier> => {
      const supplier = state.suppliers.get(operatorAddress)
      return supplier === undefined ? [] : [{ ...supplier, services: [service], serviceConfigHistory: [] }]
    }
  )
  const sessionId = sessionIdOf(preimage)
  return Result.succeed({
    header: {
      applicationAddress: request.application,
      serviceId: request.service,
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

/** May the application still have a session that ends at `end`? */
export const isApplicationActive = (application: Application, end: bigint): boolean => {
  if (application.unstakeSessionEndHeight !== 0n) return end <= application.unstakeSessionEndHeight
  return application.pendingTransfer === undefined || end <= application.pendingTransfer.sessionEndHeight
}

/** Services at `height`: the flat list decides as long as there is no history. */
const hasService = (application: Application, service: string, height: bigint): boolean =>
  application.serviceConfigHistory.length === 0
    ? application.serviceIds.includes(service)
    : application.serviceConfigHistory.some((update) => update.serviceId === service && isConfigActive(update, height))

const SERVICE_ID = /^[A-Za-z0-9_-]{1,42}$/

const malformedRequest = (request: {
  readonly application: string
  readonly service: string
  readonly height: bigint
}): string | undefined => {
  if (Result.isFailure(decodeAddress(request.application))) {
    return `invalid app address for session being retrieved ${request.application}`
  }
  if (!SERVICE_ID.test(request.service)) return `invalid service for session being retrieved: ${request.service}`
  return request.height < 0n ? `invalid block height for session being retrieved ${request.height}` : undefined
}

const fail = (reason: SessionNotFound["reason"], text: string): Result.Result<never, HydrationError> =>
  Result.fail({ reason, text })
