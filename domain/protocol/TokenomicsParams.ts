/** Parameters of the chain's `tokenomics` module, by which settled claims turn into mints, rewards and burns. */
import { type Decimal, one, zero } from "./Decimal.ts"

/** How an amount is split among roles. The parts sum to 1; what rounding leaves goes to the DAO. */
export interface RewardSplit {
  readonly dao: Decimal
  readonly proposer: Decimal
  readonly supplier: Decimal
  readonly sourceOwner: Decimal
  readonly application: Decimal
}

/** Rates are exact decimals. They have no history: the live record decides. Source: poktroll `pocket.tokenomics.Params`. */
export interface TokenomicsParams {
  /** Split of what global inflation mints. */
  readonly mintAllocationPercentages: RewardSplit
  /** Split of what is minted for the application's burn. */
  readonly mintEqualsBurnClaimDistribution: RewardSplit
  /** Account of the DAO, bech32. */
  readonly daoRewardAddress: string
  /** Extra mint for each settled uPOKT. */
  readonly globalInflationPerClaim: Decimal
  /** Part of the burned amount that is minted again; above 0, at most 1. */
  readonly mintRatio: Decimal
  /** How often its equal share one supplier may draw from what others left unused; 0 stands for 1. */
  readonly overservicingBonusMultiplier: bigint
}

/** 10 % DAO, 5 % proposer, 70 % supplier, 15 % service owner. */
export const defaultRewardSplit: RewardSplit = {
  dao: { numerator: 10n, denominator: 100n },
  proposer: { numerator: 5n, denominator: 100n },
  supplier: { numerator: 70n, denominator: 100n },
  sourceOwner: { numerator: 15n, denominator: 100n },
  application: zero
}

/** Values of a chain whose genesis names none, except the DAO's account. Source: poktroll `x/tokenomics/types/params.go`. */
export const defaultTokenomicsParams = (daoRewardAddress: string): TokenomicsParams => ({
  mintAllocationPercentages: defaultRewardSplit,
  mintEqualsBurnClaimDistribution: defaultRewardSplit,
  daoRewardAddress,
  globalInflationPerClaim: { numerator: 1n, denominator: 10n },
  mintRatio: one,
  overservicingBonusMultiplier: 1n
})
