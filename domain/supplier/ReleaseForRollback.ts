/**
 * Gives a supplier back to Go miners. What is being claimed or proved is finished here first; then everything is
 * checkpointed, Go's records are written, its group begins the stream again, and the lease is given up without a word to
 * our own replicas, which have to be stopped before.
 */
import { Duration, Effect, Option, Schema } from "effect"
import { SupplierStates } from "../cache/SupplierStates.ts"
import { MinerSettings } from "../mining/MinerSettings.ts"
import { GoProjections, type GoSession } from "../ports/GoProjections.ts"
import { type Lease, Leases, type LeaseLost, type LeasesUnavailable } from "../ports/Leases.ts"
import { type StoredSession, type StoreUnavailable, SupplierStore } from "../ports/SupplierStore.ts"
import type { SharedCacheUnavailable } from "../ports/SharedCache.ts"
import type { SupplierAddress } from "../protocol/Identifiers.ts"
import { hasEnded, replay, type SessionState } from "../session/SessionState.ts"
import { bytesEqual } from "../smst/TrieSpec.ts"
import { startSupplierPipeline, type SupplierPorts } from "./SupplierPipeline.ts"

/** Between looks whether everything is finished. */
const LOOK_EVERY = Duration.seconds(1)

/** The supplier stays ours, or was not ours to give. */
export class RollbackRefused extends Schema.TaggedError<RollbackRefused>()("RollbackRefused", {
  supplier: Schema.String,
  /** `owned`: a miner holds its lease. `replicas`: miners of ours are alive. `unfinished`: claims or proofs are due. */
  reason: Schema.Literals(["owned", "replicas", "unfinished"]),
  detail: Schema.String
}) {
  override get message(): string {
    return `supplier ${this.supplier} is not released for Go miners: ${this.detail}`
  }
}

/** What a session is to a Go miner. */
type Handing = "active" | "claimed" | "unfinished" | "ours"

/** What was handed over, sessions by id. */
export interface RolledBack {
  readonly supplier: SupplierAddress
  readonly active: ReadonlyArray<string>
  readonly claimed: ReadonlyArray<string>
}

/**
 * Releases one supplier whose key is held here; at most `patience` for what is being claimed or proved. Repeatable: what
 * failed half-way may be run again.
 */
export const releaseForRollback = (
  supplier: SupplierAddress,
  patience: Duration.Duration
): Effect.Effect<
  RolledBack,
  RollbackRefused | LeaseLost | LeasesUnavailable | StoreUnavailable | SharedCacheUnavailable,
  SupplierPorts | Leases | GoProjections | SupplierStates
> =>
  Effect.scoped(
    Effect.gen(function* () {
      const leases = yield* Leases
      const { replica, renewEvery } = (yield* MinerSettings).fleet
      const refused = (reason: RollbackRefused["reason"], detail: string) =>
        Effect.fail(new RollbackRefused({ supplier, reason, detail }))
      const others = (yield* leases.replicas).filter((name) => name !== replica)
      if (others.length > 0) return yield* refused("replicas", `stop the miners that are alive: ${others.join(", ")}`)
      const acquired = yield* leases.acquire(supplier, replica)
      if (Option.isNone(acquired)) return yield* refused("owned", "a miner holds its lease, which ends after its life")
      const lease = acquired.value
      const renewed = Effect.forever(Effect.andThen(Effect.sleep(renewEvery), leases.renew(lease)))
      return yield* release(lease, patience).pipe(
        Effect.raceFirst(renewed),
        Effect.ensuring(Effect.ignore(leases.release(lease)))
      )
    })
  )

const release = Effect.fnUntraced(function* (lease: Lease, patience: Duration.Duration) {
  const { supplier } = lease
  const states = yield* SupplierStates
  const projections = yield* GoProjections
  const { replica } = (yield* MinerSettings).fleet
  const finished = yield* Effect.timeoutOption(finish(lease), patience)
  if (Option.isNone(finished)) {
    const left = (yield* handings(supplier)).filter(({ handing }) => handing === "unfinished")
    return yield* new RollbackRefused({
      supplier,
      reason: "unfinished",
      detail:
        `${left.length} sessions are being claimed or proved (${left.map(({ stored }) => stored.session).join(", ")}); ` +
        "let a miner of ours run until they are done, then try again"
    })
  }
  const handed = finished.value.flatMap(({ handing, stored, state }) =>
    handing === "active" || handing === "claimed" ? [{ handing, projection: goSession(stored, state, handing) }] : []
  )
  for (const { projection } of handed) yield* projections.writeSession(lease, projection)
  yield* projections.rewind(lease)
  yield* states.publish(supplier, { isHeld: true, replica })
  const idsOf = (wanted: Handing) =>
    handed.filter(({ handing }) => handing === wanted).map(({ projection }) => projection.session)
  return { supplier, active: idsOf("active"), claimed: idsOf("claimed") }
})

/** Mines until nothing is being claimed or proved, and stops there with everything checkpointed. */
const finish = Effect.fnUntraced(function* (lease: Lease) {
  for (;;) {
    yield* Effect.scoped(
      Effect.gen(function* () {
        const pipeline = yield* startSupplierPipeline(lease)
        const isFinished = Effect.map(handings(lease.supplier), (all) =>
          all.every(({ handing }) => handing !== "unfinished")
        )
        const settled = Effect.repeat(Effect.andThen(Effect.sleep(LOOK_EVERY), isFinished), { until: Boolean })
        yield* Effect.raceFirst(settled, Effect.andThen(pipeline.ended, Effect.never))
        yield* pipeline.drain
      })
    )
    // While it was stopped, another session may have begun to be claimed.
    const all = yield* handings(lease.supplier)
    if (all.every(({ handing, stored }) => handing !== "unfinished" && (handing === "ours" || isWhole(stored))))
      return all
  }
})

const handings = Effect.fnUntraced(function* (supplier: SupplierAddress) {
  const store = yield* SupplierStore
  const loaded = yield* Effect.forEach(yield* store.sessions(supplier), (session) => store.load(supplier, session))
  return loaded.flatMap(Option.toArray).map((stored) => {
    const state = replay(stored.events)
    return { stored, state, handing: handingOf(state) }
  })
})

/** A claim on chain whose proof is not due yet is Go's; a proof that was sent, and what follows, is ours to the end. */
const handingOf = (state: SessionState): Handing => {
  if (hasEnded(state)) return "ours"
  switch (state.status) {
    case "open":
      return "active"
    case "claimed":
    case "proof_not_required":
      return "claimed"
    case "sealed":
    case "proof_required":
      return "unfinished"
    default:
      return "ours"
  }
}

/** Are all nodes of its trie stored, so that Go finds every leaf from the live root? */
const isWhole = ({ tail, liveRoot, root, count }: StoredSession): boolean =>
  tail.length === 0 && (count === 0n || (Option.isSome(liveRoot) && bytesEqual(liveRoot.value, root)))

const goSession = (stored: StoredSession, state: SessionState, handing: "active" | "claimed"): GoSession => ({
  session: stored.session,
  service: state.header.serviceId,
  application: state.header.applicationAddress,
  startHeight: state.header.sessionStartBlockHeight,
  endHeight: state.header.sessionEndBlockHeight,
  relays: stored.count,
  computeUnits: stored.sum,
  claim: handing === "claimed" ? Option.some({ root: stored.root, txHash: state.claim?.txHash }) : Option.none()
})
