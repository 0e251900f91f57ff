/**
 * GetSession on the simulated chain's state: the domain's rules with this state behind them. Sessions are remembered as
 * long as the records they were made of are the same: every claim, proof and query of a block asks for the same few.
 */
import type { Result } from "effect"
import type { Application } from "../../domain/chain/Application.ts"
import type { Session } from "../../domain/chain/Session.ts"
import type { SessionNotFound } from "../../domain/ports/ChainQuery.ts"
import { sessionParamsAt } from "../../domain/protocol/SessionParams.ts"
import { sessionStart } from "../../domain/session/SessionGrid.ts"
import {
  hydrateSession as hydrate,
  type SessionHydrationFailed,
  type SessionRequest
} from "../../domain/session/SessionHydration.ts"
import { bytesToText } from "../../domain/wire/ByteText.ts"
import { type ChainState, hashAt, sharedAt } from "./ChainState.ts"

/**
 * The session that contains `request.height` (0: `latestHeight`). `latestHeight` is where the caller is: the committed
 * height for a query, that of the block for a message executed in it, whose own hash is not stored yet.
 */
export const hydrateSession = (
  state: ChainState,
  request: SessionRequest,
  latestHeight: bigint
): Result.Result<Session, SessionHydrationFailed> => {
  if (request.height < 1n || request.height > latestHeight) return computeSession(state, request, latestHeight)
  const sessions = sessionsOf(state)
  const seed = hashAt(state, sessionStart(sharedAt(state, request.height), request.height))
  const key = `${request.applicationAddress}/${request.serviceId}/${request.height}/${bytesToText(seed)}`
  const application = state.applications.get(request.applicationAddress)
  const known = sessions.get(key)
  if (known?.application === application && known?.shared === state.params.shared) {
    if (known.session === state.params.session) return known.result
  }
  const result = computeSession(state, request, latestHeight)
  if (sessions.size >= MAX_REMEMBERED_SESSIONS) sessions.clear()
  sessions.set(key, { application, shared: state.params.shared, session: state.params.session, result })
  return result
}

/** Sessions remembered for one set of suppliers; all are forgotten at the bound. */
const MAX_REMEMBERED_SESSIONS = 1_000

interface RememberedSession {
  readonly application: Application | undefined
  readonly shared: ChainState["params"]["shared"]
  readonly session: ChainState["params"]["session"]
  readonly result: Result.Result<Session, SessionHydrationFailed>
}

/** By the map of suppliers: a change of any supplier is another map. Hashes are part of the key within. */
const remembered = new WeakMap<ChainState["suppliers"], Map<string, RememberedSession>>()

const sessionsOf = (state: ChainState): Map<string, RememberedSession> => {
  const known = remembered.get(state.suppliers)
  if (known !== undefined) return known
  const sessions = new Map<string, RememberedSession>()
  remembered.set(state.suppliers, sessions)
  return sessions
}

const computeSession = (
  state: ChainState,
  request: SessionRequest,
  latestHeight: bigint
): Result.Result<Session, SessionHydrationFailed> =>
  hydrate(request, {
    latestHeight,
    sharedParamsAt: (height) => sharedAt(state, height),
    numSuppliersPerSessionAt: (height) => sessionParamsAt(state.params.session, height).numSuppliersPerSession,
    blockHash: (height) => hashAt(state, height),
    application: (address) => state.applications.get(address),
    configUpdates: (serviceId) =>
      [...state.suppliers.values()].flatMap((supplier) =>
        supplier.serviceConfigHistory.filter((update) => update.service.serviceId === serviceId)
      ),
    supplier: (operatorAddress) => state.suppliers.get(operatorAddress)
  })

/** The port's name of a failure. */
export const notFoundReason = (failure: SessionHydrationFailed): SessionNotFound["reason"] => REASONS[failure.reason]

const REASONS: Readonly<Record<SessionHydrationFailed["reason"], SessionNotFound["reason"]>> = {
  malformed: "malformed",
  future: "future",
  "no application": "no_application",
  inactive: "inactive_application",
  service: "service_not_staked",
  suppliers: "no_suppliers"
}
