/** GetSession on the simulated chain's state: the domain's rules with this state behind them. */
import type { Result } from "effect"
import type { Session } from "../../domain/chain/Session.ts"
import type { SessionNotFound } from "../../domain/ports/ChainQuery.ts"
import { sessionParamsAt } from "../../domain/protocol/SessionParams.ts"
import {
  hydrateSession as hydrate,
  type SessionHydrationFailed,
  type SessionRequest
} from "../../domain/session/SessionHydration.ts"
import { type ChainState, hashAt, sharedAt } from "./ChainState.ts"

/**
 * The session that contains `request.height` (0: `latestHeight`). `latestHeight` is where the caller is: the committed
 * height for a query, that of the block for a message executed in it, whose own hash is not stored yet.
 */
export const hydrateSession = (
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
