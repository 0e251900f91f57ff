/**
 * What can happen to one session of one supplier, from the first relay to its end on chain.
 *
 * The events are the truth: state and projections are folds over them, and replaying the log gives the same state.
 * A session has about ten to thirty events; relays are a log of their own and do not become one event each.
 * Heights are committed block heights; counts are relays, sums compute units, amounts uPOKT.
 */
import { Schema } from "effect"

/** 48-byte root of the session's trie: hash 32 ‖ sum 8 ‖ count 8. */
const Root = Schema.Uint8ArrayFromHex
const Height = Schema.BigIntFromString
const Count = Schema.BigIntFromString
const Units = Schema.BigIntFromString
const Upokt = Schema.BigIntFromString
/** Upper-case hex of the SHA-256 of the transaction's bytes. */
const TxHash = Schema.String

/** Why a session that was due did not get its claim on chain. */
export const ClaimMissedReason = Schema.Literals([
  "window_closed",
  "rejected",
  "insufficient_funds",
  "no_chain",
  "foreign_root"
])
/** Why a session whose claim required a proof did not get it on chain. */
export const ProofMissedReason = Schema.Literals([
  "window_closed",
  "rejected",
  "insufficient_funds",
  "no_chain",
  "claim_missing",
  "self_verification_failed",
  "proof_invalid"
])
/** Why a session is not claimed by choice. */
export const SkippedReason = Schema.Literals([
  "empty",
  "unprofitable",
  "compute_units_mismatch",
  "supplier_not_in_session"
])
/** Why accepted relays of a session are not in its claimed trie. */
export const RelaysLateReason = Schema.Literals(["sealed", "ended", "compute_units_mismatch"])

/** The events by tag, stored in order of occurrence for one session. A new field is an optional key; none changes. */
export const SessionEvent = Schema.TaggedUnion({
  /** First relay of the session. `traceparent` is the W3C context of the session's own span, when tracing is on. */
  SessionOpened: {
    supplier: Schema.String,
    application: Schema.String,
    service: Schema.String,
    sessionId: Schema.String,
    startHeight: Height,
    endHeight: Height,
    computeUnitsPerRelay: Units,
    traceparent: Schema.optionalKey(Schema.String)
  },
  /** Absolute values of the trie at a checkpoint. */
  RelaysAccepted: { root: Root, count: Count, sum: Units },
  /** Entries acknowledged without entering the trie; written in the commit that acknowledges them. */
  RelaysLate: { count: Count, sum: Units, reason: RelaysLateReason },
  /** The root is final: from here on the trie does not change. */
  SessionSealed: { root: Root, count: Count, sum: Units, height: Height },
  /** The intent to broadcast this transaction is durable. May repeat when the claim is sent again. */
  ClaimSubmitted: { txHash: TxHash, height: Height },
  /** The chain holds the claim with our root. */
  ClaimIncluded: { height: Height, claimedUpokt: Upokt },
  ClaimMissed: { reason: ClaimMissedReason, detail: Schema.String, height: Height },
  ProofRequired: { reason: Schema.Literals(["threshold", "probabilistic"]), height: Height },
  ProofNotRequired: { height: Height },
  ProofSubmitted: { txHash: TxHash, height: Height },
  /** The chain validated the proof: the claim's status is VALIDATED. */
  ProofIncluded: { height: Height },
  ProofMissed: { reason: ProofMissedReason, detail: Schema.String, height: Height },
  /** The claim on chain has another root than the sealed one. */
  RootMismatch: { onChain: Root, height: Height },
  /** Terminal. `claimed` is the claim's worth, `paid` what was settled, `overserviced` the part lost to the application's cap. */
  Settled: { claimed: Upokt, paid: Upokt, overserviced: Upokt, height: Height },
  /** Terminal: required proof missing or invalid; `slashed` is what the supplier's stake lost. */
  Expired: { reason: Schema.String, slashed: Upokt, height: Height },
  /** Terminal: the chain dropped the claim at settlement. */
  Discarded: { error: Schema.String, height: Height },
  /** Terminal: the block in which the claim was settled could not be read, so what became of it is not known here. */
  SettlementUnknown: { reason: Schema.Literals(["block_pruned", "no_event"]), height: Height },
  /** Terminal: not claimed by choice. */
  Skipped: { reason: SkippedReason, detail: Schema.String, height: Height }
})
export type SessionEvent = typeof SessionEvent.Type

/** JSON text of one event, for stores that keep text: 64-bit integers are decimal strings, bytes lower-case hex. */
export const SessionEventJson = Schema.fromJsonString(Schema.toCodecJson(SessionEvent))
