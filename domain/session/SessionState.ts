/**
 * One session of one supplier as its events tell it. `evolve` is total: every event in every state gives a state, so a
 * log can always be replayed. Whether an event may happen is decided elsewhere (`SessionDecider`).
 */
import { Match } from "effect"
import type { SessionHeader } from "../relay/SessionHeader.ts"
import type { SessionEvent } from "./SessionEvent.ts"

/** Where a session stands. */
export type SessionStatus =
  | "unopened"
  | "open"
  | "sealed"
  | "claimed"
  | "proof_required"
  | "proof_not_required"
  | "proved"
  | "proof_missed"
  | "settled"
  | "expired"
  | "discarded"
  | "settlement_unknown"
  | "skipped"
  | "claim_missed"

/** Totals of a trie, with the 48-byte root they belong to. */
export interface Tally {
  readonly root: Uint8Array
  /** Relays. */
  readonly count: bigint
  /** Compute units. */
  readonly sum: bigint
}

/** A transaction on its way: the last one that was made durable, and at which height. */
export interface Submission {
  readonly txHash: string
  readonly height: bigint
}

/** The fold of a session's events. What is undefined has not happened. */
export interface SessionState {
  readonly status: SessionStatus
  readonly supplier: string
  readonly header: SessionHeader
  /** Compute units of one relay, those of the service at the session's start. */
  readonly computeUnitsPerRelay: bigint
  /** W3C context of the session's own span. */
  readonly traceparent: string | undefined
  /** At the last checkpoint, or as sealed. */
  readonly accepted: Tally
  /** Relays and compute units that were acknowledged without entering the trie. */
  readonly late: { readonly count: bigint; readonly sum: bigint }
  readonly sealedAt: bigint | undefined
  readonly claim: Submission | undefined
  /** Worth of the claim on chain, uPOKT. */
  readonly claimedUpokt: bigint | undefined
  /** Root that the chain held instead of ours, when last seen so. */
  readonly foreignRoot: Uint8Array | undefined
  readonly proofRequirement: "threshold" | "probabilistic" | "not_required" | undefined
  readonly proof: Submission | undefined
  /** The event that ended the session, and the height it carries. */
  readonly end: SessionEnd | undefined
}

/** Events after which nothing more is due for a session. */
export type SessionEnd = Extract<
  SessionEvent,
  { readonly _tag: "Settled" | "Expired" | "Discarded" | "SettlementUnknown" | "Skipped" | "ClaimMissed" }
>

/** The state before the first event. */
export const unopened: SessionState = {
  status: "unopened",
  supplier: "",
  header: {
    applicationAddress: "",
    serviceId: "",
    sessionId: "",
    sessionStartBlockHeight: 0n,
    sessionEndBlockHeight: 0n
  },
  computeUnitsPerRelay: 0n,
  traceparent: undefined,
  accepted: { root: new Uint8Array(48), count: 0n, sum: 0n },
  late: { count: 0n, sum: 0n },
  sealedAt: undefined,
  claim: undefined,
  claimedUpokt: undefined,
  foreignRoot: undefined,
  proofRequirement: undefined,
  proof: undefined,
  end: undefined
}

/** The state after one more event. */
export const evolve = (state: SessionState, event: SessionEvent): SessionState =>
  Match.valueTags(event, {
    SessionOpened: (opened): SessionState => ({
      ...state,
      status: "open",
      supplier: opened.supplier,
      header: {
        applicationAddress: opened.application,
        serviceId: opened.service,
        sessionId: opened.sessionId,
        sessionStartBlockHeight: opened.startHeight,
        sessionEndBlockHeight: opened.endHeight
      },
      computeUnitsPerRelay: opened.computeUnitsPerRelay,
      traceparent: opened.traceparent
    }),
    RelaysAccepted: ({ root, count, sum }) => ({ ...state, accepted: { root, count, sum } }),
    RelaysLate: ({ count, sum }) => ({
      ...state,
      late: { count: state.late.count + count, sum: state.late.sum + sum }
    }),
    SessionSealed: ({ root, count, sum, height }): SessionState => ({
      ...state,
      status: "sealed",
      accepted: { root, count, sum },
      sealedAt: height
    }),
    ClaimSubmitted: ({ txHash, height }) => ({ ...state, claim: { txHash, height } }),
    ClaimIncluded: ({ claimedUpokt }): SessionState => ({
      ...state,
      status: "claimed",
      claimedUpokt,
      foreignRoot: undefined
    }),
    ClaimMissed: (end): SessionState => ({ ...state, status: "claim_missed", end }),
    ProofRequired: ({ reason }): SessionState => ({ ...state, status: "proof_required", proofRequirement: reason }),
    ProofNotRequired: (): SessionState => ({
      ...state,
      status: "proof_not_required",
      proofRequirement: "not_required"
    }),
    ProofSubmitted: ({ txHash, height }) => ({ ...state, proof: { txHash, height } }),
    ProofIncluded: (): SessionState => ({ ...state, status: "proved" }),
    ProofMissed: (): SessionState => ({ ...state, status: "proof_missed" }),
    // Our claim has to be sent again, as if it had not been included.
    RootMismatch: ({ onChain }): SessionState => ({
      ...state,
      status: awaitsSettlement(state) ? "sealed" : state.status,
      foreignRoot: onChain
    }),
    Settled: (end): SessionState => ({ ...state, status: "settled", end }),
    Expired: (end): SessionState => ({ ...state, status: "expired", end }),
    Discarded: (end): SessionState => ({ ...state, status: "discarded", end }),
    SettlementUnknown: (end): SessionState => ({ ...state, status: "settlement_unknown", end }),
    Skipped: (end): SessionState => ({ ...state, status: "skipped", end })
  })

/** The state after a whole log. */
export const replay = (events: Iterable<SessionEvent>): SessionState => {
  let state = unopened
  for (const event of events) state = evolve(state, event)
  return state
}

/** Does the trie still take relays? */
export const takesRelays = (state: SessionState): boolean => state.status === "unopened" || state.status === "open"

/** Has the session ended, so that nothing more is due? */
export const hasEnded = (state: SessionState): boolean => state.end !== undefined

/** Is the claim known to be on chain with the sealed root, its settlement still due? */
export const awaitsSettlement = (state: SessionState): boolean =>
  state.status === "claimed" ||
  state.status === "proof_required" ||
  state.status === "proof_not_required" ||
  state.status === "proved" ||
  state.status === "proof_missed"
