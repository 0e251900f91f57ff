/** What one block can hold. Source: CometBFT consensus parameters, `block`. */

/** Live limits of a block, hence of one transaction. */
export interface BlockLimits {
  /** Bytes of all transactions of a block; undefined: no limit. */
  readonly maxBytes: bigint | undefined
  /** Sum of the gas limits of a block's transactions; undefined: no limit. */
  readonly maxGas: bigint | undefined
}
