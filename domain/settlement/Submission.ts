/** One kind of message and one window: what claims and proofs of the sessions that end together have in common. */
import { Effect } from "effect"
import type { MinerSettings } from "../mining/MinerSettings.ts"
import type { LeaseLost } from "../ports/Leases.ts"
import type { SessionCommand } from "../session/SessionDecider.ts"
import type { SessionState } from "../session/SessionState.ts"
import type { HeightRange } from "../session/SessionWindow.ts"
import { countFailedStep, type SubmissionMemory } from "./SubmissionMemory.ts"
import type { SessionId } from "../protocol/Identifiers.ts"

/** Which message: `MsgCreateClaim` or `MsgSubmitProof`. Value of the metric label `kind`. */
export type SubmissionKind = "claim" | "proof"

/** The transactions of one kind for the sessions of one end. */
export interface Submission {
  readonly kind: SubmissionKind
  readonly sessionEnd: bigint
  readonly window: HeightRange
}

/** Is a message of this kind still due for the session? */
export const isDue = (kind: SubmissionKind, state: SessionState): boolean =>
  kind === "claim" ? state.status === "sealed" && state.accepted.count > 0n : state.status === "proof_required"

/** The command that records a transaction before its broadcast. */
export const submitCommand = (
  { kind, window }: Pick<Submission, "kind" | "window">,
  sent: { readonly txHash: string; readonly root: Uint8Array; readonly height: bigint }
): SessionCommand =>
  kind === "claim"
    ? { _tag: "SubmitClaim", txHash: sent.txHash, root: sent.root, window, height: sent.height }
    : { _tag: "SubmitProof", txHash: sent.txHash, window, height: sent.height }

/** Bounds of one transaction. */
export const batchBounds = (kind: SubmissionKind, { submission }: MinerSettings) => ({
  items: (kind === "claim" ? submission.batchClaims : submission.batchProofs) ? submission.batchMessages : 1,
  bytes: submission.batchBytes
})

/** Failures that stop one session's step and leave everything else going; the step is repeated at the next look. */
export type StepFailed = { readonly _tag: string }

/**
 * Keeps a step's failure to its session: it is logged here, once, and the step runs again at the next look, until a
 * window closes and the session ends with a reason. Only a lost lease goes on. A defect is kept to its session too: it
 * would meet the supplier again after every start, and its other sessions with it.
 */
export const isolated =
  (step: string, annotations: { readonly session?: SessionId; readonly height?: bigint }) =>
  <A, E extends StepFailed, R>(
    effect: Effect.Effect<A, E, R>
  ): Effect.Effect<void, Extract<E, LeaseLost>, R | SubmissionMemory> =>
    effect.pipe(
      Effect.asVoid,
      Effect.catch((failure): Effect.Effect<void, Extract<E, LeaseLost>, SubmissionMemory> =>
        failure._tag === "LeaseLost"
          ? // The tag says which member of the union it is.
            Effect.fail(failure as Extract<E, LeaseLost>)
          : Effect.andThen(Effect.logWarning("step is repeated at the next look", failure), countFailedStep)
      ),
      Effect.catchDefect((defect) => Effect.andThen(Effect.logError("step has a defect", defect), countFailedStep)),
      Effect.annotateLogs({ step, ...annotations })
    )
