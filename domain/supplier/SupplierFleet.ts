/**
 * The suppliers that this replica owns: it takes its share of the keys held here, renews, hands over what is too much,
 * and stops a supplier at once when its lease cannot be kept. Each owned supplier runs in a scope of its own.
 */
import {
  Array as Arr,
  Cause,
  Clock,
  Deferred,
  Duration,
  Effect,
  Exit,
  Option,
  Queue,
  Result,
  Scope,
  Semaphore,
  Stream
} from "effect"
import { nanosOf } from "../lifecycle/MonotonicTime.ts"
import * as Metrics from "../mining/MinerMetrics.ts"
import { MinerSettings } from "../mining/MinerSettings.ts"
import { Blocks } from "../ports/Blocks.ts"
import { Broadcast } from "../ports/Broadcast.ts"
import { type Lease, Leases, type LeasesUnavailable } from "../ports/Leases.ts"
import { SupplierKeys } from "../ports/SupplierKeys.ts"
import type { SupplierAddress } from "../protocol/Identifiers.ts"
import { priceNotices } from "../settlement/AskedGasPrice.ts"
import { freshSharedNotes } from "../settlement/SharedNotes.ts"
import { planFleet } from "./FairShare.ts"
import { everySupplier, type FleetPolicy, type LeaveReason, RELEASED } from "./FleetPolicy.ts"
import { startSupplierPipeline, type SupplierPipeline, type SupplierPorts } from "./SupplierPipeline.ts"

/** A running fleet of this replica's suppliers; it ends with the scope it was started in. */
export interface SupplierFleet {
  /** Suppliers owned now, ascending. */
  readonly suppliers: Effect.Effect<ReadonlyArray<SupplierAddress>>
  /** How the last look at the shares went; before the first one `pending`. */
  readonly balance: Effect.Effect<"pending" | "done" | "unavailable">
  /** What keeps claims and proofs of its suppliers from the chain, in sentences. */
  readonly obstacles: Effect.Effect<ReadonlyArray<string>>
  /** Looks at the shares now rather than at the next turn. */
  readonly look: Effect.Effect<void>
  /** Takes nothing more, then drains and releases every supplier. Once; ends within the drain deadline. */
  readonly drain: Effect.Effect<void>
}

/** An owned supplier. */
interface Owned {
  readonly lease: Lease
  readonly scope: Scope.Closeable
  /** Done once the supplier's sessions are loaded. */
  readonly pipeline: Deferred.Deferred<SupplierPipeline>
  /** Monotonic nanoseconds at which the last successful acquisition or renewal was sent. */
  renewedAt: bigint
  isLeaving: boolean
}

/** Leases taken at the same time. */
const CONCURRENCY = 16

/** Leases renewed in one call: Redis does nothing else meanwhile. */
const RENEWED_AT_ONCE = 500

/** Longest wait for a word to the other replicas: they would find out by themselves. */
const WORD_LIMIT = Duration.seconds(1)

/**
 * Starts the fleet in the present scope. Closing the scope stops every supplier where it is and releases nothing. What
 * `policy` does runs beside the suppliers and cannot stop them.
 */
