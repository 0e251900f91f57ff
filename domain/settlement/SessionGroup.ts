/** The live sessions of one supplier that end at the same height: they share windows, transactions and settlement. */
import { Effect } from "effect"
import type { SessionCopy } from "../mining/SessionCopy.ts"
import { SessionLedger } from "../mining/SessionLedger.ts"
import type { SessionId } from "../protocol/Identifiers.ts"
import type { SessionState } from "../session/SessionState.ts"
import type { SessionHeights } from "./SessionTerms.ts"

export interface SessionGroup {
  readonly sessionEnd: bigint
  readonly heights: SessionHeights
  readonly sessions: ReadonlyArray<SessionCopy>
}

/** The live sessions, ascending by end. */
export const liveBySessionEnd = Effect.map(
  SessionLedger.use((ledger) => ledger.live),
  (live): ReadonlyArray<Pick<SessionGroup, "sessionEnd" | "sessions">> => {
    const groups = new Map<bigint, Array<SessionCopy>>()
    for (const copy of live) {
      const end = copy.state.header.sessionEndBlockHeight
      groups.set(end, [...(groups.get(end) ?? []), copy])
    }
    return [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([sessionEnd, sessions]) => ({ sessionEnd, sessions }))
  }
)

/** The group as it is now, after changes of this look. */
export const refreshed = (group: SessionGroup) =>
  Effect.map(liveBySessionEnd, (groups): SessionGroup => ({
    ...group,
    sessions: groups.find(({ sessionEnd }) => sessionEnd === group.sessionEnd)?.sessions ?? []
  }))

/** States by session. */
export const statesOf = (group: SessionGroup): ReadonlyMap<SessionId, SessionState> =>
  new Map(group.sessions.map(({ session, state }) => [session, state]))
