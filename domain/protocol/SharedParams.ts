/**
 * Parameters of the chain's `shared` module: session length, window offsets, unbonding periods, price of compute units.
 * Which record applies at a height is `ParamsHistory`; what follows from one record is `SessionGrid` and `SessionWindow`.
 */
import { Result, Schema } from "effect"

/**
 * One complete record. Offsets are in blocks, unbonding periods in sessions, heights are block heights; every field is
 * an unsigned 64-bit integer. Source: poktroll `pocket.shared.Params`.
 */
export interface SharedParams {
  readonly numBlocksPerSession: bigint
  readonly gracePeriodEndOffsetBlocks: bigint
  readonly claimWindowOpenOffsetBlocks: bigint
  readonly claimWindowCloseOffsetBlocks: bigint
  readonly proofWindowOpenOffsetBlocks: bigint
  readonly proofWindowCloseOffsetBlocks: bigint
  readonly supplierUnbondingPeriodSessions: bigint
  readonly applicationUnbondingPeriodSessions: bigint
  readonly gatewayUnbondingPeriodSessions: bigint
  /** CUTTM: pPOKT (10⁻⁶ uPOKT at the default granularity) of one compute unit. */
  readonly computeUnitsToTokensMultiplier: bigint
  /** Fraction of a uPOKT in which CUTTM is expressed: 1 000 000 means pPOKT. */
  readonly computeUnitCostGranularity: bigint
  /** First height of the current session grid; 0 means unset and stands for 1. */
  readonly sessionGridAnchorHeight: bigint
  /** Number of the session that starts at the anchor; 0 means unset and stands for 1. */
  readonly sessionNumberAtAnchor: bigint
}

/** The two fields that price compute units in uPOKT. */
export type ComputeUnitPrice = Pick<SharedParams, "computeUnitsToTokensMultiplier" | "computeUnitCostGranularity">

/** Values of a chain whose genesis names none. Source: poktroll `x/shared/types/params.go`. */
export const defaultSharedParams: SharedParams = {
  numBlocksPerSession: 10n,
  gracePeriodEndOffsetBlocks: 1n,
  claimWindowOpenOffsetBlocks: 1n,
  claimWindowCloseOffsetBlocks: 4n,
  proofWindowOpenOffsetBlocks: 0n,
  proofWindowCloseOffsetBlocks: 4n,
  supplierUnbondingPeriodSessions: 1n,
  applicationUnbondingPeriodSessions: 1n,
  gatewayUnbondingPeriodSessions: 1n,
  computeUnitsToTokensMultiplier: 42_000_000n,
  computeUnitCostGranularity: 1_000_000n,
  sessionGridAnchorHeight: 1n,
  sessionNumberAtAnchor: 1n
}

/** A record that the chain refuses: `field` breaks `rule`, `limit` being the bound computed from the same record. */
export class InvalidSharedParams extends Schema.TaggedError<InvalidSharedParams>()("InvalidSharedParams", {
  field: Schema.String,
  value: Schema.BigInt,
  rule: Schema.Literals(["at least", "below", "at most"]),
  limit: Schema.BigInt
}) {
  override get message(): string {
    return `shared params: ${this.field} is ${this.value}, must be ${this.rule} ${this.limit}`
  }
}

/** The sum of the four offsets: blocks from a session's end to the close of its proof window, less the one of claim open. */
export const windowOffsetsSum = (
  params: Pick<
    SharedParams,
    | "claimWindowOpenOffsetBlocks"
    | "claimWindowCloseOffsetBlocks"
    | "proofWindowOpenOffsetBlocks"
    | "proofWindowCloseOffsetBlocks"
  >
): bigint =>
  params.claimWindowOpenOffsetBlocks +
  params.claimWindowCloseOffsetBlocks +
  params.proofWindowOpenOffsetBlocks +
  params.proofWindowCloseOffsetBlocks

/**
 * Succeeds when the chain would accept the record, else names the first rule broken.
 * Source: poktroll `x/shared/types/params.go`, ValidateBasic.
 */
export const validateSharedParams = (params: SharedParams): Result.Result<void, InvalidSharedParams> => {
  const { numBlocksPerSession: blocks } = params
  const sum = windowOffsetsSum(params)
  const rules: ReadonlyArray<
    readonly [name: string, value: bigint, rule: "at least" | "below" | "at most", limit: bigint]
  > = [
    ...Object.entries<bigint>({ ...params }).flatMap(([name, value]) => [
      [name, value, "at least", 0n] as const,
      [name, value, "at most", maxUint64] as const
    ]),
    ["numBlocksPerSession", blocks, "at least", 1n],
    ["gracePeriodEndOffsetBlocks", params.gracePeriodEndOffsetBlocks, "below", blocks],
    ["claimWindowOpenOffsetBlocks", params.claimWindowOpenOffsetBlocks, "at least", params.gracePeriodEndOffsetBlocks],
    ["supplierUnbondingPeriodSessions", params.supplierUnbondingPeriodSessions, "at least", 1n],
    ["applicationUnbondingPeriodSessions", params.applicationUnbondingPeriodSessions, "at least", 1n],
    ["gatewayUnbondingPeriodSessions", params.gatewayUnbondingPeriodSessions, "at least", 1n],
    ["proofWindowCloseOffsetBlocks (sum of the four offsets)", sum, "at least", 1n],
    ["supplierUnbondingPeriodSessions (in blocks)", params.supplierUnbondingPeriodSessions * blocks, "at least", sum],
    [
      "applicationUnbondingPeriodSessions (in blocks)",
      params.applicationUnbondingPeriodSessions * blocks,
      "at least",
      sum
    ],
    ["computeUnitsToTokensMultiplier", params.computeUnitsToTokensMultiplier, "at least", 1n],
    ["computeUnitCostGranularity", params.computeUnitCostGranularity, "at least", 1n]
  ]
  const broken = rules.find(([, value, rule, limit]) =>
    rule === "at least" ? value < limit : rule === "below" ? value >= limit : value > limit
  )
  if (broken === undefined) return Result.void
  const [field, value, rule, limit] = broken
  return Result.fail(new InvalidSharedParams({ field, value, rule, limit }))
}

const maxUint64 = 2n ** 64n - 1n
