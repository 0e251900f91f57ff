/**
 * Who receives what of a settled claim. Every part is a floor; what flooring leaves goes to the DAO, or to the first
 * revenue share. Source: poktroll `x/tokenomics/token_logic_module`.
 */
import type { RevenueShare } from "../chain/Supplier.ts"
import { ceilTimes, type Decimal, floorTimes } from "../protocol/Decimal.ts"
import type { RewardSplit } from "../protocol/TokenomicsParams.ts"

/** Amounts in uPOKT that sum to the amount that was split. */
export interface RewardParts {
  readonly supplier: bigint
  readonly proposer: bigint
  readonly sourceOwner: bigint
  readonly application: bigint
  readonly dao: bigint
}

/** An account and what it receives, uPOKT, above 0. */
export interface Payment {
  readonly address: string
  readonly amount: bigint
}

/** Minted for a settled amount: ⌊settled × mint ratio⌋. 0 of a positive amount discards the claim. */
export const mintedUpokt = (settledUpokt: bigint, mintRatio: Decimal): bigint => floorTimes(settledUpokt, mintRatio)

/** Minted on top by global inflation: ⌈settled × i⌉; the application's stake pays as much to the DAO. */
export const inflationUpokt = (settledUpokt: bigint, inflation: Decimal): bigint => ceilTimes(settledUpokt, inflation)

/** Splits an amount among the roles; the DAO receives the rest, whatever its own percentage says. */
export const splitReward = (amount: bigint, split: RewardSplit): RewardParts => {
  const supplier = floorTimes(amount, split.supplier)
  const proposer = floorTimes(amount, split.proposer)
  const sourceOwner = floorTimes(amount, split.sourceOwner)
  const application = floorTimes(amount, split.application)
  return { supplier, proposer, sourceOwner, application, dao: amount - supplier - proposer - sourceOwner - application }
}

/**
 * Divides the supplier's part among the revenue shares of its service config, in address order, without empty payments.
 * A list that is empty, names an address twice or does not sum to 100 pays everything to `ownerAddress`.
 * Source: poktroll `x/tokenomics/token_logic_module`, GetSupplierShareholderAmountMap.
 */
export const payRevenueShares = (
  amount: bigint,
  shares: ReadonlyArray<RevenueShare>,
  ownerAddress: string
): ReadonlyArray<Payment> => {
  const payments = areValidShares(shares) ? dividePart(amount, shares) : [{ address: ownerAddress, amount }]
  return payments
    .filter((payment) => payment.amount > 0n)
    .sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0))
}

const areValidShares = (shares: ReadonlyArray<RevenueShare>): boolean =>
  shares.length > 0 &&
  new Set(shares.map((share) => share.address)).size === shares.length &&
  shares.reduce((sum, share) => sum + share.percentage, 0n) === 100n

const dividePart = (amount: bigint, shares: ReadonlyArray<RevenueShare>): ReadonlyArray<Payment> => {
  const payments = shares.map(({ address, percentage }) => ({ address, amount: (amount * percentage) / 100n }))
  const remainder = payments.reduce((rest, payment) => rest - payment.amount, amount)
  return payments.map((payment, index) =>
    index === 0 ? { address: payment.address, amount: payment.amount + remainder } : payment
  )
}
