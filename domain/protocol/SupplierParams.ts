/** Parameters of the chain's `supplier` module. They have no history: the live record decides at every height. */

/** Amounts in uPOKT. Source: poktroll `pocket.supplier.Params`. */
export interface SupplierParams {
  /** A supplier whose stake falls below leaves the network. */
  readonly minStake: bigint
}
