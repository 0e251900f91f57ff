/** What a miner's configuration says to the programs that it is made of. */
import { Duration, Option, Result } from "effect"
import type { MinerConfig } from "../adapters/config/MinerConfig.ts"
import { nanosOf } from "../domain/lifecycle/MonotonicTime.ts"
import { defaultMinerSettings, type MinerSettings } from "../domain/mining/MinerSettings.ts"
import type { MonitorSettings } from "../domain/monitoring/MonitorSettings.ts"
import { type Decimal, decimalOfDouble } from "../domain/protocol/Decimal.ts"
import { type FleetTimes, fleetTimes } from "../domain/supplier/FleetTimes.ts"

/** Times of leases and of the fleet. */
export const fleetTimesOf = ({ supplierClaiming: { ttl, renewal, rebalance } }: MinerConfig): FleetTimes =>
  fleetTimes({ ttl, renewal, rebalance })

/** Settings of the mining programs of the replica with this name. */
export const minerSettingsOf = (config: MinerConfig, replica: string): MinerSettings => {
  const { ingest, submission, fleet } = defaultMinerSettings
  const { transaction } = config
  const { renewEvery, orphansEvery, leaseMargin } = fleetTimesOf(config)
  return {
    ingest: { ...ingest, batchRelays: config.batchSize },
    submission: {
      ...submission,
      batchClaims: !transaction.disableClaimBatching,
      batchProofs: !transaction.disableProofBatching,
      fixedGasPerMessage: transaction.gasLimit === 0n ? undefined : transaction.gasLimit,
      gasAdjustment: transaction.gasAdjustment,
      gasPrice: transaction.gasPrice,
      blockTime: config.blockTime,
      timeouts: {
        shortest: nanosOf(transaction.timeoutMin),
        longest: nanosOf(transaction.timeoutMax),
        unknown: nanosOf(transaction.timeoutDefault),
        margin: nanosOf(transaction.timeoutClockSkew)
      },
      concurrentSessions: config.sessionLifecycle.maxConcurrentTransitions,
      maxReplacements: transaction.maxRebroadcasts,
      replacementMarginBlocks: BigInt(transaction.rebroadcastSafetyBlocks),
      claimReads: { concurrent: transaction.inclusionMaxConcurrent, limit: transaction.inclusionTimeout },
      retentionBlocks: retentionOf(config)
    },
    fleet: { ...fleet, replica, renewEvery, orphansEvery, leaseMargin }
  }
}

/** Blocks for which an ended session is kept: the life of session records, at least one block. */
const retentionOf = ({ sessionTtl, cacheTtl, blockTime }: MinerConfig): bigint =>
  BigInt(Math.max(1, Math.ceil(Duration.toMillis(sessionTtl ?? cacheTtl) / Duration.toMillis(blockTime))))

/** Factors that the leader publishes; those of 0 and below mean none. */
export const factorsOf = ({ serviceFactors, defaultServiceFactor, cacheTtl }: MinerConfig) => ({
  factors: new Map(
    Array.from(serviceFactors).flatMap(([service, factor]) =>
      Option.toArray(Option.map(factorOf(factor), (exact) => [service, exact] as const))
    )
  ),
  defaultFactor: Option.getOrUndefined(factorOf(defaultServiceFactor)),
  life: cacheTtl
})

/** What the leader watches; a monitor that is switched off does not run at all. */
export const monitorsOf = (config: MinerConfig): MonitorSettings => {
  const { balanceMonitor, blockHealthMonitor, blockTime, cacheTtl } = config
  return {
    balance: balanceMonitor.enabled
      ? {
          checkEvery: balanceMonitor.checkInterval,
          threshold: balanceMonitor.balanceThreshold,
          warningProofs: balanceMonitor.stakeWarningProofs,
          criticalProofs: balanceMonitor.stakeCriticalProofs
        }
      : undefined,
    blockHealth: blockHealthMonitor.enabled
      ? { slowAfter: Duration.times(blockTime, blockHealthMonitor.slownessThreshold) }
      : undefined,
    advisory: {
      blockTime,
      cacheTtl,
      sessionTtl: config.sessionTtl ?? cacheTtl,
      balanceThreshold:
        balanceMonitor.enabled && balanceMonitor.balanceThreshold > 0n ? balanceMonitor.balanceThreshold : undefined
    }
  }
}

const factorOf = (factor: number): Option.Option<Decimal> =>
  factor > 0 ? Result.getSuccess(decimalOfDouble(factor)) : Option.none()
