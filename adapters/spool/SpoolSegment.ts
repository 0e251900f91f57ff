/**
 * What is known in memory of one segment file: of each entry its id, place and session end, 24 bytes, never its relay.
 */
import type { Salt } from "./SpoolRecord.ts"

/** One entry's place in its segment's file. */
export interface Place {
  readonly id: number
  /** First byte of its record. */
  readonly from: number
  /** Bytes of its record. */
  readonly length: number
}

/** The entries of a segment in the order of their ids, with those removed marked. */
export class SpoolSegment {
  readonly path: string
  /** No id of its entries is below it, and those of earlier segments are. */
  readonly firstId: number
  readonly salt: Salt
  /** Bytes of the file that are known to be whole. */
  bytes: number
  /** Bytes of the records of entries that are kept. */
  liveBytes = 0
  /** Bytes that are not of entries and cannot be spared, once it was rewritten. */
  overhead = 0
  /** Entries kept. */
  live = 0
  #count = 0
  #ids = new Float64Array(CAPACITY)
  #from = new Uint32Array(CAPACITY)
  /** 0 once it is removed. */
  #length = new Uint32Array(CAPACITY)
  #ends = new BigInt64Array(CAPACITY)

  /** `bytes` are those of the file's header. */
  constructor(path: string, firstId: number, salt: Salt, bytes: number) {
    this.path = path
    this.firstId = firstId
    this.salt = salt
    this.bytes = bytes
  }

  /** Adds an entry; ids ascend. */
  add({ from, id, length }: Place, sessionEnd: bigint): void {
    if (this.#count === this.#ids.length) this.#grow()
    const at = this.#count++
    this.#ids[at] = id
    this.#from[at] = from
    this.#length[at] = length
    this.#ends[at] = sessionEnd
    this.live++
    this.liveBytes += length
  }

  /** Marks an entry as removed; its session end, or none if it is not kept. */
  remove(id: number): bigint | undefined {
    const at = this.#firstAbove(id) - 1
    if (this.#ids[at] !== id || this.#length[at] === 0) return undefined
    this.live--
    this.liveBytes -= this.#length[at] ?? 0
    this.#length[at] = 0
    return this.#ends[at]
  }

  /** Entries kept with an id above `after`, in their order. */
  *placesAfter(after: number): Generator<Place> {
    for (let at = this.#firstAbove(after); at < this.#count; at++) {
      const length = this.#length[at] ?? 0
      if (length > 0) yield { id: this.#ids[at] ?? 0, from: this.#from[at] ?? 0, length }
    }
  }

  /** Whether the entry lies in this segment's file, removed or not. */
  has(id: number): boolean {
    return this.#ids[this.#firstAbove(id) - 1] === id
  }

  /** The same segment with its entries kept one behind the other from byte `at` on, and nothing else. */
  packed(at: number): SpoolSegment {
    const packed = new SpoolSegment(this.path, this.firstId, this.salt, at)
    for (let n = 0; n < this.#count; n++) {
      const length = this.#length[n] ?? 0
      if (length === 0) continue
      packed.add({ id: this.#ids[n] ?? 0, from: packed.bytes, length }, this.#ends[n] ?? 0n)
      packed.bytes += length
    }
    return packed
  }

  /** Highest id ever added; 0 if there was none. */
  get lastId(): number {
    return this.#ids[this.#count - 1] ?? 0
  }

  /** Number of ids that are not above `id`. */
  #firstAbove(id: number): number {
    let low = 0
    let high = this.#count
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#ids[middle] ?? 0) <= id) low = middle + 1
      else high = middle
    }
    return low
  }

  #grow(): void {
    const capacity = this.#ids.length * 2
    this.#ids = resized(new Float64Array(capacity), this.#ids)
    this.#from = resized(new Uint32Array(capacity), this.#from)
    this.#length = resized(new Uint32Array(capacity), this.#length)
    this.#ends = resized(new BigInt64Array(capacity), this.#ends)
  }
}

/** Entries for which there is room at first. */
const CAPACITY = 64

const resized = <A extends { set(from: A): void }>(larger: A, from: A): A => {
  larger.set(from)
  return larger
}
