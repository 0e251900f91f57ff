/**
 * Which suppliers the chain knows, and what the fleet is told about ours: their states for relayers, the list of the
 * fleet. Only the chain's own word makes a supplier count as not staked; while it does not answer, what was known stays.
 */
import { Duration, Effect, Metric, Option } from "effect"
import type { FleetPolicy, LeaveReason } from "./FleetPolicy.ts"
import { RELEASED } from "./FleetPolicy.ts"
import { SupplierStates } from "../cache/SupplierStates.ts"
import { MinerSettings } from "../mining/MinerSettings.ts"
import { Broadcast } from "../ports/Broadcast.ts"
import { ChainQuery } from "../ports/ChainQuery.ts"
import { Leases } from "../ports/Leases.ts"
import type { SharedCache, SharedCacheUnavailable } from "../ports/SharedCache.ts"
import { SupplierStore } from "../ports/SupplierStore.ts"
import type { SupplierAddress } from "../protocol/Identifiers.ts"
import { hasEnded, replay } from "../session/SessionState.ts"
import { updateRegistry } from "./SupplierRegistry.ts"

/** Suppliers looked at at the same time, and the longest look at one. */
const CONCURRENCY = 16
const LOOK_LIMIT = Duration.seconds(5)
/** Longest wait for suppliers that were never looked at; what is not known then counts as staked. */
const FIRST_LOOK_LIMIT = Duration.seconds(5)
/** After a stop in order others get so long to take a supplier before it counts as nobody's. */
const STOP_PATIENCE = Duration.millis(500)
/** The same after its key is gone here, beyond the life of a lease: time for others to adopt it. */
const ADOPTION_PATIENCE = Duration.seconds(5)

/**
 * `pending`: the chain does not know it, and it has sessions that have not ended. `gone`: nor that. `unknown`: the chain
 * did not answer.
 */
type Standing = "staked" | "pending" | "gone" | "unknown"

const decisions = Metric.counter("ha_miner_supplier_drain_decision_total", {
  description: "Suppliers handed over, by reason and by what the chain said about them last",
  incremental: true
})
const drainReasons: Readonly<Record<LeaveReason, string>> = {
  rebalance: "rebalance_release",
  key_removal: "key_removal",
  not_staked: "not_staked",
  shutdown: "shutdown"
}
const onChain: Readonly<Record<Standing, string>> = {
  staked: "staked",
  pending: "not_found",
  gone: "not_found",
  unknown: "error"
}

/** The part of the fleet's policy that concerns stakes, and the regular look. */
export interface StakeWatch extends Omit<FleetPolicy, "mayTake"> {
  /** Looks at all suppliers whose keys are held; true if another one is to be mined, or one no more. Never fails. */
  readonly reconcile: (
    held: ReadonlyArray<SupplierAddress>,
    owned: ReadonlyArray<SupplierAddress>
  ) => Effect.Effect<boolean>
}

