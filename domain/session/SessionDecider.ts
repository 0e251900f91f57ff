/**
 * What may happen to a session next. `decide` turns a command into events or refuses it; a command that repeats what is
 * recorded already gives no events, so whoever is not sure may ask again.
 */
import { Match, Result, Schema } from "effect"
import type { SessionHeader } from "../relay/SessionHeader.ts"
import { bytesEqual } from "../smst/TrieSpec.ts"
import { SessionEvent } from "./SessionEvent.ts"
import { awaitsSettlement, hasEnded, type SessionState, type Tally } from "./SessionState.ts"
import { canLandInWindow, type HeightRange } from "./SessionWindow.ts"

/** Fields of an event without its tag. */
type Facts<Tag extends SessionEvent["_tag"]> = Omit<Extract<SessionEvent, { readonly _tag: Tag }>, "_tag">

/** Something that a program asks of a session. Heights are those of the latest committed block. */
export type SessionCommand =
  | {
      readonly _tag: "Open"
      readonly supplier: string
      readonly header: SessionHeader
      readonly computeUnitsPerRelay: bigint
      readonly traceparent?: string
    }
  | { readonly _tag: "Checkpoint"; readonly tally: Tally }
  | ({ readonly _tag: "CountLate" } & Facts<"RelaysLate">)
  | { readonly _tag: "Seal"; readonly tally: Tally; readonly height: bigint }
  | ({ readonly _tag: "Skip" } & Facts<"Skipped">)
  | {
      readonly _tag: "SubmitClaim"
      readonly txHash: string
      /** Root that the transaction claims. */
      readonly root: Uint8Array
      readonly window: HeightRange
      readonly height: bigint
    }
  /** The chain holds a claim of this session with this root. */
  | ({ readonly _tag: "ConfirmClaim"; readonly root: Uint8Array } & Facts<"ClaimIncluded">)
  /** The chain holds a claim with another root: ours has to be sent again. */
  | ({ readonly _tag: "ReportMismatch" } & Facts<"RootMismatch">)
  | ({ readonly _tag: "MissClaim" } & Facts<"ClaimMissed">)
  | ({ readonly _tag: "RequireProof" } & Facts<"ProofRequired">)
  | ({ readonly _tag: "WaiveProof" } & Facts<"ProofNotRequired">)
  | { readonly _tag: "SubmitProof"; readonly txHash: string; readonly window: HeightRange; readonly height: bigint }
  | ({ readonly _tag: "ConfirmProof" } & Facts<"ProofIncluded">)
  | ({ readonly _tag: "MissProof" } & Facts<"ProofMissed">)
  | ({ readonly _tag: "Settle" } & Facts<"Settled">)
  | ({ readonly _tag: "Expire" } & Facts<"Expired">)
  | ({ readonly _tag: "Discard" } & Facts<"Discarded">)
  | ({ readonly _tag: "GiveUpSettlement" } & Facts<"SettlementUnknown">)

/** The command does not fit the session's state: whoever gave it looks again before it decides. */
export class CommandRefused extends Schema.TaggedError<CommandRefused>()("CommandRefused", {
  session: Schema.String,
  command: Schema.String,
  status: Schema.String,
  reason: Schema.Literals(["status", "window", "root", "empty"])
}) {
  override get message(): string {
    return `${this.command} does not fit session ${this.session}, which is ${this.status} (${this.reason})`
  }
}

type Decision = Result.Result<ReadonlyArray<SessionEvent>, CommandRefused>

