/**
 * Meter counters whose session this relayer serves no more, until they may be dropped. Another relayer's view of the chain
 * may lag; a counter dropped while it still serves would begin at nothing and let it charge beyond the limit.
 */
import type { MeterKey } from "../ports/MeterStore.ts"

/**
 * Blocks between the end of grace and the drop. By then a session's claim window is closed for long: a relayer that lags
 * further serves nothing that could be claimed.
 */
export const DROP_AFTER = 100n

interface Ended {
  readonly key: MeterKey
  readonly graceEnd: bigint
}

/** The counters, by `meterName`. Bounded; forgetting one early costs only the drop. */
export class EndedMeters {
  readonly #capacity: number
  readonly #ended = new Map<string, Ended>()

  /** At most `capacity` counters; the one added longest ago is left to the store's expiry beyond it. */
  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get size(): number {
    return this.#ended.size
  }

  /** Remembers a counter of a session whose grace ends at `graceEnd`. */
  add(name: string, key: MeterKey, graceEnd: bigint): void {
    this.#ended.delete(name)
    this.#ended.set(name, { key, graceEnd })
    if (this.#ended.size <= this.#capacity) return
    for (const oldest of this.#ended.keys()) {
      this.#ended.delete(oldest)
      return
    }
  }

  /** Counters that may be dropped at `height`. */
  *due(height: bigint): Generator<readonly [name: string, key: MeterKey]> {
    for (const [name, { key, graceEnd }] of this.#ended) if (height > graceEnd + DROP_AFTER) yield [name, key]
  }

  /** Forgets a counter that was dropped. */
  delete(name: string): void {
    this.#ended.delete(name)
  }
}
