/** Transactions that wait for a block, and the cache of bytes a node has seen. */

/** Limits of a node. Sources: CometBFT `config/config.go`, poktroll `cmd/pocketd/cmd/config.go`. */
export interface MempoolLimits {
  /** Longest transaction in bytes. */
  readonly maxTxBytes: number
  /** Most waiting transactions. */
  readonly maxTxs: number
  /** Most bytes of waiting transactions. */
  readonly maxTotalBytes: number
  /** Most transactions of the application's own pool. */
  readonly maxApplicationTxs: number
  /** Most transactions remembered as seen. */
  readonly cacheSize: number
}