export const startSupplierFleet: (
  policy?: FleetPolicy
) => Effect.Effect<SupplierFleet, never, SupplierPorts | Leases | Scope.Scope> = Effect.fnUntraced(function* (
  policy = everySupplier
) {
  const { fleet: settings, submission } = yield* MinerSettings
  const shared = freshSharedNotes(submission)
  const leases = yield* Leases
  const blocks = yield* Blocks
  const keys = yield* SupplierKeys
  const broadcast = yield* Broadcast
  const fleetScope = yield* Effect.scope
  const owned = new Map<SupplierAddress, Owned>()
  const restingUntil = new Map<SupplierAddress, bigint>()
  const adopted = new Set<SupplierAddress>()
  const released = new Set<SupplierAddress>()
  const wake = yield* Queue.sliding<void>(1)
  const labels = { instance: settings.replica }
  /** How long a supplier may run on one acquisition or renewal, from when that was sent. */
  const life = nanosOf(leases.ttl) - nanosOf(settings.leaseMargin)
  let isDraining = false
  let round = 0
  let replicasSeen: ReadonlyArray<string> = []
  let replicasSince = yield* Clock.monotonicTimeNanos
  let eagerUntil = replicasSince + 2n * nanosOf(leases.ttl)
  let balanced: "pending" | "done" | "unavailable" = "pending"

  /** Stops a supplier without another write: the lease is, or may soon be, somebody else's. */
  const stop = Effect.fnUntraced(function* (supplier: SupplierAddress, reason: string) {
    const one = owned.get(supplier)
    if (one === undefined) return
    owned.delete(supplier)
    adopted.delete(supplier)
    yield* Metrics.add(Metrics.leasesLost, { ...labels, reason })
    yield* Effect.logWarning("supplier stopped").pipe(Effect.annotateLogs({ supplier, reason }))
    // Not awaited: its fibers may hang in a call that never returns.
    yield* Effect.forkIn(Scope.close(one.scope, Exit.void), fleetScope)
  })

  const bounded = (word: Effect.Effect<void, unknown>) => Effect.ignore(Effect.timeoutOption(word, WORD_LIMIT))

  /** Reader stopped, everything committed and checkpointed, then the lease given up and the others told. */
  const handOver = Effect.fnUntraced(function* (supplier: SupplierAddress, reason: LeaveReason) {
    const one = owned.get(supplier)
    if (one === undefined || one.isLeaving) return
    one.isLeaving = true
    const leaving = yield* Effect.forkIn(policy.leaving(supplier, reason), fleetScope)
    const pipeline = yield* Deferred.poll(one.pipeline)
    if (Option.isSome(pipeline)) {
      const drained = yield* pipeline.value.pipe(
        Effect.flatMap((running) => running.drain),
        // A drain may run where interruption is held back; its deadline has to hold there too.
        Effect.interruptible,
        Effect.timeoutOption(settings.drainDeadline)
      )
      if (Option.isNone(drained)) yield* Effect.logError("drain deadline passed, the next owner finishes the work")
    }
    leaving.interruptUnsafe()
    if (owned.get(supplier) !== one) return
    yield* Effect.forkIn(Scope.close(one.scope, Exit.void), fleetScope)
    // A lease that is not released runs out.
    yield* Effect.ignore(leases.release(one.lease))
    owned.delete(supplier)
    adopted.delete(supplier)
    restingUntil.set(supplier, (yield* Clock.monotonicTimeNanos) + nanosOf(settings.handOverPause))
    yield* Effect.logInfo("supplier handed over").pipe(Effect.annotateLogs({ supplier, reason }))
    // Unheard, it is found free within seconds.
    yield* bounded(broadcast.publish(RELEASED, supplier))
    const left = policy.left(supplier, reason)
    yield* reason === "shutdown" ? left : Effect.forkIn(left, fleetScope)
  })

  /** Runs a supplier until its lease is lost; what else ends it gives the lease up, so that it starts afresh. */
  const run = (one: Owned) =>
    Effect.gen(function* () {
      const pipeline = yield* startSupplierPipeline(one.lease, shared)
      yield* Deferred.succeed(one.pipeline, pipeline)
      yield* pipeline.ended
      // It was drained: whoever asked for that goes on.
      return yield* Effect.never
    }).pipe(
      Effect.catchTag("LeaseLost", () => stop(one.lease.supplier, "lost")),
      Effect.catchCauseIf(
        (cause) => !Cause.hasInterruptsOnly(cause),
        (cause) =>
          Effect.logError("supplier failed, it starts afresh", cause).pipe(
            Effect.annotateLogs({ supplier: one.lease.supplier }),
            Effect.andThen(stop(one.lease.supplier, "failed")),
            Effect.andThen(Effect.ignore(leases.release(one.lease)))
          )
      )
    )

  const take = Effect.fnUntraced(function* (supplier: SupplierAddress) {
    const sentAt = yield* Clock.monotonicTimeNanos
    const lease = yield* leases.acquire(supplier, settings.replica)
    if (Option.isNone(lease)) return false
    if ((yield* Clock.monotonicTimeNanos) - sentAt >= life - nanosOf(settings.renewEvery)) {
      // The answer took so long that the lease could end before it is renewed for the first time.
      yield* Effect.ignore(leases.release(lease.value))
      return false
    }
    const one: Owned = {
      lease: lease.value,
      scope: yield* Scope.fork(fleetScope),
      pipeline: yield* Deferred.make<SupplierPipeline>(),
      renewedAt: sentAt,
      isLeaving: false
    }
    owned.set(supplier, one)
    yield* Effect.logInfo("supplier taken").pipe(Effect.annotateLogs({ supplier, epoch: lease.value.epoch }))
    yield* run(one).pipe(Effect.provideService(Scope.Scope, one.scope), Effect.forkIn(one.scope))
    yield* Effect.forkIn(policy.taken(one.lease), one.scope)
    return true
  })

  /** The watch below stops suppliers in time whose leases are not renewed for long. */
  const notRenewed = (leases: number, why: LeasesUnavailable) =>
    Effect.annotateLogs(Effect.logWarning("leases not renewed", why), { leases })

  const renewSome = Effect.fnUntraced(function* (some: ReadonlyArray<Owned>) {
    const sentAt = yield* Clock.monotonicTimeNanos
    const outcomes = yield* leases.renew(some.map(({ lease }) => lease))
    const unknown: Array<LeasesUnavailable> = []
    for (const [index, one] of some.entries()) {
      const outcome = outcomes[index]
      if (outcome === undefined) continue
      if (Result.isSuccess(outcome)) one.renewedAt = sentAt
      else if (outcome.failure._tag === "LeasesUnavailable") unknown.push(outcome.failure)
      // Else it may have been given up meanwhile, and taken again.
      else if (owned.get(one.lease.supplier) === one) yield* stop(one.lease.supplier, "lost")
    }
    const [first] = unknown
    if (first !== undefined) yield* notRenewed(unknown.length, first)
  })

  const view = Effect.fnUntraced(function* (
    replicas: ReadonlyArray<string>,
    mined: ReadonlyArray<SupplierAddress>,
    now: bigint
  ) {
    if (replicas.join() !== replicasSeen.join()) {
      // Who has come may want what was adopted; who has gone does not.
      if (replicas.some((name) => !replicasSeen.includes(name))) adopted.clear()
      replicasSeen = replicas
      replicasSince = now
      eagerUntil = now + 2n * nanosOf(leases.ttl)
      // Who they were handed over to may be gone.
      restingUntil.clear()
    }
    for (const [supplier, until] of restingUntil) if (until <= now) restingUntil.delete(supplier)
    const leaving = [...owned.values()].filter(({ isLeaving }) => isLeaving).map(({ lease }) => lease.supplier)
    return {
      replica: settings.replica,
      replicas,
      keys: mined,
      owned: [...owned.values()].filter(({ isLeaving }) => !isLeaving).map(({ lease }) => lease.supplier),
      resting: new Set([...restingUntil.keys(), ...leaving]),
      adopted,
      isSettled: now - replicasSince >= nanosOf(leases.ttl),
      released: new Set(released),
      isEager: now < eagerUntil,
      round: round++
    }
  })

  const renewAll = Effect.suspend(() =>
    Effect.forEach(
      Arr.chunksOf([...owned.values()], RENEWED_AT_ONCE),
      (some) => Effect.catch(renewSome(some), (unavailable) => notRenewed(some.length, unavailable)),
      { discard: true, concurrency: "unbounded" }
    )
  ).pipe(
    Effect.timeout(settings.renewEvery),
    Effect.catchTag("TimeoutError", () => Effect.logWarning("leases not renewed in time"))
  )

  /** Says that this replica is alive and moves towards the fair share. */
  const balance = Effect.gen(function* () {
    if (isDraining) return
    yield* leases.announce(settings.replica)
    const replicas = yield* leases.replicas
    const held = yield* keys.held
    const mined = yield* policy.mined(held)
    const plan = planFleet(yield* view(replicas, mined, yield* Clock.monotonicTimeNanos))
    released.clear()
    for (const supplier of plan.release) {
      const reason = mined.includes(supplier) ? "rebalance" : held.includes(supplier) ? "not_staked" : "key_removal"
      yield* Effect.forkIn(handOver(supplier, reason), fleetScope)
    }
    let wanted = (yield* policy.mayTake) ? plan.wanted : 0
    let tried = 0
    while (wanted > 0 && tried < plan.candidates.length) {
      if (isDraining) break
      const next = plan.candidates.slice(tried, tried + Math.min(wanted, CONCURRENCY))
      const taken = yield* Effect.filter(next, take, { concurrency: CONCURRENCY })
      tried += next.length
      wanted -= taken.length
      if (plan.isAdoption) for (const supplier of taken) adopted.add(supplier)
    }
    balanced = "done"
    yield* Metrics.set(Metrics.fairShare, labels, plan.share)
    yield* Metrics.set(Metrics.suppliersHeld, labels, owned.size)
  }).pipe(
    Effect.catchTag("LeasesUnavailable", (unavailable) => {
      balanced = "unavailable"
      return Effect.logWarning("leases cannot be read", unavailable)
    })
  )

  /** Stops each supplier whose lease could end before a renewal is known to have worked. */
  const watch = Effect.gen(function* () {
    const now = yield* Clock.monotonicTimeNanos
    let next = nanosOf(settings.renewEvery)
    for (const { lease, renewedAt } of owned.values()) {
      const left = renewedAt + life - now
      if (left <= 0n) yield* stop(lease.supplier, "not_renewed")
      else if (left < next) next = left
    }
    yield* Effect.sleep(Duration.nanos(next))
  })

  yield* Effect.forkScoped(
    Stream.runForEach(blocks.changes, ({ height }) => Metrics.set(Metrics.currentHeight, {}, height))
  )
  yield* Effect.forkScoped(
    Stream.runForEach(keys.changes, () =>
      Effect.flatMap(Clock.monotonicTimeNanos, (now) => {
        eagerUntil = now + 2n * nanosOf(leases.ttl)
        return Queue.offer(wake, undefined)
      })
    )
  )
  yield* Effect.forkScoped(
    Stream.runForEach(broadcast.subscribe(RELEASED), (text) =>
      Effect.flatMap(keys.held, (held) => {
        const supplier = held.find((address) => address === text)
        if (supplier === undefined) return Effect.void
        released.add(supplier)
        return Queue.offer(wake, undefined)
      })
    )
  )
  // Each in a loop of its own: a call that hangs keeps no lease from being renewed, and no supplier from being stopped.
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(renewAll, Effect.sleep(settings.renewEvery))))
  yield* Effect.forkScoped(Effect.forever(watch))
  const balancing = Semaphore.makeUnsafe(1)
  yield* Effect.forkScoped(
    Effect.forever(
      Effect.andThen(
        balancing.withPermits(1)(balance),
        Effect.raceFirst(Queue.take(wake), Effect.sleep(settings.orphansEvery))
      )
    )
  )

  const handOverAll = Effect.suspend(() =>
    Effect.forEach([...owned.keys()], (supplier) => handOver(supplier, "shutdown"), {
      discard: true,
      concurrency: "unbounded"
    })
  )
  /** From here on the others count without this replica, so that they want what it gives up. */
  const withdraw = bounded(leases.withdraw(settings.replica))
  const drain = Effect.gen(function* () {
    isDraining = true
    yield* withdraw
    const lastBalance = balancing
      .withPermits(1)(withdraw)
      .pipe(Effect.interruptible, Effect.timeoutOption(settings.drainDeadline))
    yield* Effect.all([handOverAll, lastBalance], { discard: true, concurrency: "unbounded" })
    // What an acquisition under way at the start has brought since.
    yield* handOverAll
  })
  const fleet: SupplierFleet = {
    suppliers: Effect.sync(() => [...owned.keys()].sort()),
    balance: Effect.sync(() => balanced),
    obstacles: Effect.zipWith(priceNotices(shared, submission.gasPrice), shared.obstacles.all, (asked, obstacles) => [
      ...asked,
      ...obstacles
    ]),
    look: Effect.asVoid(Queue.offer(wake, undefined)),
    drain: yield* Effect.cached(drain)
  }
  return fleet
})
