/**
 * Which suppliers a replica should take and hand over. Every replica plans for itself from the replicas it sees; the
 * leases decide. Pure: the same view gives the same plan.
 */
import type { SupplierAddress } from "../protocol/Identifiers.ts"

/** What a replica knows when it plans. */
export interface FleetView {
  readonly replica: string
  /** Replicas alive, ascending; this one counts whether listed or not. */
  readonly replicas: ReadonlyArray<string>
  /** Suppliers whose keys are held here, ascending. */
  readonly keys: ReadonlyArray<SupplierAddress>
  /** Suppliers owned, those on their way out not included, in the order in which they were taken. */
  readonly owned: ReadonlyArray<SupplierAddress>
  /** Not to be taken now: on their way out, or handed over a moment ago. */
  readonly resting: ReadonlySet<SupplierAddress>
  /** Owned beyond the share because nobody else takes them. */
  readonly adopted: ReadonlySet<SupplierAddress>
  /** Did the set of replicas stay the same for a lease's life? Then what is free has no other taker. */
  readonly isSettled: boolean
  /** Given up by others a moment ago: tried first. */
  readonly released: ReadonlySet<SupplierAddress>
  /** Much may be free, because replicas or keys came or went: everything is tried, not a part in each round. */
  readonly isEager: boolean
  /** Counts the plans; rotates the order in which suppliers are tried. */
  readonly round: number
}

/** What a replica does next; `release` comes before any taking. */
export interface FleetPlan {
  /** ⌈keys / replicas⌉. */
  readonly share: number
  readonly release: ReadonlyArray<SupplierAddress>
  /** To be tried in this order, until `wanted` are taken. */
  readonly candidates: ReadonlyArray<SupplierAddress>
  readonly wanted: number
  /** The candidates are beyond the share. */
  readonly isAdoption: boolean
}

/** Suppliers tried in one round while nothing happens: bounds the calls to the lease store. */
export const TRIES_PER_ROUND = 32
/** Suppliers adopted in one round. */
const ADOPTIONS_PER_ROUND = 8

/**
 * Plans one round: hands over what is beyond the share or has no key here, takes what is free up to the share. Beyond
 * it a few suppliers are adopted in a round, if nothing is to be handed over and the set of replicas is settled. Who has
 * no more than the share hands nothing over, whoever comes and goes. Linear in the keys.
 */
export const planFleet = (view: FleetView): FleetPlan => {
  const replicas = [...new Set([...view.replicas, view.replica])].sort()
  const keys = new Set(view.keys)
  const share = Math.ceil(view.keys.length / replicas.length)
  const withoutKey = view.owned.filter((supplier) => !keys.has(supplier))
  const kept = view.owned.filter((supplier) => keys.has(supplier))
  const removable = kept.filter((supplier) => !view.adopted.has(supplier))
  // The newest first: what was just taken is the cheapest to hand over.
  const excess = Math.max(0, removable.length - share)
  const release = [...withoutKey, ...(excess === 0 ? [] : removable.slice(-excess))]
  const owned = new Set(view.owned)
  const free = view.keys.filter((supplier) => !owned.has(supplier) && !view.resting.has(supplier))
  const wanted = Math.max(0, share - kept.length)
  const isAdoption = wanted === 0 && release.length === 0 && view.isSettled
  const released = free.filter((supplier) => view.released.has(supplier))
  const others = free.filter((supplier) => !view.released.has(supplier))
  const start = startAt(others.length, replicas.indexOf(view.replica), replicas.length, view.round)
  const inTurn = [...others.slice(start), ...others.slice(0, start)]
  return {
    share,
    release,
    candidates: [...released, ...(view.isEager ? inTurn : inTurn.slice(0, TRIES_PER_ROUND))],
    wanted: isAdoption ? ADOPTIONS_PER_ROUND : wanted,
    isAdoption
  }
}

/** Replicas begin at different places, so that they seldom try the same supplier; each round goes on from the last. */
const startAt = (free: number, index: number, replicas: number, round: number): number =>
  free === 0 ? 0 : (Math.floor((index * free) / replicas) + round * TRIES_PER_ROUND) % free
