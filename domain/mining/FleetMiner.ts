/**
 * A miner among others: it shares suppliers with the replicas of its namespace, stays away from Go miners, keeps the
 * states and the list of its suppliers, and does the leader's work while it leads.
 */
import { type Duration, Effect, Option, type Scope } from "effect"
import type { ChainCaches } from "../cache/ChainCaches.ts"
import type { FactorSettings } from "../cache/ServiceFactors.ts"
import type { SupplierStates } from "../cache/SupplierStates.ts"
import type { MonitorSettings } from "../monitoring/MonitorSettings.ts"
import { makeNotices } from "../monitoring/Notices.ts"
import { Blocks } from "../ports/Blocks.ts"
import type { ForeignMiners } from "../ports/ForeignMiners.ts"
import type { Leadership } from "../ports/Leadership.ts"
import type { SharedCache } from "../ports/SharedCache.ts"
import { SupplierKeys } from "../ports/SupplierKeys.ts"
import { makeForeignWatch } from "../supplier/ForeignWatch.ts"
import { startLeaderElection } from "../supplier/LeaderElection.ts"
import { leaderWork } from "../supplier/LeaderWork.ts"
import { makeStakeWatch } from "../supplier/StakeWatch.ts"
import { startSupplierFleet } from "../supplier/SupplierFleet.ts"
import type { Miner, MinerPorts } from "./Miner.ts"
import { type MinerStatus, reasonsNotReady } from "./MinerStatus.ts"

/** What a miner needs to live among others. */
export type FleetMinerPorts = MinerPorts | ChainCaches | ForeignMiners | Leadership | SharedCache | SupplierStates

/** What the operator decides, beside `MinerSettings`. */
export interface FleetMinerSettings {
  /** Id in the election: `{hostname}-{pid}`, as in Go. */
  readonly leaderId: string
  /** Between attempts to lead, and between renewals. */
  readonly heartbeat: Duration.Duration
  /** Between looks at the suppliers' stakes. */
  readonly reconcileEvery: Duration.Duration
  /** Go miners may be alive in this namespace: they hold other keys. */
  readonly besideGoMiners: boolean
  /** What the leader tells the relayers. */
  readonly factors: FactorSettings
  /** What the leader watches. */
  readonly monitors: MonitorSettings
  /** Entries of relay streams lost since the start, by supplier; for the status. */
  readonly lostEntries: Effect.Effect<ReadonlyMap<string, number>>
}

/** A running miner of a fleet. */
export interface FleetMiner extends Miner {
  /** Never fails, no round trip. */
  readonly status: Effect.Effect<MinerStatus>
}

/** Starts the miner in the present scope. Closing the scope without `drain` stops it at once, as a crash would. */
export const startFleetMiner = Effect.fnUntraced(function* (
  settings: FleetMinerSettings
): Effect.fn.Return<FleetMiner, never, FleetMinerPorts | Scope.Scope> {
  const keys = yield* SupplierKeys
  const blocks = yield* Blocks
  const notices = makeNotices()
  const foreign = yield* makeForeignWatch(settings.besideGoMiners)
  const stakes = yield* makeStakeWatch
  const election = yield* startLeaderElection(
    { replica: settings.leaderId, heartbeat: settings.heartbeat },
    leaderWork(settings.factors, settings.monitors, notices)
  )
  const fleet = yield* startSupplierFleet({ ...stakes, mayTake: foreign.mayTake })
  let isDraining = false
  const reconcile = Effect.gen(function* () {
    if (isDraining) return
    const isOther = yield* stakes.reconcile(yield* keys.held, yield* fleet.suppliers)
    if (isOther) yield* fleet.look
  })
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(settings.reconcileEvery), reconcile)))
  return {
    suppliers: fleet.suppliers,
    drain: Effect.suspend(() => {
      isDraining = true
      return Effect.all([fleet.drain, election.resign], { concurrency: "unbounded", discard: true })
    }),
    status: Effect.gen(function* () {
      const foreignMiners = yield* foreign.known
      return {
        suppliers: yield* fleet.suppliers,
        keys: (yield* keys.held).length,
        isLeader: yield* election.isLeader,
        foreignMiners,
        lostEntries: yield* settings.lostEntries,
        notices: [...(yield* notices.all), ...(yield* fleet.obstacles)],
        notReady: reasonsNotReady({
          hasBlock: Option.isSome(yield* Effect.option(blocks.latest)),
          balance: yield* fleet.balance,
          foreignMiners,
          disjointKeys: settings.besideGoMiners,
          isDraining
        })
      }
    })
  }
})
