/** What a spool holds, by segment: counts, bytes and session ends, and where to read an entry. No relay is in here. */
import type { Place, SpoolSegment } from "./SpoolSegment.ts"

/** Places in one segment that are read together. */
export interface Reading {
  readonly segment: SpoolSegment
  readonly places: ReadonlyArray<Place>
}

/** All segments in the order of their ids; the last may still grow. */
export class SpoolIndex {
  #segments: Array<SpoolSegment> = []
  /** Entries kept by session end height: few heights, so the lowest is found without a look at the entries. */
  readonly #ends = new Map<bigint, number>()
  /** Entries kept. */
  entries = 0

  get segments(): ReadonlyArray<SpoolSegment> {
    return this.#segments
  }

  /** Bytes of all segment files; what was removed counts until its file is gone. */
  get bytes(): number {
    return this.#segments.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  get lowestSessionEnd(): bigint | undefined {
    let lowest: bigint | undefined
    for (const end of this.#ends.keys()) if (lowest === undefined || end < lowest) lowest = end
    return lowest
  }

  /** A new last segment, with ids above all before. */
  push(segment: SpoolSegment): void {
    this.#segments.push(segment)
  }

  /** Forgets a segment that keeps no entry. */
  drop(segment: SpoolSegment): void {
    this.#segments = this.#segments.filter((one) => one !== segment)
  }

  /** Puts a rewritten segment in the place of what it was made of; what was removed since is removed from it too. */
  replace(segment: SpoolSegment, rewritten: SpoolSegment): void {
    const kept = new Set(Array.from(segment.placesAfter(0), ({ id }) => id))
    for (const { id } of rewritten.placesAfter(0)) if (!kept.has(id)) rewritten.remove(id)
    this.#segments = this.#segments.map((one) => (one === segment ? rewritten : one))
  }

  /** Whether the entry lies in a file, removed or not. */
  has(id: number): boolean {
    return this.#segmentOf(id)?.has(id) ?? false
  }

  add(segment: SpoolSegment, place: Place, sessionEnd: bigint): void {
    segment.add(place, sessionEnd)
    this.entries++
    this.#ends.set(sessionEnd, (this.#ends.get(sessionEnd) ?? 0) + 1)
  }

  /** Whether the entry was kept. */
  remove(id: number): boolean {
    const sessionEnd = this.#segmentOf(id)?.remove(id)
    if (sessionEnd === undefined) return false
    this.entries--
    const left = (this.#ends.get(sessionEnd) ?? 0) - 1
    if (left > 0) this.#ends.set(sessionEnd, left)
    else this.#ends.delete(sessionEnd)
    return true
  }

  /** Where the oldest entries after an id are: at most `max`, of at most `bytes` unless it is a single one. */
  readings(max: number, after: number, bytes: number): ReadonlyArray<Reading> {
    const readings: Array<Reading> = []
    let [left, room] = [max, bytes]
    for (const segment of this.#segments) {
      if (segment.live === 0 || segment.lastId <= after) continue
      const places: Array<Place> = []
      for (const place of segment.placesAfter(after)) {
        if (left === 0 || (room < place.length && left < max)) {
          if (places.length > 0) readings.push({ segment, places })
          return readings
        }
        places.push(place)
        left--
        room -= place.length
      }
      readings.push({ segment, places })
    }
    return readings
  }

  /** The last segment whose first id is not above `id`. */
  #segmentOf(id: number): SpoolSegment | undefined {
    let low = 0
    let high = this.#segments.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#segments[middle]?.firstId ?? 0) <= id) low = middle + 1
      else high = middle
    }
    return this.#segments[low - 1]
  }
}
