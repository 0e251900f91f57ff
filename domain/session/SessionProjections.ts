/** Views of many sessions, made of their states: what is where, what is due at which height, what was earned and lost. */
import type { SessionId } from "../protocol/Identifiers.ts"
import type { SessionEvent } from "./SessionEvent.ts"
import { hasEnded, replay, type SessionState, type SessionStatus } from "./SessionState.ts"

/** States of sessions by id. */
export type SessionStates = ReadonlyMap<SessionId, SessionState>

/** The states after these logs. */
export const statesOf = (logs: ReadonlyMap<SessionId, ReadonlyArray<SessionEvent>>): SessionStates =>
  new Map([...logs].map(([session, events]) => [session, replay(events)]))

/** Ids of the sessions in each status, in the order of `states`. */
export const byStatus = (states: SessionStates): ReadonlyMap<SessionStatus, ReadonlyArray<SessionId>> =>
  grouped(states, ({ status }) => status)

/** Ids of the sessions that end at each height, heights ascending. */
export const bySessionEnd = (states: SessionStates): ReadonlyMap<bigint, ReadonlyArray<SessionId>> =>
  new Map(
    [...grouped(states, ({ header }) => header.sessionEndBlockHeight)].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  )

/** Events that carry a height, of all sessions, heights ascending. */
export const byHeight = (
  logs: ReadonlyMap<SessionId, ReadonlyArray<SessionEvent>>
): ReadonlyMap<bigint, ReadonlyArray<{ readonly session: SessionId; readonly event: SessionEvent }>> => {
  const heights = new Map<bigint, Array<{ readonly session: SessionId; readonly event: SessionEvent }>>()
  for (const [session, events] of logs) {
    for (const event of events) {
      if (!("height" in event)) continue
      const entries = heights.get(event.height) ?? []
      entries.push({ session, event })
      heights.set(event.height, entries)
    }
  }
  return new Map([...heights].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Amounts over many sessions, in uPOKT; relays and compute units where they were lost before a claim. */
export interface Earnings {
  readonly claimed: bigint
  readonly paid: bigint
  readonly overserviced: bigint
  readonly slashed: bigint
  readonly lateRelays: bigint
  readonly sessions: { readonly live: number; readonly settled: number; readonly unpaid: number }
}

/** Sums up what these sessions brought. */
export const earnings = (states: Iterable<SessionState>): Earnings => {
  let total: Earnings = {
    claimed: 0n,
    paid: 0n,
    overserviced: 0n,
    slashed: 0n,
    lateRelays: 0n,
    sessions: { live: 0, settled: 0, unpaid: 0 }
  }
  for (const state of states) total = added(total, state)
  return total
}

const added = (total: Earnings, state: SessionState): Earnings => {
  const { end } = state
  const { live, settled, unpaid } = total.sessions
  const isSettled = end?._tag === "Settled"
  return {
    claimed: total.claimed + (state.claimedUpokt ?? 0n),
    paid: total.paid + (isSettled ? end.paid : 0n),
    overserviced: total.overserviced + (isSettled ? end.overserviced : 0n),
    slashed: total.slashed + (end?._tag === "Expired" ? end.slashed : 0n),
    lateRelays: total.lateRelays + state.late.count,
    sessions: {
      live: live + (hasEnded(state) ? 0 : 1),
      settled: settled + (isSettled ? 1 : 0),
      unpaid: unpaid + (hasEnded(state) && !isSettled ? 1 : 0)
    }
  }
}

/** Why an ended session earned nothing, in one line for people; undefined if it was paid or has not ended. */
export const whyUnpaid = ({ end }: SessionState): string | undefined => {
  switch (end?._tag) {
    case "Settled":
      return end.paid === 0n ? "the application's budget was used up" : undefined
    case "Expired":
      return `claim expired: ${end.reason}`
    case "Discarded":
      return `claim dropped by the chain: ${end.error}`
    case "SettlementUnknown":
      return `settlement not seen: ${end.reason}`
    case "Skipped":
      return `not claimed (${end.reason}): ${end.detail}`
    case "ClaimMissed":
      return `claim missed (${end.reason}): ${end.detail}`
    default:
      return undefined
  }
}

const grouped = <K>(
  states: SessionStates,
  key: (state: SessionState) => K
): ReadonlyMap<K, ReadonlyArray<SessionId>> => {
  const groups = new Map<K, Array<SessionId>>()
  for (const [session, state] of states) {
    const group = groups.get(key(state)) ?? []
    group.push(session)
    groups.set(key(state), group)
  }
  return groups
}
