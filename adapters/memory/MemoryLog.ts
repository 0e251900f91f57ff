/**
 * One supplier's stream of mined relays with one consumer group: entries stay until acknowledged, what an owner took
 * and did not acknowledge is pending at its nonce and goes to the next owner first.
 */
import { compareLogId, type Delivery } from "../../domain/ports/SupplierStore.ts"

interface Pending {
  readonly delivery: Delivery
  /** Nonce of the owner it was handed to; `undefined` asks for another delivery. */
  holder: string | undefined
}

export class MemoryLog {
  lastGenerated = "0-0"
  lastDelivered = "0-0"
  readonly #fresh: Array<Delivery> = []
  /** Index of the oldest undelivered entry; what lies before it is cut off from time to time. */
  #head = 0
  readonly #pending = new Map<string, Pending>()
  readonly #arrivals = new Set<() => void>()

  /** Entries not acknowledged, delivered or not. */
  get size(): number {
    return this.#fresh.length - this.#head + this.#pending.size
  }

  /** Id of the oldest entry that is delivered and not acknowledged. */
  get oldestPending(): string | undefined {
    let oldest: string | undefined
    for (const id of this.#pending.keys()) {
      if (oldest === undefined || compareLogId(id, oldest) < 0) oldest = id
    }
    return oldest
  }

  /** Appends at `now` (milliseconds) and returns the id; ids ascend even when the clock stands still or goes back. */
  append(entry: Omit<Delivery, "id">, now: number): string {
    const [lastTime = "0", lastSequence = "0"] = this.lastGenerated.split("-")
    const id = now > Number(lastTime) ? `${now}-0` : `${lastTime}-${Number(lastSequence) + 1}`
    this.lastGenerated = id
    this.#fresh.push({ id, ...entry })
    for (const wake of this.#arrivals) wake()
    this.#arrivals.clear()
    return id
  }

  /** Hands up to `max` entries to `nonce`: those of other holders, oldest first, then new ones. */
  take(nonce: string, max: number): ReadonlyArray<Delivery> {
    const taken: Array<Delivery> = []
    const foreign = [...this.#pending.values()]
      .filter(({ holder }) => holder !== nonce)
      .sort((a, b) => compareLogId(a.delivery.id, b.delivery.id))
    for (const pending of foreign.slice(0, max)) {
      pending.holder = nonce
      taken.push(pending.delivery)
    }
    while (taken.length < max) {
      const delivery = this.#fresh[this.#head]
      if (delivery === undefined) break
      this.#head++
      this.lastDelivered = delivery.id
      this.#pending.set(delivery.id, { delivery, holder: nonce })
      taken.push(delivery)
    }
    if (this.#head > 1_024 && this.#head * 2 > this.#fresh.length) {
      this.#fresh.splice(0, this.#head)
      this.#head = 0
    }
    return taken
  }

  /** What `nonce` holds is handed out again by the next `take`. */
  release(nonce: string): void {
    for (const pending of this.#pending.values()) {
      if (pending.holder === nonce) pending.holder = undefined
    }
    for (const wake of this.#arrivals) wake()
    this.#arrivals.clear()
  }

  /** Removes entries for good; unknown ids are ignored. */
  acknowledge(ids: ReadonlyArray<string>): void {
    for (const id of ids) this.#pending.delete(id)
  }

  /** Every entry not acknowledged, for audits. */
  entries(): ReadonlyArray<Delivery> {
    return [...[...this.#pending.values()].map(({ delivery }) => delivery), ...this.#fresh.slice(this.#head)]
  }

  /** Calls `wake` once at the next append or release; returns how to withdraw. */
  onArrival(wake: () => void): () => void {
    this.#arrivals.add(wake)
    return () => this.#arrivals.delete(wake)
  }
}
