/**
 * Metrics of the miner, with the names of the Go fleet where it has one. Labels: suppliers held here, services of their
 * sessions, reasons from closed sets; never a session.
 */
import { Effect, Metric } from "effect"
import type { SessionEvent } from "../session/SessionEvent.ts"
import type { SessionState } from "../session/SessionState.ts"

const counter = (name: string, description: string) =>
  Metric.counter(`ha_miner_${name}`, { description, incremental: true })

const gauge = (name: string, description: string) => Metric.gauge(`ha_miner_${name}`, { description })

/** Counts entries of committed batches, whatever became of them; labels `supplier`, `service_id`. */
export const relaysConsumed = counter("relays_consumed_from_stream_total", "Entries of the relay log that were read")
/** Counts leaves that were committed, each once; labels `supplier`, `service_id`. */
export const relaysAdded = counter("relays_added_to_smst_total", "Relays that became leaves of a session's trie")
/** Counts relays that will never be leaves and are acknowledged; label `reason`: see the description. */
export const relaysRejected = counter(
  "relays_rejected_total",
  "Relays that did not become leaves: duplicate, session_sealed, cupr_mismatch, poison"
)
/**
 * Counts relays of batches that were not committed; the same relay counts again with each attempt. Label `supplier`.
 */
export const relaysFailed = counter("relays_failed_smst_total", "Relays whose commit failed; they are delivered again")
/** Label `supplier`; bounded by `IngestSettings.openTries`. */
export const sessionTrees = gauge("session_trees_active", "Tries in memory")
/** Bytes of these tries; label `supplier`. */
export const sessionTreeBytes = gauge("session_tree_bytes", "Bytes of trie nodes in memory")
/** Suppliers under a lease of this replica, those on their way out included. */
export const suppliersHeld = gauge("supplier_claimed_count", "Suppliers owned by this replica")
/** ⌈keys held / replicas alive⌉ of the last plan. */
export const fairShare = gauge("supplier_fair_share", "Suppliers that are this replica's share")
/** Counts suppliers stopped without drain: the lease was taken, or could not be renewed in time. */
export const leasesLost = counter("supplier_leases_lost_total", "Suppliers given up because a lease could not be kept")
/** Block height of the last look at sessions; the same for all suppliers, so it has no labels. */
export const currentHeight = gauge("current_block_height", "Latest committed height that the suppliers were told of")
/** Counts repeated hand-overs to a node; label `kind`: claim, proof. */
export const rebroadcasts = counter("rebroadcasts_total", "Transactions sent again with the same bytes, by kind")
/** Counts refusals; labels `kind` (claim, proof) and `reason` (`TxRefusalReason`). */
export const refusals = counter("tx_refusals_total", "Transactions refused by the chain, by kind and reason")
/** From the delivery of a batch to the end of its commits, failed ones included; no labels. */
export const batchSeconds = Metric.histogram("ha_miner_batch_seconds", {
  description: "Seconds to fold and commit one batch of relays",
  boundaries: [0.005, 0.01, 0.05, 0.1, 0.5, 1, 2, 5]
})

