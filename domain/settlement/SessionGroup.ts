/** The live sessions of one supplier that end at the same height: they share windows, transactions and settlement. */
import { Effect } from "effect"
import type { SessionCopy } from "../mining/SessionCopy.ts"
import { type KnownSessions, SessionLedger } from "../mining/SessionLedger.ts"
import type { SessionId } from "../protocol/Identifiers.ts"
import { bySessionEnd } from "../session/SessionProjections.ts"
import type { SessionState } from "../session/SessionState.ts"
import type { SessionHeights } from "./SessionTerms.ts"

/** The group and its heights. `sessionEnd` is the last block of each of its sessions. */
export interface SessionGroup {
  readonly sessionEnd: bigint
  readonly heights: SessionHeights
  readonly sessions: ReadonlyArray<SessionCopy>
  /** Sessions of the supplier, of any end, about which nothing is known at the moment (`SessionLedger.known`). */
  readonly doubted: ReadonlySet<SessionId>
}

/** The live sessions, ascending by end. */
export const liveBySessionEnd = ({ live, doubted }: KnownSessions): ReadonlyArray<Omit<SessionGroup, "heights">> => {
  const copies = new Map(live.map((copy) => [copy.session, copy]))
  const ends = bySessionEnd(new Map(live.map(({ session, state }) => [session, state])))
  return [...ends].map(([sessionEnd, sessions]) => ({
    sessionEnd,
    sessions: sessions.flatMap((session) => copies.get(session) ?? []),
    doubted
  }))
}

/** The group as it is now, after changes of this look. */
export const refreshed = (group: SessionGroup) =>
  Effect.map(
    SessionLedger.use((ledger) => ledger.known),
    ({ live, doubted }): SessionGroup => ({
      ...group,
      doubted,
      sessions: live.filter(({ state }) => state.header.sessionEndBlockHeight === group.sessionEnd)
    })
  )

/** States by session. */
export const statesOf = (group: SessionGroup): ReadonlyMap<SessionId, SessionState> =>
  new Map(group.sessions.map(({ session, state }) => [session, state]))
