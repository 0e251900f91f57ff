/** One kind of message and one window: what claims and proofs of the sessions that end together have in common. */
import { Effect } from "effect"
import { MinerSettings } from "../mining/MinerSettings.ts"
import type { SliceBounds } from "../mining/Slices.ts"
import { ChainQuery } from "../ports/ChainQuery.ts"
import type { LeaseLost } from "../ports/Leases.ts"
import type { SessionCommand } from "../session/SessionDecider.ts"
import type { SessionState } from "../session/SessionState.ts"
import type { HeightRange } from "../session/SessionWindow.ts"
import { gasLimit } from "../tx/TxFee.ts"
import type { BlockLimits } from "../protocol/BlockLimits.ts"
import { countFailedStep, SubmissionMemory } from "./SubmissionMemory.ts"
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

/** What a block can hold; nothing is known to be limited while the chain does not answer. */
export const knownLimits: Effect.Effect<BlockLimits, never, ChainQuery> = Effect.orElseSucceed(
  ChainQuery.use((chain) => chain.blockLimits),
  (): BlockLimits => ({ maxBytes: undefined, maxGas: undefined })
)

/** Bounds of one transaction: those of the settings, and what of its messages a block can hold at the gas they take. */
export const batchBounds = Effect.fnUntraced(function* (kind: SubmissionKind) {
  const { submission } = yield* MinerSettings
  const { gas, leastGas } = yield* SubmissionMemory
  const { maxBytes, maxGas } = yield* knownLimits
  const isBatched = kind === "claim" ? submission.batchClaims : submission.batchProofs
  const simulated = gasLimit(gas[kind], submission.gasAdjustment)
  const likely = submission.fixedGasPerMessage ?? simulated
  const each = likely > leastGas[kind] ? likely : leastGas[kind]
  const fitting = maxGas === undefined ? submission.batchMessages : Number(maxGas / each)
  const bounds: SliceBounds = {
    items: isBatched ? Math.max(1, Math.min(submission.batchMessages, fitting)) : 1,
    bytes: Math.min(submission.batchBytes, maxBytes === undefined ? submission.batchBytes : Number(maxBytes))
  }
  return bounds
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
