/**
 * Proofs for the claimed sessions of a group. The block before the proof window decides which claims need one and which
 * relay it shows; each required proof is built, checked and sent, each session until the chain has validated its proof
 * or its window has closed. Run again at each height.
 */
import { Effect, Option } from "effect"
import { BulkSha256 } from "../crypto/BulkSha256.ts"
import type { SessionCopy } from "../mining/SessionCopy.ts"
import { SessionLedger } from "../mining/SessionLedger.ts"
import { type Block, Blocks } from "../ports/Blocks.ts"
import { readFresh } from "../cache/FreshRead.ts"
import { ChainQuery } from "../ports/ChainQuery.ts"
import type { TxIntent } from "../ports/SupplierStore.ts"
import { bytesEqual } from "../smst/TrieSpec.ts"
import type { ProofParams } from "../protocol/ProofParams.ts"
import type { SessionCommand } from "../session/SessionDecider.ts"
import { encodeClaim, packSubmitProof } from "../tx/ProofMessages.ts"
import { buildProof } from "./BuildProof.ts"
import { type Outgoing, planBatches } from "./ClaimBatch.ts"
import { type ClaimsOnChain, isJudgedInvalid, isOurs } from "./ClaimsOnChain.ts"
import { followIntents } from "./Inclusion.ts"
import { proofPath, proofRequirement } from "./ProofRequirement.ts"
import { worthSending } from "./Replacement.ts"
import { sendAll } from "./SendAll.ts"
import { isGasTrusted } from "./SendBatch.ts"
import type { SessionGroup } from "./SessionGroup.ts"
import { sessionPrices } from "./SessionTerms.ts"
import { batchBounds, isDue, isolated, type Submission } from "./Submission.ts"
import { countFailedStep, noMessageNow, noteObstacle, SubmissionMemory } from "./SubmissionMemory.ts"
import { sendMode } from "./SubmissionTiming.ts"

/**
 * Decides for each claim of ours on chain whether it needs a proof, as soon as the seed block is committed. A claim that
 * needs none is looked at again: the params in force at settlement decide, and they may change.
 */
export const requireProofs = Effect.fnUntraced(function* (group: SessionGroup, claims: ClaimsOnChain, block: Block) {
  if (block.height < group.heights.seed) return
  const undecided = group.sessions.filter(
    ({ session, state }) =>
      (state.status === "claimed" || state.status === "proof_not_required") &&
      isOurs(claims.get(session), state.accepted.root)
  )
  if (undecided.length === 0) return
  const seed = yield* Blocks.use((blocks) => blocks.at(group.heights.seed))
  if (Option.isNone(seed)) {
    yield* Effect.forEach(undecided, ({ session }) =>
      noteObstacle(session, { reason: "no_chain", detail: `block ${group.heights.seed} could not be read` })
    )
    yield* countFailedStep
    return
  }
  const params = yield* readFresh(ChainQuery.use((chain) => chain.proofParams))
  yield* Effect.forEach(
    undecided,
    (copy) =>
      requireProof(copy, claims, seed.value, params, block.height).pipe(
        isolated("require proof", { session: copy.session, height: block.height })
      ),
    { discard: true }
  )
})

const requireProof = Effect.fnUntraced(function* (
  { session, state }: SessionCopy,
  claims: ClaimsOnChain,
  seed: Block,
  params: ProofParams,
  height: bigint
) {
  const sha256 = yield* BulkSha256
  const memory = yield* SubmissionMemory
  const claim = claims.get(session)
  if (claim === undefined) return
  const isWaived = memory.obstacles.get(session)?.rejection === "proof_not_required"
  const requirement = isWaived
    ? "not_required"
    : proofRequirement(
        {
          claimedUpokt: state.claimedUpokt ?? 0n,
          claimHash: sha256(encodeClaim(claim)),
          seed: seed.hash,
          params
        },
        sha256
      )
  const command: SessionCommand =
    requirement === "not_required"
      ? { _tag: "WaiveProof", height }
      : { _tag: "RequireProof", reason: requirement, height }
  yield* SessionLedger.use((ledger) => ledger.record(session, command))
})

