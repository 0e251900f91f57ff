/** Shared params as the vector files spell them, and a builder for records that differ in few fields. */
import { defaultSharedParams, type SharedParams } from "../../../domain/protocol/SharedParams.ts"

/** Decimal strings; the unbonding periods are not part of the vectors. */
export interface VectorParams {
  readonly num_blocks_per_session: string
  readonly grace_period_end_offset_blocks: string
  readonly claim_window_open_offset_blocks: string
  readonly claim_window_close_offset_blocks: string
  readonly proof_window_open_offset_blocks: string
  readonly proof_window_close_offset_blocks: string
  readonly compute_units_to_tokens_multiplier: string
  readonly compute_unit_cost_granularity: string
  readonly session_grid_anchor_height: string
  readonly session_number_at_anchor: string
}

/** The record of a vector; unbonding periods are the defaults. */
export const paramsOf = (vector: VectorParams): SharedParams => ({
  ...defaultSharedParams,
  numBlocksPerSession: BigInt(vector.num_blocks_per_session),
  gracePeriodEndOffsetBlocks: BigInt(vector.grace_period_end_offset_blocks),
  claimWindowOpenOffsetBlocks: BigInt(vector.claim_window_open_offset_blocks),
  claimWindowCloseOffsetBlocks: BigInt(vector.claim_window_close_offset_blocks),
  proofWindowOpenOffsetBlocks: BigInt(vector.proof_window_open_offset_blocks),
  proofWindowCloseOffsetBlocks: BigInt(vector.proof_window_close_offset_blocks),
  computeUnitsToTokensMultiplier: BigInt(vector.compute_units_to_tokens_multiplier),
  computeUnitCostGranularity: BigInt(vector.compute_unit_cost_granularity),
  sessionGridAnchorHeight: BigInt(vector.session_grid_anchor_height),
  sessionNumberAtAnchor: BigInt(vector.session_number_at_anchor)
})

/** The defaults with some fields replaced. */
export const someParams = (fields: Partial<SharedParams>): SharedParams => ({ ...defaultSharedParams, ...fields })
