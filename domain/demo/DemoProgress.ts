/** What the demo shows: a fold over session events and the gateway's counters, and its text. Pure. */
import { evolve, type SessionState, unopened } from "../session/SessionState.ts"
import type { SessionEvent } from "../session/SessionEvent.ts"

/** What the demo gateway saw, as totals. */
export interface GatewayCounters {
  readonly sent: number
  /** Answers whose signature, header and payload hash the gateway verified. */
  readonly verified: number
  /** Signed or plain refusals. */
  readonly refused: number
  /** No answer, or one that does not verify. */
  readonly failed: number
  /** Text of the last refusal or failure. */
  readonly lastProblem: string | undefined
}

/** What the demo has seen so far. A value: each event gives a new one. */
export interface DemoProgress {
  /** Where relays are served. */
  readonly endpoint: string
  readonly height: bigint
  readonly gateway: GatewayCounters
  /** By `supplier|session`, in order of opening. */
  readonly sessions: ReadonlyMap<string, SessionState>
  /** Relays and compute units stored so far, by the same key; events tell them only at checkpoints. */
  readonly tallies: ReadonlyMap<string, { readonly count: bigint; readonly sum: bigint }>
  /** uPOKT settled. */
  readonly earned: bigint
  readonly settled: number
  /** Sessions that ended otherwise. */
  readonly unpaid: number
}

/** The progress before the first block. `endpoint` is the relayer's base URL. */
export const emptyProgress = (endpoint: string): DemoProgress => ({
  endpoint,
  height: 0n,
  gateway: { sent: 0, verified: 0, refused: 0, failed: 0, lastProblem: undefined },
  sessions: new Map(),
  tallies: new Map(),
  earned: 0n,
  settled: 0,
  unpaid: 0
})

/** Sessions that the picture keeps: the oldest ended ones go first. */
const SHOWN_SESSIONS = 12

/** The progress after one event of a session. */
export const withEvent = (progress: DemoProgress, key: string, event: SessionEvent): DemoProgress => {
  const sessions = new Map(progress.sessions)
  const before = sessions.get(key) ?? unopened
  const after = evolve(before, event)
  sessions.set(key, after)
  for (const [oldest, state] of sessions) {
    if (sessions.size <= SHOWN_SESSIONS) break
    if (state.end !== undefined) sessions.delete(oldest)
  }
  const hasJustEnded = before.end === undefined && after.end !== undefined
  const isPaid = event._tag === "Settled"
  return {
    ...progress,
    sessions,
    earned: progress.earned + (isPaid ? event.paid : 0n),
    settled: progress.settled + (isPaid ? 1 : 0),
    unpaid: progress.unpaid + (hasJustEnded && !isPaid ? 1 : 0)
  }
}

/** One line for an event worth telling; none for checkpoints. */
export const tell = (state: SessionState, event: SessionEvent): string | undefined => {
  const name = sessionName(state)
  switch (event._tag) {
    case "SessionOpened":
      return `${name} opened: blocks ${event.startHeight} to ${event.endHeight}, ${event.computeUnitsPerRelay} compute units a relay`
    case "RelaysAccepted":
      return undefined
    case "RelaysLate":
      return `${name} ${event.count} relays came too late (${event.reason})`
    case "SessionSealed":
      return `${name} sealed at height ${event.height}: ${event.count} relays, ${event.sum} compute units`
    case "ClaimSubmitted":
      return `${name} claim sent at height ${event.height}, transaction ${event.txHash.slice(0, 12)}…`
    case "ClaimIncluded":
      return `${name} claim on chain: ${pokt(event.claimedUpokt)}`
    case "ClaimMissed":
      return `${name} claim missed (${event.reason}): ${event.detail}`
    case "ProofRequired":
      return `${name} proof required (${event.reason})`
    case "ProofNotRequired":
      return `${name} no proof required`
    case "ProofSubmitted":
      return `${name} proof sent at height ${event.height}, transaction ${event.txHash.slice(0, 12)}…`
    case "ProofIncluded":
      return `${name} proof validated by the chain`
    case "ProofMissed":
      return `${name} proof missed (${event.reason}): ${event.detail}`
    case "RootMismatch":
      return `${name} the claim on chain has another root`
    case "Settled":
      return `${name} settled at height ${event.height}: earned ${pokt(event.paid)}${event.overserviced > 0n ? `, ${pokt(event.overserviced)} beyond the application's limit` : ""}`
    case "Expired":
      return `${name} expired (${event.reason}), slashed ${pokt(event.slashed)}`
    case "Discarded":
      return `${name} discarded by the chain: ${event.error}`
    case "SettlementUnknown":
      return `${name} settlement was not seen`
    case "Skipped":
      return `${name} not claimed (${event.reason}): ${event.detail}`
  }
}

