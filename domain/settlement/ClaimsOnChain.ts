/**
 * What the chain holds of a supplier's sessions, and what follows from it: a claim is included when it is there with our
 * root, a proof when the claim's status says validated. Proofs themselves are gone from the chain within their block.
 */
import { Effect } from "effect"
import { MinerSettings } from "../mining/MinerSettings.ts"
import { SessionLedger } from "../mining/SessionLedger.ts"
import { type Block, ChainUnavailable } from "../ports/Blocks.ts"
import { ChainQuery } from "../ports/ChainQuery.ts"
import type { SessionId } from "../protocol/Identifiers.ts"
import type { SessionCommand } from "../session/SessionDecider.ts"
import { awaitsSettlement } from "../session/SessionState.ts"
import { bytesEqual } from "../smst/TrieSpec.ts"
import { type Claim, ClaimProofStatus } from "../tx/ProofMessages.ts"
import { claimedUpokt } from "./ClaimAmount.ts"
import { rootSum } from "./ClaimRoot.ts"
import type { SessionGroup } from "./SessionGroup.ts"
import { sessionPrices } from "./SessionTerms.ts"
import { isolated } from "./Submission.ts"
import { clearObstacle, noteObstacle, SubmissionMemory } from "./SubmissionMemory.ts"

/** Claims of the supplier by session id. */
export type ClaimsOnChain = ReadonlyMap<string, Claim>

/**
 * Reads all claims of the supplier that are on chain at a height or later; a bounded number of suppliers at a time, within
 * a bound.
 */
export const readClaims = Effect.fnUntraced(function* (height: bigint) {
  const { lease } = yield* SessionLedger
  const { claimReads } = (yield* MinerSettings).submission
  const { chain } = yield* SubmissionMemory
  const claims = yield* ChainQuery.use((query) => query.claims(lease.supplier, height)).pipe(
    Effect.timeoutOrElse({
      duration: claimReads.limit,
      orElse: () => Effect.fail(new ChainUnavailable({ operation: "claims", cause: "no answer in time" }))
    }),
    chain.claimReads.withPermits(1)
  )
  const bySession: ClaimsOnChain = new Map(claims.map((claim) => [claim.sessionHeader?.sessionId ?? "", claim]))
  return bySession
})

/** Records what the claims say about the sessions of a group. */
export const confirmGroup = Effect.fnUntraced(function* (group: SessionGroup, claims: ClaimsOnChain, block: Block) {
  const { submission } = yield* MinerSettings
  yield* Effect.forEach(
    group.sessions.filter(({ state }) => state.status === "sealed" || awaitsSettlement(state)),
    ({ session, state }) => {
      const claim = claims.get(session)
      return claim === undefined
        ? Effect.void
        : Effect.andThen(
            confirmClaim(session, claim, state.claimedUpokt, block.height),
            confirmProof(session, state.status, claim, block.height)
          ).pipe(isolated("confirm", { session, height: block.height }))
    },
    { discard: true, concurrency: submission.concurrentSessions }
  )
})

const confirmClaim = Effect.fnUntraced(function* (
  session: SessionId,
  claim: Claim,
  known: bigint | undefined,
  height: bigint
) {
  const ledger = yield* SessionLedger
  const confirmation: SessionCommand = {
    _tag: "ConfirmClaim",
    root: claim.rootHash,
    claimedUpokt: known ?? (yield* worthOf(claim)),
    height
  }
  yield* ledger.record(session, confirmation).pipe(
    Effect.tap((events) => (events.length > 0 ? clearObstacle(session) : Effect.void)),
    Effect.catchTag("CommandRefused", (refused) =>
      refused.reason === "root"
        ? Effect.andThen(
            Effect.logError("the chain holds a claim with another root").pipe(Effect.annotateLogs({ session, height })),
            ledger.record(session, { _tag: "ReportMismatch", onChain: claim.rootHash, height })
          )
        : Effect.fail(refused)
    )
  )
})

const confirmProof = Effect.fnUntraced(function* (session: SessionId, status: string, claim: Claim, height: bigint) {
  if (claim.proofValidationStatus === ClaimProofStatus.validated) {
    yield* SessionLedger.use((ledger) => ledger.record(session, { _tag: "ConfirmProof", height }))
  } else if (isJudgedInvalid(claim) && status === "proof_required") {
    yield* noteObstacle(session, {
      reason: "proof_invalid",
      detail: "the chain found the proof invalid",
      rejection: "proof_invalid"
    })
  }
})

/** Did the chain judge a proof of this claim and find it invalid? */
export const isJudgedInvalid = (claim: Claim | undefined): boolean =>
  claim?.proofValidationStatus === ClaimProofStatus.invalid

/** uPOKT that a claim is worth: its root's sum at the session's prices. */
const worthOf = Effect.fnUntraced(function* (claim: Claim) {
  if (claim.sessionHeader === undefined) return 0n
  const { price, multiplier } = yield* sessionPrices(claim.sessionHeader)
  return claimedUpokt(rootSum(claim.rootHash), multiplier, price)
})

/** Is the claim on chain ours? */
export const isOurs = (claim: Claim | undefined, root: Uint8Array): claim is Claim =>
  claim !== undefined && bytesEqual(claim.rootHash, root)
