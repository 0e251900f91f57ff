/** Parameters of the chain's modules that programs decide by, from and to the messages of the `Params` queries. */
import { create } from "@bufbuild/protobuf"
import { Result } from "effect"
import type { ProofParams } from "../protocol/ProofParams.ts"
import type { SessionParams } from "../protocol/SessionParams.ts"
import type { SharedParams } from "../protocol/SharedParams.ts"
import { type Decimal, decimalOfDouble, toDouble } from "../protocol/Decimal.ts"
import type { RewardSplit, TokenomicsParams } from "../protocol/TokenomicsParams.ts"
import { InvalidChainRecord, upoktFromMessage, upoktToMessage } from "./Coin.ts"
import { type Params as ProofMessage, ParamsSchema as ProofSchema } from "./proto/pocket/proof_pb.ts"
import { type Params as SessionMessage, ParamsSchema as SessionSchema } from "./proto/pocket/session_pb.ts"
import { type Params as TokenomicsMessage, ParamsSchema as TokenomicsSchema } from "./proto/pocket/tokenomics_pb.ts"
import { type Params as SharedMessage, ParamsSchema as SharedSchema } from "./proto/pocket/shared_pb.ts"

/**
 * Shared params of `Params` and `ParamsAtHeight`. Refused: an absent record, which has no blocks per session, and one by
 * which nothing has a price. Other rules that it may break leave something to go by, see `validateSharedParams`.
 */
export const sharedFromMessage = (
  message: SharedMessage | undefined
): Result.Result<SharedParams, InvalidChainRecord> => {
  if (message === undefined || message.numBlocksPerSession === 0n) {
    return missing("shared.Params", "num_blocks_per_session")
  }
  if (message.computeUnitsToTokensMultiplier === 0n) {
    return missing("shared.Params", "compute_units_to_tokens_multiplier")
  }
  if (message.computeUnitCostGranularity === 0n) return missing("shared.Params", "compute_unit_cost_granularity")
  return Result.succeed({
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
}

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

/** Tokenomics params of `Params`. A rate that is negative or no number is refused; an absent split gives nothing to all. */
export const tokenomicsFromMessage = (
  message: TokenomicsMessage | undefined
): Result.Result<TokenomicsParams, InvalidChainRecord> =>
  Result.gen(function* () {
    if (message === undefined) return yield* missing("tokenomics.Params", "params")
    return {
      mintAllocationPercentages: yield* splitFromMessage(
        message.mintAllocationPercentages,
        "mint_allocation_percentages"
      ),
      mintEqualsBurnClaimDistribution: yield* splitFromMessage(
        message.mintEqualsBurnClaimDistribution,
        "mint_equals_burn_claim_distribution"
      ),
      daoRewardAddress: message.daoRewardAddress,
      globalInflationPerClaim: yield* rate(message.globalInflationPerClaim, "global_inflation_per_claim"),
      mintRatio: yield* rate(message.mintRatio, "mint_ratio"),
      overservicingBonusMultiplier: message.overservicingBonusMultiplier
    }
  })

/** The wire message of tokenomics params, as a node would answer it. */
export const tokenomicsToMessage = (params: TokenomicsParams): TokenomicsMessage =>
  create(TokenomicsSchema, {
    mintAllocationPercentages: splitToMessage(params.mintAllocationPercentages),
    mintEqualsBurnClaimDistribution: splitToMessage(params.mintEqualsBurnClaimDistribution),
    daoRewardAddress: params.daoRewardAddress,
    globalInflationPerClaim: toDouble(params.globalInflationPerClaim),
    mintRatio: toDouble(params.mintRatio),
    overservicingBonusMultiplier: params.overservicingBonusMultiplier
  })

/** Roles of a split on the wire. */
type SplitFields = Readonly<Record<keyof RewardSplit, number>>

const splitFromMessage = (
  message: SplitFields | undefined,
  field: string
): Result.Result<RewardSplit, InvalidChainRecord> =>
  Result.gen(function* () {
    return {
      dao: yield* rate(message?.dao ?? 0, `${field}.dao`),
      proposer: yield* rate(message?.proposer ?? 0, `${field}.proposer`),
      supplier: yield* rate(message?.supplier ?? 0, `${field}.supplier`),
      sourceOwner: yield* rate(message?.sourceOwner ?? 0, `${field}.source_owner`),
      application: yield* rate(message?.application ?? 0, `${field}.application`)
    }
  })

const splitToMessage = (split: RewardSplit): SplitFields => ({
  dao: toDouble(split.dao),
  proposer: toDouble(split.proposer),
  supplier: toDouble(split.supplier),
  sourceOwner: toDouble(split.sourceOwner),
  application: toDouble(split.application)
})

const rate = (value: number, field: string): Result.Result<Decimal, InvalidChainRecord> =>
  Result.mapError(
    decimalOfDouble(value),
    ({ message }) => new InvalidChainRecord({ record: "tokenomics.Params", field, reason: message })
  )

const missing = (record: string, field: string): Result.Result<never, InvalidChainRecord> =>
  Result.fail(new InvalidChainRecord({ record, field, reason: "is missing or 0" }))