/** Rows of the picture that are no session: headline, relays, earnings, blank, heads, and one blank above. */
const FIXED_ROWS = 6

/**
 * The picture: a headline and one row for each session, the newest as far as `rows` allows, so that all of it can be
 * redrawn. `columns` cuts long rows.
 */
export const picture = (
  progress: DemoProgress,
  { columns, rows }: { readonly columns: number; readonly rows: number }
): ReadonlyArray<string> => {
  const { gateway } = progress
  const sessions = [...progress.sessions]
  const room = Math.max(1, Math.min(SHOWN_SESSIONS, rows - FIXED_ROWS - 1))
  const hidden = Math.max(0, sessions.length - room)
  return [
    `relaymill demo   ${progress.endpoint}   height ${progress.height}`,
    `relays  sent ${gateway.sent}   verified ${gateway.verified}   refused ${gateway.refused}   failed ${gateway.failed}`,
    `earned  ${pokt(progress.earned)} in ${progress.settled} settled sessions${progress.unpaid > 0 ? `, ${progress.unpaid} unpaid` : ""}`,
    "",
    `${"state".padEnd(24)}${"session".padEnd(26)}${"blocks".padEnd(10)}${"relays".padStart(7)}${"units".padStart(12)}`,
    ...sessions.slice(hidden).map(([key, state]) => {
      const { header } = state
      const { count, sum } = progress.tallies.get(key) ?? state.accepted
      const blocks = `${header.sessionStartBlockHeight}–${header.sessionEndBlockHeight}`
      return `${stateText(state).padEnd(24)}${sessionName(state).padEnd(26)}${blocks.padEnd(10)}${String(count).padStart(7)}${String(sum).padStart(12)}`
    }),
    ...(hidden > 0 ? [`… and ${hidden} earlier`] : [])
  ].map((line) => line.slice(0, columns))
}

/** One line for each block where no picture is drawn. */
export const pulse = ({ height, gateway, earned }: DemoProgress): string =>
  `height ${height}: ${gateway.verified} relays served and verified, ${pokt(earned)} earned`

/** What the demo achieved, for its end. */
export const summary = (progress: DemoProgress): ReadonlyArray<string> => [
  `relays: ${progress.gateway.verified} served and verified, ${progress.gateway.refused} refused, ${progress.gateway.failed} failed`,
  `sessions: ${progress.settled} settled, ${progress.unpaid} ended without pay; earned ${pokt(progress.earned)}`
]

/** Exact: 1 POKT = 1 000 000 uPOKT; the issue's unit stays visible. */
export const pokt = (upokt: bigint): string => `${upokt} uPOKT`

const stateText = (state: SessionState): string =>
  state.end?._tag === "Settled" ? `settled, ${pokt(state.end.paid)}` : state.status.replaceAll("_", " ")

/** Supplier and session by their tails: enough to tell a dozen apart. */
const sessionName = ({ header, supplier }: SessionState): string =>
  `${header.sessionId.slice(0, 8)} ${header.serviceId} …${supplier.slice(-6)}`
