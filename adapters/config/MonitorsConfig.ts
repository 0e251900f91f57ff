/** What a miner watches beside its work: balances and stakes, block times, settlements. */
import { key, section, type ValueOf } from "./ConfigReader.ts"
import { amount, count, decimal, flag, seconds, withoutEffect } from "./KeyKinds.ts"

/** `balance_monitor` of the miner. Amounts are uPOKT. */
export const balanceMonitor = section({
  enabled: key("enabled", flag(true, "Watch balances and stakes of the suppliers.")),
  checkInterval: key("check_interval_seconds", seconds({ fallback: "300", unset: "zero" }, "Between looks.")),
  balanceThreshold: key(
    "balance_threshold_upokt",
    amount("1000000", "A balance below is critical, below twice as much a warning; 0 = off.")
  ),
  stakeWarningProofs: key(
    "stake_warning_proof_threshold",
    count({ fallback: "10", least: 0 }, "Warn when the stake covers fewer missed proofs.")
  ),
  stakeCriticalProofs: key(
    "stake_critical_proof_threshold",
    count({ fallback: "3", least: 0 }, "Critical when the stake covers fewer missed proofs.")
  )
})
/** Value of `balance_monitor`. */
export type BalanceMonitorConfig = ValueOf<typeof balanceMonitor>

/** `block_health_monitor` of the miner. */
export const blockHealthMonitor = section({
  enabled: key("enabled", flag(false, "Watch the time between blocks.")),
  slownessThreshold: key(
    "slowness_threshold",
    decimal({ fallback: "1.5", unset: "zero" }, "A block is slow after this many times `block_time_seconds`.")
  )
})
/** Value of `block_health_monitor`. */
export type BlockHealthMonitorConfig = ValueOf<typeof blockHealthMonitor>

/** `settlement_monitor` of the miner. */
export const settlementMonitor = section({
  enabled: key(
    "enabled",
    withoutEffect(flag(false, "Follow claims to their settlement."), "claims are always followed to their settlement")
  )
})
/** Value of `settlement_monitor`. */
export type SettlementMonitorConfig = ValueOf<typeof settlementMonitor>