/** Events that the command leads to, in order; none when it is recorded already. */
export const decide = (state: SessionState, command: SessionCommand): Decision => {
  const refuse = (reason: CommandRefused["reason"] = "status"): Decision =>
    Result.fail(
      new CommandRefused({ session: state.header.sessionId, command: command._tag, status: state.status, reason })
    )
  const unless = (refused: boolean, ...events: ReadonlyArray<SessionEvent>): Decision =>
    refused ? refuse() : Result.succeed(events)
  const { status } = state
  const event = SessionEvent.cases

  return Match.valueTags(command, {
    Open: ({ supplier, header, computeUnitsPerRelay, traceparent }) =>
      unless(
        status !== "unopened",
        event.SessionOpened.make({
          supplier,
          application: header.applicationAddress,
          service: header.serviceId,
          sessionId: header.sessionId,
          startHeight: header.sessionStartBlockHeight,
          endHeight: header.sessionEndBlockHeight,
          computeUnitsPerRelay,
          ...(traceparent === undefined ? {} : { traceparent })
        })
      ),
    Checkpoint: ({ tally }) =>
      status === "open" && bytesEqual(tally.root, state.accepted.root)
        ? nothing
        : unless(status !== "open", event.RelaysAccepted.make(tally)),
    CountLate: ({ count, sum, reason }) =>
      count === 0n ? nothing : unless(status === "unopened", event.RelaysLate.make({ count, sum, reason })),
    Seal: ({ tally, height }) =>
      state.sealedAt !== undefined
        ? bytesEqual(tally.root, state.accepted.root)
          ? nothing
          : refuse("root")
        : unless(status !== "open", event.RelaysAccepted.make(tally), event.SessionSealed.make({ ...tally, height })),
    Skip: ({ reason, detail, height }) =>
      status === "skipped" ? nothing : unless(status !== "sealed", event.Skipped.make({ reason, detail, height })),
    SubmitClaim: ({ txHash, root, window, height }) => {
      if (state.claim?.txHash === txHash) return nothing
      if (status !== "sealed") return refuse()
      if (!bytesEqual(root, state.accepted.root)) return refuse("root")
      if (state.accepted.count === 0n) return refuse("empty")
      return canLandInWindow(window, height)
        ? Result.succeed([event.ClaimSubmitted.make({ txHash, height })])
        : refuse("window")
    },
    ConfirmClaim: ({ root, claimedUpokt, height }) => {
      if (!bytesEqual(root, state.accepted.root)) return refuse("root")
      if (awaitsSettlement(state)) return nothing
      return unless(status !== "sealed", event.ClaimIncluded.make({ claimedUpokt, height }))
    },
    ReportMismatch: ({ onChain, height }) => {
      if (bytesEqual(onChain, state.accepted.root)) return refuse("root")
      if (state.foreignRoot !== undefined && bytesEqual(onChain, state.foreignRoot)) return nothing
      return unless(status !== "sealed" && !awaitsSettlement(state), event.RootMismatch.make({ onChain, height }))
    },
    MissClaim: ({ reason, detail, height }) =>
      status === "claim_missed"
        ? nothing
        : unless(status !== "sealed", event.ClaimMissed.make({ reason, detail, height })),
    RequireProof: ({ reason, height }) =>
      status === "proof_required" && state.proofRequirement === reason
        ? nothing
        : unless(
            status !== "claimed" && status !== "proof_not_required" && status !== "proof_required",
            event.ProofRequired.make({ reason, height })
          ),
    WaiveProof: ({ height }) =>
      status === "proof_not_required"
        ? nothing
        : unless(status !== "claimed" && status !== "proof_required", event.ProofNotRequired.make({ height })),
    SubmitProof: ({ txHash, window, height }) => {
      if (state.proof?.txHash === txHash) return nothing
      if (status !== "proof_required") return refuse()
      return canLandInWindow(window, height)
        ? Result.succeed([event.ProofSubmitted.make({ txHash, height })])
        : refuse("window")
    },
    ConfirmProof: ({ height }) =>
      status === "proved"
        ? nothing
        : unless(status !== "proof_required" && status !== "claimed", event.ProofIncluded.make({ height })),
    MissProof: ({ reason, detail, height }) =>
      status === "proof_missed"
        ? nothing
        : unless(status !== "proof_required", event.ProofMissed.make({ reason, detail, height })),
    Settle: ({ claimed, paid, overserviced, height }) =>
      status === "settled"
        ? nothing
        : unless(!settles(state), event.Settled.make({ claimed, paid, overserviced, height })),
    Expire: ({ reason, slashed, height }) =>
      status === "expired" ? nothing : unless(!settles(state), event.Expired.make({ reason, slashed, height })),
    Discard: ({ error, height }) =>
      status === "discarded" ? nothing : unless(!settles(state), event.Discarded.make({ error, height })),
    GiveUpSettlement: ({ reason, height }) =>
      status === "settlement_unknown"
        ? nothing
        : unless(!settles(state), event.SettlementUnknown.make({ reason, height }))
  })
}

const nothing: Decision = Result.succeed([])

/** A settlement may be met by a session whose claim's inclusion nobody here has seen. */
const settles = (state: SessionState): boolean =>
  !hasEnded(state) && (awaitsSettlement(state) || state.status === "sealed")
