/** Parameters of the chain's modules that programs decide by, from and to the messages of the `Params` queries. */
import { create } from "@bufbuild/protobuf"
import { Result } from "effect"
import type { ProofParams } from "../protocol/ProofParams.ts"
import type { SessionParams } from "../protocol/SessionParams.ts"
import type { SharedParams } from "../protocol/SharedParams.ts"
import { InvalidChainRecord, upoktFromMessage, upoktToMessage } from "./Coin.ts"
import { type Params as ProofMessage, ParamsSchema as ProofSchema } from "./proto/pocket/proof_pb.ts"
import { type Params as SessionMessage, ParamsSchema as SessionSchema } from "./proto/pocket/session_pb.ts"
import { type Params as SharedMessage, ParamsSchema as SharedSchema } from "./proto/pocket/shared_pb.ts"

/** Shared params of `Params` and `ParamsAtHeight`. An absent record has no blocks per session and is refused. */
export const sharedFromMessage = (
  message: SharedMessage | undefined
): Result.Result<SharedParams, InvalidChainRecord> =>
  message === undefined || message.numBlocksPerSession === 0n
    ? missing("shared.Params", "num_blocks_per_session")
    : Result.succeed({
        numBlocksPerSession: message.numBlocksPerSession,
        gracePeriodEndOffsetBlocks: message.gracePeriodEndOffsetBlocks,
        claimWindowOpenOffsetBlocks: message.claimWindowOpenOffsetBlocks,
        claimWindowCloseOffsetBlocks: message.claimWindowCloseOffsetBlocks,
        proofWindowOpenOffsetBlocks: message.proofWindowOpenOffsetBlocks,
        proofWindowCloseOffsetBlocks: message.proofWindowCloseOffsetBlocks,
        supplierUnbondingPeriodSessions: message.supplierUnbondingPeriodSessions,
        applicationUnbondingPeriodSessions: message.applicationUnbondingPeriodSessions,
        gatewayUnbondingPeriodSessions: message.gatewayUnbondingPeriodSessions,
        computeUnitsToTokensMultiplier: message.computeUnitsToTokensMultiplier,
        computeUnitCostGranularity: message.computeUnitCostGranularity,
        sessionGridAnchorHeight: message.sessionGridAnchorHeight,
        sessionNumberAtAnchor: message.sessionNumberAtAnchor
      })

/** The wire message of shared params, as a node would answer it. */
export const sharedToMessage = (params: SharedParams): SharedMessage => create(SharedSchema, params)

/** Session params of `Params`. An absent or zero number of suppliers is refused: no session could have any. */
export const sessionFromMessage = (
  message: SessionMessage | undefined
): Result.Result<SessionParams, InvalidChainRecord> =>
  message === undefined || message.numSuppliersPerSession === 0n
    ? missing("session.Params", "num_suppliers_per_session")
    : Result.succeed({ numSuppliersPerSession: message.numSuppliersPerSession })

/** The wire message of session params, as a node would answer it. */
export const sessionToMessage = (params: SessionParams): SessionMessage => create(SessionSchema, params)

/** Proof params of `Params`. Absent amounts are 0; a probability outside 0 to 1 is refused. */
export const proofFromMessage = (message: ProofMessage | undefined): Result.Result<ProofParams, InvalidChainRecord> =>
  Result.gen(function* () {
    if (message === undefined) return yield* missing("proof.Params", "params")
    const probability = message.proofRequestProbability
    if (!(probability >= 0 && probability <= 1)) {
      const reason = `${probability} is not between 0 and 1`
      return yield* Result.fail(
        new InvalidChainRecord({ record: "proof.Params", field: "proof_request_probability", reason })
      )
    }
    return {
      proofRequestProbability: probability,
      proofRequirementThreshold: yield* upoktFromMessage(
        message.proofRequirementThreshold,
        "proof.Params",
        "proof_requirement_threshold"
      ),
      proofMissingPenalty: yield* upoktFromMessage(
        message.proofMissingPenalty,
        "proof.Params",
        "proof_missing_penalty"
      ),
      proofSubmissionFee: yield* upoktFromMessage(message.proofSubmissionFee, "proof.Params", "proof_submission_fee")
    }
  })

/** The wire message of proof params, as a node would answer it. */
export const proofToMessage = (params: ProofParams): ProofMessage =>
  create(ProofSchema, {
    proofRequestProbability: params.proofRequestProbability,
    proofRequirementThreshold: upoktToMessage(params.proofRequirementThreshold),
    proofMissingPenalty: upoktToMessage(params.proofMissingPenalty),
    proofSubmissionFee: upoktToMessage(params.proofSubmissionFee)
  })

const missing = (record: string, field: string): Result.Result<never, InvalidChainRecord> =>
  Result.fail(new InvalidChainRecord({ record, field, reason: "is missing" }))
