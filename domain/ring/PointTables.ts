/**
 * Decides which points deserve a table of multiples: those of signers whose signatures have passed again and again.
 *
 * A table costs memory and milliseconds, and the key image is chosen by the caller, so nothing is built for a point before it
 * was part of `promoteAfter` valid signatures. Builds advance one step for each valid signature and never pause a caller for long.
 * A full set gives up a table only when that was idle for `idlePasses` valid signatures, so a crowd of signers cannot make it
 * rebuild for ever.
 */
import { bytesToText } from "../wire/ByteText.ts"

/** Limits of one set of tables. */
export interface PointTableLimits {
  /** Most tables held, the one being built included. 0 builds none. */
  readonly capacity: number
  /** Valid signatures before a point gets its table. */
  readonly promoteAfter: number
  /** Valid signatures without a point before its table may go. */
  readonly idlePasses: number
}

/** A bounded set of tables for points, by their 33 bytes. */
export interface PointTables<T> {
  /** The finished table of a point, if it has one. */
  readonly get: (point: Uint8Array) => T | undefined
  /** Counts a valid signature with these points and may do one step of one build. */
  readonly passed: (points: ReadonlyArray<Uint8Array>) => void
  /** Tables held, finished or not. */
  readonly size: () => number
  readonly limits: PointTableLimits
}

/** Points counted before they have a table, for each table: enough to see the frequent ones among many. */
const CANDIDATES_PER_TABLE = 16

interface Held<T> {
  table: T | undefined
  lastPass: number
}

/** An empty set. `build` yields between steps of about a millisecond and returns the table. */
export const makePointTables = <T>(
  limits: PointTableLimits,
  build: (point: Uint8Array) => Iterator<void, T>
): PointTables<T> => {
  const held = new Map<string, Held<T>>()
  const candidates = new Map<string, number>()
  let building: { readonly entry: Held<T>; readonly steps: Iterator<void, T> } | undefined
  let pass = 0

  const makeRoom = (): boolean => {
    if (held.size < limits.capacity) return true
    for (const [key, { lastPass, table }] of held) {
      if (table !== undefined && pass - lastPass > limits.idlePasses) return held.delete(key)
    }
    return false
  }

  const promote = (key: string, point: Uint8Array): void => {
    const passes = (candidates.get(key) ?? 0) + 1
    candidates.delete(key)
    if (passes >= limits.promoteAfter && building === undefined && makeRoom()) {
      const entry: Held<T> = { table: undefined, lastPass: pass }
      held.set(key, entry)
      building = { entry, steps: build(point) }
      return
    }
    if (candidates.size >= limits.capacity * CANDIDATES_PER_TABLE) {
      const oldest = candidates.keys().next()
      if (!oldest.done) candidates.delete(oldest.value)
    }
    candidates.set(key, passes)
  }

  return {
    limits,
    size: () => held.size,
    get: (point) => held.get(bytesToText(point))?.table,
    passed: (points) => {
      if (limits.capacity <= 0) return
      pass++
      for (const point of points) {
        const key = bytesToText(point)
        const entry = held.get(key)
        if (entry === undefined) promote(key, point)
        else entry.lastPass = pass
      }
      const step = building?.steps.next()
      if (building !== undefined && step?.done === true) {
        building.entry.table = step.value
        building = undefined
      }
    }
  }
}
