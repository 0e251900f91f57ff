/** What a node's words say about a session that it does not give (`sessions.md` §6 of the protocol notes). */
import type { SessionNotFound } from "../../domain/ports/ChainQuery.ts"
import type { QueryFailure } from "./QueryCalls.ts"

/** Parts of the handler's texts. Source: poktroll `x/session/types/errors.go`, `x/session/keeper/session_hydrator.go`. */
const TEXTS: ReadonlyArray<readonly [string, SessionNotFound["reason"]]> = [
  ["is ahead of the last committed block height", "future"],
  ["application for session not found", "no_application"],
  ["application is not active", "inactive_application"],
  ["application in session not staked for requested service", "service_not_staked"],
  ["no suppliers not found for session", "no_suppliers"]
]

/** Why there is no such session; undefined when the failure does not say so, and nothing is known. */
export const sessionRefusal = (failure: QueryFailure): SessionNotFound["reason"] | undefined => {
  if (failure._tag === "ArgumentRefused") return "malformed"
  if (failure._tag !== "EndpointFailed" || failure.kind !== "internal") return undefined
  return TEXTS.find(([text]) => failure.detail.includes(text))?.[1]
}
