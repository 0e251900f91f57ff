/** What the leader watches for the operator beside the work itself. A monitor that is undefined does not run. */
import type { Duration } from "effect"

/** Balances and stakes of the fleet's suppliers; amounts in uPOKT. */
export interface BalanceSettings {
  /** Between looks; the first comes 30 s after the start. */
  readonly checkEvery: Duration.Duration
  /** A balance below is critical, below twice as much a warning; 0: only an empty account is critical. */
  readonly threshold: bigint
  /** Missed proofs that a stake has to cover at least, else a warning, or critical. */
  readonly warningProofs: number
  readonly criticalProofs: number
}

/** Time between blocks. */
export interface BlockHealthSettings {
  /** A block is slow that comes later after the one before. */
  readonly slowAfter: Duration.Duration
}

/** Settings that the chain's parameters have to fit. */
export interface AdvisorySettings {
  readonly blockTime: Duration.Duration
  /** Life of what is kept of a session in shared stores. */
  readonly cacheTtl: Duration.Duration
  /** Life of the records of a session. */
  readonly sessionTtl: Duration.Duration
  /** uPOKT below which the balance monitor is critical; undefined: it does not run. */
  readonly balanceThreshold: bigint | undefined
}

/** All monitors. */
export interface MonitorSettings {
  readonly balance: BalanceSettings | undefined
  readonly blockHealth: BlockHealthSettings | undefined
  readonly advisory: AdvisorySettings | undefined
}

/** Nothing is watched. */
export const noMonitors: MonitorSettings = { balance: undefined, blockHealth: undefined, advisory: undefined }
