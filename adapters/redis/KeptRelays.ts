/**
 * The relays appended lately, to be appended once more when Redis turns out to be another server than before: what its
 * replica had not received is gone there. Bounded by age, entries and bytes; the oldest goes.
 */
import type { RedisArgument } from "./RedisLink.ts"

/** One appended entry. */
export interface KeptRelay {
  readonly supplier: string
  /** Fields and values of the stream entry. */
  readonly fields: ReadonlyArray<RedisArgument>
  readonly bytes: number
  /** Monotonic milliseconds of its last append. */
  at: number
}

/** How much is kept. */
export interface KeptBounds {
  readonly ageMillis: number
  readonly entries: number
  readonly bytes: number
}

/** Places at first; doubled when they are all taken. */
const FIRST_LENGTH = 1_024

/** Entries in the order of their appends. */
export class KeptRelays {
  readonly #bounds: KeptBounds
  /** A ring: `#first` is the oldest, `#size` of them in use. */
  #ring: Array<KeptRelay | undefined> = Array.from({ length: FIRST_LENGTH })
  #first = 0
  #size = 0
  #bytes = 0

  constructor(bounds: KeptBounds) {
    this.#bounds = bounds
  }

  /** Entries kept. */
  get size(): number {
    return this.#size
  }

  /** Bytes of their fields. */
  get bytes(): number {
    return this.#bytes
  }

  /**
   * Keeps an entry and drops what is beyond the bounds. `ages`: whether what is too old goes; not while the server that
   * has it may be another one than the server it was appended to.
   */
  add(entry: KeptRelay, ages: boolean): void {
    if (this.#size === this.#ring.length) this.#grow()
    this.#ring[(this.#first + this.#size) % this.#ring.length] = entry
    this.#size++
    this.#bytes += entry.bytes
    while (this.#size > this.#bounds.entries || this.#bytes > this.#bounds.bytes) this.#drop()
    if (ages) this.expire(entry.at)
  }

  /** Drops what was appended too long before `now`. */
  expire(now: number): void {
    for (;;) {
      const oldest = this.#ring[this.#first]
      if (this.#size === 0 || oldest === undefined || oldest.at >= now - this.#bounds.ageMillis) return
      this.#drop()
    }
  }

  /** All entries, oldest first. */
  all(): ReadonlyArray<KeptRelay> {
    const entries: Array<KeptRelay> = []
    for (let n = 0; n < this.#size; n++) {
      const entry = this.#ring[(this.#first + n) % this.#ring.length]
      if (entry !== undefined) entries.push(entry)
    }
    return entries
  }

  #drop(): void {
    const entry = this.#ring[this.#first]
    this.#ring[this.#first] = undefined
    this.#first = (this.#first + 1) % this.#ring.length
    this.#size--
    this.#bytes -= entry?.bytes ?? 0
  }

  #grow(): void {
    const entries = this.all()
    this.#ring = [...entries, ...Array.from<undefined>({ length: entries.length })]
    this.#first = 0
  }
}
