/**
 * What the leader does for all replicas. Each piece is derived from the chain or from the configuration, may be repeated,
 * and gives way to what was written at a later height: two leaders for a while end where one would.
 */
import { announceBlocks } from "../chain/BlockAnnouncement.ts"
import type { ChainCaches } from "../cache/ChainCaches.ts"
import { keepCachesFresh } from "../cache/RefreshCaches.ts"
import { type FactorSettings, keepServiceFactorsPublished } from "../cache/ServiceFactors.ts"
import { watchBalances } from "../monitoring/BalanceMonitor.ts"
import { watchBlockHealth } from "../monitoring/BlockHealthMonitor.ts"
import type { MonitorSettings } from "../monitoring/MonitorSettings.ts"
import type { Notices } from "../monitoring/Notices.ts"
import { adviseOnParams } from "../monitoring/ParamsAdvisory.ts"
import { Blocks } from "../ports/Blocks.ts"
import type { Broadcast } from "../ports/Broadcast.ts"
import type { ChainQuery } from "../ports/ChainQuery.ts"
import type { SharedCache } from "../ports/SharedCache.ts"
import type { LeaderWork } from "./LeaderElection.ts"
import { listedSuppliers } from "./SupplierRegistry.ts"

/** What a leader's work needs. */
export type LeaderPorts = Blocks | Broadcast | ChainCaches | ChainQuery | SharedCache

/** Everything that a leader runs, with the factors and the monitors of its configuration. */
export const leaderWork = (
  factors: FactorSettings,
  { balance, blockHealth, advisory }: MonitorSettings,
  notices: Notices
): ReadonlyArray<LeaderWork<LeaderPorts>> => [
  { name: "refresh of the shared caches", run: keepCachesFresh },
  { name: "announcements of blocks", run: Blocks.use(announceBlocks) },
  { name: "service factors", run: keepServiceFactorsPublished(factors) },
  ...(balance === undefined
    ? []
    : [{ name: "balances and stakes", run: watchBalances(balance, listedSuppliers, notices) }]),
  ...(blockHealth === undefined ? [] : [{ name: "block times", run: watchBlockHealth(blockHealth, notices) }]),
  ...(advisory === undefined ? [] : [{ name: "parameters of the chain", run: adviseOnParams(advisory, notices) }])
]
