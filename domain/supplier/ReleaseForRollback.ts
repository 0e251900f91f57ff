/**
 * Gives a supplier back to Go miners. What is being claimed or proved is finished here first; then everything is
 * checkpointed, Go's records are written, its group begins the stream again, and the lease is given up without a word to
 * our own replicas, which have to be stopped before.
 */
import { Duration, Effect, Option, Result, Schema } from "effect"
import { SupplierStates } from "../cache/SupplierStates.ts"
import { MinerSettings } from "../mining/MinerSettings.ts"
import { GoRollback, type RollbackRefused } from "../ports/GoRollback.ts"
import { type Lease, Leases, type LeaseLost, type LeasesUnavailable } from "../ports/Leases.ts"
import type { SharedCacheUnavailable } from "../ports/SharedCache.ts"
import { type StoreUnavailable, SupplierStore } from "../ports/SupplierStore.ts"
import type { SessionId, SupplierAddress } from "../protocol/Identifiers.ts"
import { replay } from "../session/SessionState.ts"
import { freshSharedNotes } from "../settlement/SharedNotes.ts"
import { startSupplierPipeline, type SupplierPorts } from "./SupplierPipeline.ts"

/** Between looks whether everything is finished. */
const LOOK_EVERY = Duration.seconds(1)

/** The supplier stays ours, or was not ours to give. */
export class NotReleased extends Schema.TaggedError<NotReleased>()("NotReleased", {
  supplier: Schema.String,
  /** `owned`: a miner holds its lease. `replicas`: miners of ours are alive. `unfinished`: claims or proofs are due. */
  reason: Schema.Literals(["owned", "replicas", "unfinished"]),
  detail: Schema.String
}) {
  override get message(): string {
    return `supplier ${this.supplier} is not released for Go miners: ${this.detail}`
  }
}

/** Why a release fails. */
export type ReleaseFailed =
  | NotReleased
  | RollbackRefused
  | LeaseLost
  | LeasesUnavailable
  | StoreUnavailable
  | SharedCacheUnavailable

/**
 * Releases one supplier whose key is held here, and returns the sessions that Go goes on with; at most `patience` for what
 * is being claimed or proved. Repeatable: what failed half-way may be run again.
 */
export const releaseForRollback = (
  supplier: SupplierAddress,
  patience: Duration.Duration
): Effect.Effect<ReadonlyArray<SessionId>, ReleaseFailed, SupplierPorts | Leases | GoRollback | SupplierStates> =>
  Effect.gen(function* () {
    const leases = yield* Leases
    const { replica, renewEvery } = (yield* MinerSettings).fleet
    const refused = (reason: NotReleased["reason"], detail: string) =>
      Effect.fail(new NotReleased({ supplier, reason, detail }))
    const others = (yield* leases.replicas).filter((name) => name !== replica)
    if (others.length > 0) return yield* refused("replicas", `stop the miners that are alive: ${others.join(", ")}`)
    const acquired = yield* leases.acquire(supplier, replica)
    if (Option.isNone(acquired)) return yield* refused("owned", "a miner holds its lease, which ends after its life")
    const lease = acquired.value
    const renewed = Effect.sleep(renewEvery).pipe(
      Effect.andThen(leases.renew([lease])),
      Effect.flatMap(([outcome = Result.void]) => Effect.fromResult(outcome)),
      Effect.forever
    )
    return yield* release(lease, patience).pipe(
      Effect.raceFirst(renewed),
      Effect.ensuring(Effect.ignore(leases.release(lease)))
    )
  })

const release = Effect.fnUntraced(function* (lease: Lease, patience: Duration.Duration) {
  const { supplier } = lease
  const states = yield* SupplierStates
  const { replica } = (yield* MinerSettings).fleet
  const released = yield* Effect.timeoutOption(finish(lease), patience)
  if (Option.isNone(released)) {
    const left = yield* unfinished(supplier)
    return yield* new NotReleased({
      supplier,
      reason: "unfinished",
      detail:
        `${left.length} sessions are being claimed or proved (${left.join(", ")}); ` +
        "let a miner of ours run until they are done, then try again"
    })
  }
  yield* states.publish(supplier, { isHeld: true, replica })
  return released.value
})

/** Mines until nothing is being claimed or proved, and stops there with everything checkpointed. */
const finish = Effect.fnUntraced(function* (lease: Lease) {
  const rollback = yield* GoRollback
  const shared = freshSharedNotes((yield* MinerSettings).submission)
  for (;;) {
    yield* Effect.scoped(
      Effect.gen(function* () {
        const pipeline = yield* startSupplierPipeline(lease, shared)
        const isFinished = Effect.map(unfinished(lease.supplier), (left) => left.length === 0)
        const settled = Effect.repeat(Effect.andThen(Effect.sleep(LOOK_EVERY), isFinished), { until: Boolean })
        yield* Effect.raceFirst(settled, Effect.andThen(pipeline.ended, Effect.never))
        yield* pipeline.drain
      })
    )
    const projected = yield* Effect.result(rollback.project(lease))
    if (projected._tag === "Success") return projected.success
    const { failure } = projected
    // While it was stopped, another session may have begun to be claimed: once more.
    if (failure._tag !== "RollbackRefused" || failure.reason === "cluster") return yield* failure
  }
})

/** Sessions whose claim or proof is due: Go would not take them up. */
const unfinished = Effect.fnUntraced(function* (supplier: SupplierAddress) {
  const store = yield* SupplierStore
  const loaded = yield* Effect.forEach(yield* store.sessions(supplier), (session) => store.load(supplier, session))
  return loaded.flatMap(Option.toArray).flatMap(({ session, events }) => {
    const { status } = replay(events)
    return status === "sealed" || status === "proof_required" ? [session] : []
  })
})