/** One look at the proofs of a group. `claims` is none when the chain did not answer. */
export const submitProofs = Effect.fnUntraced(function* (
  group: SessionGroup,
  claims: Option.Option<ClaimsOnChain>,
  intents: ReadonlyArray<TxIntent>,
  block: Block
) {
  const memory = yield* SubmissionMemory
  const submission: Submission = { kind: "proof", sessionEnd: group.sessionEnd, window: group.heights.proof }
  const { covered, replaced } = yield* followIntents(submission, intents, group, claims, block)
  const mode = sendMode(submission.window, block.height, yield* isGasTrusted("proof"))
  if (mode === "closed" || block.height < group.heights.seed) return
  const due = group.sessions.filter(
    ({ session, state }) => isDue("proof", state) && !covered.has(session) && !isProofJudged(state, session, claims)
  )
  if (due.length === 0) return
  const seed = yield* Blocks.use((blocks) => blocks.at(group.heights.seed))
  if (Option.isNone(seed)) return
  const messages = yield* Effect.forEach(due, (copy) => proofMessage(copy, seed.value, block.height))
  // They were built ahead, so that at the window's first height they only have to be sent.
  if (mode === "early") return
  const worthwhile = yield* worthSending("proof", replaced, messages.flat())
  if (worthwhile.length === 0) return
  const batches = planBatches(worthwhile, memory.alone, yield* batchBounds("proof"))
  yield* sendAll(submission, batches, group.sessions, block)
})

/** Was a proof sent that the chain found invalid? Root and path are final: the same bytes would pay for the same verdict. */
const isProofJudged = (
  { proof }: SessionCopy["state"],
  session: SessionCopy["session"],
  claims: Option.Option<ClaimsOnChain>
): boolean => proof !== undefined && Option.isSome(claims) && isJudgedInvalid(claims.value.get(session))

/** Gob bytes of the session's verified proof, built once for a seed as long as there is room to keep it. */
const preparedProof = Effect.fnUntraced(function* (copy: SessionCopy, seed: Block) {
  const { prepared } = yield* SubmissionMemory
  const known = prepared.get(copy.session)
  if (known !== undefined && bytesEqual(known.seed, seed.hash)) return known.proof
  const sha256 = yield* BulkSha256
  const { target } = yield* sessionPrices(copy.state.header)
  const proof = yield* buildProof(copy, { path: proofPath(seed.hash, copy.session, sha256), target })
  let bytes = proof.length
  for (const other of prepared.values()) bytes += other.proof.length
  if (bytes <= PREPARED_BYTES) prepared.set(copy.session, { seed: seed.hash, proof })
  return proof
})

/** Proofs of one supplier that are kept while they are due: some hundred of usual size. */
const PREPARED_BYTES = 1_048_576

/** The session's message; none when its proof cannot be built now, which is noted. */
const proofMessage = (copy: SessionCopy, seed: Block, height: bigint) =>
  Effect.gen(function* () {
    const { session, state } = copy
    if ((yield* SubmissionMemory).obstacles.get(session)?.rejection === "proof_not_required") {
      // The chain has the last word about its own draw.
      yield* SessionLedger.use((ledger) => ledger.record(session, { _tag: "WaiveProof", height }))
      return []
    }
    const proof = yield* preparedProof(copy, seed)
    const outgoing: Outgoing = {
      session,
      root: state.accepted.root,
      worth: state.claimedUpokt ?? 0n,
      wasSent: state.proof !== undefined,
      message: packSubmitProof({
        supplierOperatorAddress: state.supplier,
        sessionHeader: state.header,
        proof
      })
    }
    return [outgoing]
  }).pipe(
    Effect.catchTags({
      ProofImpossible: (impossible) =>
        Effect.as(
          noteObstacle(copy.session, { reason: "self_verification_failed", detail: impossible.reason }),
          []
        ).pipe(Effect.tap(Effect.logError("proof cannot be built", impossible))),
      ChainUnavailable: (unavailable) =>
        noMessageNow(noteObstacle(copy.session, { reason: "no_chain", detail: unavailable.message })),
      ServiceNotFound: (notFound) =>
        Effect.as(noteObstacle(copy.session, { reason: "rejected", detail: notFound.message }), []),
      StoreUnavailable: () => noMessageNow(Effect.void),
      CommitRefused: () => noMessageNow(Effect.void),
      CommandRefused: () => Effect.succeed([])
    })
  )
