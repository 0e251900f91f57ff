/**
 * What the leader does for all replicas. Each piece is derived from the chain or from the configuration, may be repeated,
 * and gives way to what was written at a later height: two leaders for a while end where one would.
 */
import type { ChainCaches } from "../cache/ChainCaches.ts"
import { keepCachesFresh } from "../cache/RefreshCaches.ts"
import { type FactorSettings, keepServiceFactorsPublished } from "../cache/ServiceFactors.ts"
import type { Blocks } from "../ports/Blocks.ts"
import type { Broadcast } from "../ports/Broadcast.ts"
import type { SharedCache } from "../ports/SharedCache.ts"
import type { LeaderWork } from "./LeaderElection.ts"

/** Everything that a leader runs, with the factors of its configuration. */
export const leaderWork = (
  factors: FactorSettings
): ReadonlyArray<LeaderWork<Blocks | Broadcast | ChainCaches | SharedCache>> => [
  { name: "refresh of the shared caches", run: keepCachesFresh },
  { name: "service factors", run: keepServiceFactorsPublished(factors) }
]
