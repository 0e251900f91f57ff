/** What an expired claim costs the supplier whose required proof is missing or invalid. */

/** A supplier's stake after one slash. Amounts in uPOKT. */
export interface Slash {
  /** Burned; less than the penalty when the stake does not cover it, possibly 0. */
  readonly slashedUpokt: bigint
  readonly stakeAfter: bigint
  /**
   * Does the supplier begin to unbond? Its unstake height becomes the current session's end, but its configs stay active
   * and it is never removed.
   */
  readonly beginsUnbonding: boolean
}

/** Applies the penalty once. Source: poktroll `x/tokenomics/keeper`, slashing of expired claims. */
export const slashSupplier = (input: {
  readonly stake: bigint
  readonly proofMissingPenalty: bigint
  /** Least stake of the supplier module. */
  readonly minStake: bigint
  readonly isUnstaking: boolean
}): Slash => {
  const slashedUpokt = input.stake < input.proofMissingPenalty ? input.stake : input.proofMissingPenalty
  const stakeAfter = input.stake - slashedUpokt
  return { slashedUpokt, stakeAfter, beginsUnbonding: stakeAfter < input.minStake && !input.isUnstaking }
}