const sessionsCreated = counter("sessions_created_total", "Sessions opened by their first relay")
const relaysLate = counter("relays_late_total", "Relays acknowledged outside of their session's trie, by reason")
const claimsSubmitted = counter("claims_submitted_total", "Claims made durable for broadcast, repetitions included")
const claimsIncluded = counter("claims_included_total", "Claims found on chain with their root")
const relaysClaimed = counter("relays_claimed_total", "Relays in claims on chain")
const unitsClaimed = counter("compute_units_claimed_total", "Compute units in claims on chain")
const upoktClaimed = counter("upokt_claimed_total", "Worth of claims on chain, uPOKT")
const claimsSkipped = counter("claims_skipped_total", "Sessions not claimed by choice, by reason")
const sessionsFailed = counter("sessions_failed_total", "Sessions that lost their claim or their proof, by reason")
const proofsRequired = counter("proof_requirement_required_total", "Claims that need a proof, by reason")
const proofsNotRequired = counter("proof_requirement_skipped_total", "Claims that need no proof")
const proofsSubmitted = counter("proofs_submitted_total", "Proofs made durable for broadcast, repetitions included")
const sessionsProved = counter("sessions_proved_total", "Claims whose proof the chain validated")
const settledByStatus = counter("claims_settled_by_status_total", "Sessions settled, by outcome")
const upoktEarned = counter("upokt_earned_total", "Settled amounts, uPOKT")
const upoktOverserviced = counter("upokt_overserviced_total", "Worth lost to applications' caps, uPOKT")
const claimsExpired = counter("claims_expired_by_reason_total", "Claims expired at settlement, by reason")
const upoktSlashed = counter("upokt_slashed_total", "Stake lost to missing or invalid proofs, uPOKT")
const claimsDiscarded = counter("claims_discarded_total", "Claims that the chain dropped at settlement")

type Labels = Readonly<Record<string, string>>

/** Adds to a counter under these labels. */
export const add = (metric: Metric.Counter<number>, labels: Labels, amount: number | bigint = 1): Effect.Effect<void> =>
  Metric.update(Metric.withAttributes(metric, labels), Number(amount))

/** Sets a gauge under these labels. */
export const set = (metric: Metric.Gauge<number>, labels: Labels, value: number | bigint): Effect.Effect<void> =>
  Metric.update(Metric.withAttributes(metric, labels), Number(value))

/** Labels of a session. */
export const sessionLabels = (state: SessionState): Labels => ({
  supplier: state.supplier,
  service_id: state.header.serviceId
})

/** Counts what events say; `state` is the session's after them. */
export const countEvents = (state: SessionState, events: ReadonlyArray<SessionEvent>): Effect.Effect<void> =>
  Effect.forEach(events, (event) => countEvent(state, sessionLabels(state), event), { discard: true })

const countEvent = (state: SessionState, labels: Labels, event: SessionEvent): Effect.Effect<unknown> => {
  switch (event._tag) {
    case "SessionOpened":
      return add(sessionsCreated, labels)
    case "RelaysLate":
      return add(relaysLate, { ...labels, reason: event.reason }, event.count)
    case "ClaimSubmitted":
      return add(claimsSubmitted, labels)
    case "ClaimIncluded":
      return Effect.all([
        add(claimsIncluded, labels),
        add(relaysClaimed, labels, state.accepted.count),
        add(unitsClaimed, labels, state.accepted.sum),
        add(upoktClaimed, labels, event.claimedUpokt)
      ])
    case "ClaimMissed":
      return add(sessionsFailed, { ...labels, reason: `claim_${event.reason}` })
    case "Skipped":
      return add(claimsSkipped, { ...labels, reason: event.reason })
    case "ProofRequired":
      return add(proofsRequired, { ...labels, reason: event.reason })
    case "ProofNotRequired":
      return add(proofsNotRequired, labels)
    case "ProofSubmitted":
      return add(proofsSubmitted, labels)
    case "ProofIncluded":
      return add(sessionsProved, labels)
    case "ProofMissed":
      return add(sessionsFailed, { ...labels, reason: `proof_${event.reason}` })
    case "Settled":
      return Effect.all([
        add(settledByStatus, { ...labels, status: "settled" }),
        add(upoktEarned, labels, event.paid),
        add(upoktOverserviced, labels, event.overserviced)
      ])
    case "Expired":
      return Effect.all([
        add(settledByStatus, { ...labels, status: "expired" }),
        add(claimsExpired, { ...labels, reason: event.reason }),
        add(upoktSlashed, labels, event.slashed)
      ])
    case "Discarded":
      return Effect.all([add(settledByStatus, { ...labels, status: "discarded" }), add(claimsDiscarded, labels)])
    case "SettlementUnknown":
      return add(settledByStatus, { ...labels, status: "unknown" })
    default:
      return Effect.void
  }
}