/** Everything unknown. */
export const makeStakeWatch = Effect.gen(function* () {
  const states = yield* SupplierStates
  const chain = yield* ChainQuery
  const store = yield* SupplierStore
  const leases = yield* Leases
  const broadcast = yield* Broadcast
  const { replica } = (yield* MinerSettings).fleet
  const context = yield* Effect.context<Broadcast | SharedCache>()
  const standings = new Map<SupplierAddress, Standing>()
  /** Services as the list has them of the suppliers taken here. */
  const listed = new Map<SupplierAddress, string>()

  const update = (change: Parameters<typeof updateRegistry>[0]) =>
    Effect.provideContext(updateRegistry(change), context)
  const noted = <A>(effect: Effect.Effect<A, SharedCacheUnavailable>, supplier: SupplierAddress) =>
    effect.pipe(
      Effect.asSome,
      Effect.catch((unavailable) =>
        Effect.as(
          Effect.annotateLogs(Effect.logWarning("the fleet was not told about a supplier", unavailable), { supplier }),
          Option.none<A>()
        )
      )
    )

  /** Lists a supplier of ours, unless it is listed with these services; one that could not be is tried at the next look. */
  const list = Effect.fnUntraced(function* (supplier: SupplierAddress, services: Option.Option<ReadonlyArray<string>>) {
    const text = Option.match(services, { onNone: () => "", onSome: (ids) => ids.join() })
    if (listed.get(supplier) === text) return
    const action = listed.has(supplier) ? "update" : "add"
    const done = yield* noted(
      update({ action, supplier, ...(Option.isSome(services) && { services: services.value }) }),
      supplier
    )
    if (Option.isSome(done)) listed.set(supplier, text)
  })

  /** A session that cannot be read may live. */
  const hasLiveSession = Effect.fnUntraced(
    function* (supplier: SupplierAddress) {
      for (const session of yield* store.sessions(supplier)) {
        const stored = yield* store.load(supplier, session)
        if (Option.isSome(stored) && !hasEnded(replay(stored.value.events))) return true
      }
      return false
    },
    Effect.orElseSucceed(() => true)
  )

  /** Publishes the state, and returns what the chain said; none if it said nothing that can be written. */
  const publish = (supplier: SupplierAddress, isHeld: boolean) =>
    Effect.map(noted(states.publish(supplier, { isHeld, replica }), supplier), Option.flatten)

  const notStaked = (supplier: SupplierAddress) =>
    standings.get(supplier) === "gone"
      ? Effect.succeed<Standing>("gone")
      : Effect.map(hasLiveSession(supplier), (lives): Standing => (lives ? "pending" : "gone"))

  /** One supplier of ours: its state is written each time. */
  const lookAtOwn = Effect.fnUntraced(function* (supplier: SupplierAddress) {
    const state = yield* publish(supplier, true)
    if (Option.isNone(state)) return standings.get(supplier) ?? "unknown"
    yield* list(supplier, Option.some(state.value.services))
    return state.value.staked ? "staked" : yield* notStaked(supplier)
  })

  /** One that is not ours: its owner writes its state, unless it has none because it is not staked. */
  const lookAtOther = Effect.fnUntraced(function* (supplier: SupplierAddress) {
    const record = yield* Effect.option(chain.supplier(supplier))
    if (Option.isNone(record)) return standings.get(supplier) ?? "unknown"
    if (Option.isSome(record.value)) return "staked"
    // A cached answer may be old: this one is not.
    const state = yield* publish(supplier, true)
    if (Option.isNone(state)) return standings.get(supplier) ?? "unknown"
    return state.value.staked ? "staked" : yield* notStaked(supplier)
  })

  const look = (supplier: SupplierAddress, isOwned: boolean) =>
    (isOwned ? lookAtOwn(supplier) : lookAtOther(supplier)).pipe(
      Effect.timeoutOption(LOOK_LIMIT),
      Effect.map((standing) => {
        standings.set(
          supplier,
          Option.getOrElse(standing, () => standings.get(supplier) ?? "unknown")
        )
      })
    )

  const isMined = (supplier: SupplierAddress) => standings.get(supplier) !== "gone"

  const watch: StakeWatch = {
    mined: Effect.fnUntraced(function* (held) {
      const first = held.filter((supplier) => !standings.has(supplier))
      if (first.length > 0) {
        yield* Effect.forEach(first, (supplier) => look(supplier, false), {
          concurrency: CONCURRENCY,
          discard: true
        }).pipe(Effect.timeoutOption(FIRST_LOOK_LIMIT))
        for (const supplier of first) if (!standings.has(supplier)) standings.set(supplier, "unknown")
      }
      return held.filter(isMined)
    }),
    reconcile: Effect.fnUntraced(function* (held, owned) {
      const before = held.filter(isMined).join()
      for (const supplier of standings.keys()) if (!held.includes(supplier)) standings.delete(supplier)
      const ours = new Set(owned)
      yield* Effect.forEach(held, (supplier) => look(supplier, ours.has(supplier)), {
        concurrency: CONCURRENCY,
        discard: true
      })
      return held.filter(isMined).join() !== before
    }),
    taken: ({ supplier }) =>
      Effect.flatMap(publish(supplier, true), (state) =>
        list(
          supplier,
          Option.map(state, ({ services }) => services)
        )
      ),
    leaving: Effect.fnUntraced(function* (supplier, reason) {
      listed.delete(supplier)
      const labels = {
        drain_reason: drainReasons[reason],
        on_chain_result: onChain[standings.get(supplier) ?? "unknown"]
      }
      yield* Metric.update(Metric.withAttributes(decisions, labels), 1)
      yield* noted(update({ action: "draining", supplier, reason: drainReasons[reason] }), supplier)
      // Another replica takes a supplier that is beyond our share; of one that is not staked the state says so.
      if (reason === "key_removal" || reason === "shutdown") yield* publish(supplier, false)
    }),
    left: Effect.fnUntraced(function* (supplier, reason) {
      if (reason === "rebalance") return
      yield* Effect.sleep(reason === "shutdown" ? STOP_PATIENCE : Duration.sum(leases.ttl, ADOPTION_PATIENCE))
      // Who holds the lease can be sure that nobody else begins with the supplier meanwhile.
      const lease = Option.flatten(yield* Effect.option(leases.acquire(supplier, replica)))
      if (Option.isNone(lease)) return
      yield* noted(update({ action: "remove", supplier, reason: drainReasons[reason] }), supplier)
      if (reason !== "not_staked") yield* noted(states.remove(supplier), supplier)
      yield* Effect.ignore(leases.release(lease.value))
      yield* Effect.ignore(broadcast.publish(RELEASED, supplier))
    })
  }
  return watch
})
