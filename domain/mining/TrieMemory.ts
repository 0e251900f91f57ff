/** Memory that the tries of all suppliers of a process take, and how much of it each supplier may keep. */
import { Context } from "effect"

/** Bytes of nodes that all tries of a process together should not exceed. */
const BUDGET = 384 * 1024 * 1024

/** Counts what is in memory. What goes beyond its share leaves by the supplier's own hand, after its next batch. */
export class TrieMemory {
  readonly budget: number
  #total = 0
  #owners = 0

  constructor(budget: number) {
    this.budget = budget
  }

  /** Bytes counted. */
  get total(): number {
    return this.#total
  }

  /** An owner that had `before` bytes has `now`. */
  count(before: number, now: number): void {
    this.#total += now - before
    if (before === 0 && now > 0) this.#owners += 1
    if (before > 0 && now === 0) this.#owners -= 1
  }

  /** Bytes that one owner may keep: all it likes while the budget holds, then an equal part. */
  get share(): number {
    return this.#total <= this.budget ? Number.POSITIVE_INFINITY : this.budget / Math.max(1, this.#owners)
  }
}

/** The memory of this process. */
export const TrieMemoryRef: Context.Reference<TrieMemory> = Context.Reference("relaymill/domain/mining/TrieMemory", {
  defaultValue: () => new TrieMemory(BUDGET)
})
