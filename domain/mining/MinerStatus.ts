/** What a miner says about itself: for readiness, and for people. */
import type { SupplierAddress } from "../protocol/Identifiers.ts"

/**
 * Why a miner is not ready. `no_block`: no height is known. `leases`: the lease store does not answer, or was not asked
 * yet. `foreign_miners`: Go miners are alive, so nothing is taken; or that is not known. `draining`: it is being stopped.
 */
export interface NotReady {
  readonly reason: "no_block" | "leases" | "foreign_miners" | "draining"
  /** One sentence for an operator. */
  readonly detail: string
}

/** One moment of a miner. */
export interface MinerStatus {
  /** Suppliers owned, ascending. */
  readonly suppliers: ReadonlyArray<SupplierAddress>
  /** Suppliers whose keys are held. */
  readonly keys: number
  readonly isLeader: boolean
  /** Ids of Go miners that are alive; undefined: not known. */
  readonly foreignMiners: ReadonlyArray<string> | undefined
  /** Entries of relay streams that were lost since the start, by supplier. */
  readonly lostEntries: ReadonlyMap<string, number>
  /** What the monitors of a leader have to say, and what is in the way of claims and proofs; nothing is refused for it. */
  readonly notices: ReadonlyArray<string>
  /** Empty: ready. */
  readonly notReady: ReadonlyArray<NotReady>
}

/** What readiness follows from. */
export interface MinerFacts {
  readonly hasBlock: boolean
  readonly balance: "pending" | "done" | "unavailable"
  readonly foreignMiners: ReadonlyArray<string> | undefined
  /** Go miners beside us hold other keys, by the operator's word. */
  readonly disjointKeys: boolean
  readonly isDraining: boolean
}

/** Every reason that holds. */
export const reasonsNotReady = (facts: MinerFacts): ReadonlyArray<NotReady> => {
  const reasons: Array<NotReady> = []
  const holds = (reason: NotReady["reason"], detail: string) => void reasons.push({ reason, detail })
  if (facts.isDraining) holds("draining", "the miner is being stopped")
  if (!facts.hasBlock) holds("no_block", "no block was seen yet: check the node's address and that it is in sync")
  if (facts.balance === "pending") holds("leases", "leases were not looked at yet")
  if (facts.balance === "unavailable") holds("leases", "the store of the leases does not answer")
  if (!facts.disjointKeys && facts.foreignMiners === undefined) {
    holds("foreign_miners", "it is not known whether Go miners are alive in this namespace")
  }
  if (!facts.disjointKeys && (facts.foreignMiners ?? []).length > 0) {
    holds(
      "foreign_miners",
      `Go miners are alive in this namespace (${facts.foreignMiners?.join(", ")}): stop them, or set ` +
        "supplier_claiming.beside_go_miners if they hold other keys"
    )
  }
  return reasons
}
