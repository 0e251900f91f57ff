/**
 * One supplier's stream of mined relays with one consumer group: entries stay until acknowledged, what an owner took
 * and did not acknowledge is pending and goes to the next owner first. One owner reads at a time; the fence sees to it.
 */
import type { Delivery } from "../../domain/ports/SupplierStore.ts"

/** Acknowledged or delivered places of an array that may lie before its head before they are cut off. */
const CUT_AFTER = 1_024

/** A stream and its group. Ids are `<milliseconds>-<sequence>` and ascend, as those of a Redis stream. */
export class MemoryLog {
  #time = 0
  #sequence = 0
  #lastDelivered = "0-0"
  #bytes = 0
  readonly #fresh: Array<Delivery> = []
  /** Index of the oldest undelivered entry. */
  #head = 0
  /**
   * Delivered and not acknowledged. Entries come in by ascending id and keep their places, so the first is the oldest.
   */
  readonly #pending = new Map<string, Delivery>()
  /** Nonce of the owner that read last; what is pending when another comes is due for that one. */
  #reader: string | undefined
  /** Pending entries that are due for the reader again, ascending; those acknowledged meanwhile are skipped. */
  #again: ReadonlyArray<Delivery> = []
  #againHead = 0
  /** Readers that wait; each withdraws itself, so there are at most as many as calls under way. */
  readonly #waiting = new Set<() => void>()

  /** Id of the newest entry ever appended, `0-0` before the first. */
  get lastGenerated(): string {
    return `${this.#time}-${this.#sequence}`
  }

  /** Highest id ever handed out, `0-0` before the first. */
  get lastDelivered(): string {
    return this.#lastDelivered
  }

  /** Id of the oldest entry that is delivered and not acknowledged. */
  get oldestPending(): string | undefined {
    for (const id of this.#pending.keys()) return id
    return undefined
  }

  /** Entries not acknowledged, delivered or not. */
  get size(): number {
    return this.#fresh.length - this.#head + this.#pending.size
  }

  /** Entries delivered and not acknowledged. */
  get pendingSize(): number {
    return this.#pending.size
  }

  /** Bytes of the data of the entries not acknowledged. */
  get bytes(): number {
    return this.#bytes
  }

  /** Appends at `now` (milliseconds) and returns the id; ids ascend even when the clock stands still or goes back. */
  append(entry: Omit<Delivery, "id">, now: number): string {
    if (now > this.#time) {
      this.#time = now
      this.#sequence = 0
    } else this.#sequence++
    const id = this.lastGenerated
    this.#fresh.push({ id, ...entry })
    this.#bytes += entry.data.length
    this.#wake()
    return id
  }

  /** Whether `take` would hand something to `nonce`. */
  hasFor(nonce: string): boolean {
    if (this.#head < this.#fresh.length) return true
    if (nonce !== this.#reader) return this.#pending.size > 0
    for (; this.#againHead < this.#again.length; this.#againHead++) {
      const delivery = this.#again[this.#againHead]
      if (delivery !== undefined && this.#pending.has(delivery.id)) return true
    }
    return false
  }

  /** Hands up to `max` entries to `nonce`: those that are due again, oldest first, then new ones. */
  take(nonce: string, max: number): ReadonlyArray<Delivery> {
    if (nonce !== this.#reader) {
      this.#reader = nonce
      this.#deliverPendingAgain()
    }
    const taken: Array<Delivery> = []
    while (taken.length < max && this.#againHead < this.#again.length) {
      const delivery = this.#again[this.#againHead++]
      if (delivery !== undefined && this.#pending.has(delivery.id)) taken.push(delivery)
    }
    if (this.#againHead === this.#again.length) this.#forgetAgain()
    while (taken.length < max) {
      const delivery = this.#fresh[this.#head]
      if (delivery === undefined) break
      this.#head++
      this.#lastDelivered = delivery.id
      this.#pending.set(delivery.id, delivery)
      taken.push(delivery)
    }
    if (this.#head > CUT_AFTER && this.#head * 2 > this.#fresh.length) {
      this.#fresh.splice(0, this.#head)
      this.#head = 0
    }
    return taken
  }

  /** What `nonce` holds is handed out again by the next `take`. */
  redeliver(nonce: string): void {
    // What a later owner has not taken yet is due for it in any case.
    if (nonce === this.#reader) this.#deliverPendingAgain()
    this.#wake()
  }

  /** Removes pending entries for good and returns those; ids that are not pending are ignored. */
  acknowledge(ids: Iterable<string>): ReadonlyArray<Delivery> {
    const removed: Array<Delivery> = []
    for (const id of ids) {
      const delivery = this.#pending.get(id)
      if (delivery === undefined) continue
      this.#pending.delete(id)
      this.#bytes -= delivery.data.length
      removed.push(delivery)
    }
    return removed
  }

  /** Every entry not acknowledged, ascending, for audits. */
  entries(): ReadonlyArray<Delivery> {
    return [...this.#pending.values(), ...this.#fresh.slice(this.#head)]
  }

  /** Calls `wake` once at the next append or redelivery; returns how to withdraw. */
  onArrival(wake: () => void): () => void {
    this.#waiting.add(wake)
    return () => this.#waiting.delete(wake)
  }

  #deliverPendingAgain(): void {
    this.#again = [...this.#pending.values()]
    this.#againHead = 0
  }

  #forgetAgain(): void {
    this.#again = []
    this.#againHead = 0
  }

  #wake(): void {
    if (this.#waiting.size === 0) return
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const wake of waiting) wake()
  }
}
