/**
 * Values that change at block heights: the record kept for one parameter set, one service's price or one service's
 * difficulty. Entries are ascending by effective height, at most one for each height.
 */

/** From `effectiveHeight` (inclusive) until the next entry the value was `value`. */
export interface HistoryEntry<A> {
  readonly effectiveHeight: bigint
  readonly value: A
}

/** Ascending by effective height, without doubles. Empty until the first change. */
export type HeightHistory<A> = ReadonlyArray<HistoryEntry<A>>

/** The history of something that has never changed. */
export const empty: HeightHistory<never> = []

/**
 * Value of the entry with the greatest effective height ≤ `height`, `undefined` when there is none (the live value
 * applies then). Logarithmic in the number of entries. Source: poktroll `x/shared/keeper/params.go`, GetParamsAtHeight.
 */
export const entryAt = <A>(history: HeightHistory<A>, height: bigint): HistoryEntry<A> | undefined => {
  let low = 0
  let high = history.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const entry = history[middle]
    if (entry !== undefined && entry.effectiveHeight <= height) low = middle + 1
    else high = middle
  }
  return history[low - 1]
}

/** Value in force at `height`; `live` where the history does not reach. */
export const valueAt = <A>(history: HeightHistory<A>, height: bigint, live: A): A => {
  const entry = entryAt(history, height)
  return entry === undefined ? live : entry.value
}

/** A history that also has `value` from `effectiveHeight` on; replaces an entry of the same height. */
export const withEntry = <A>(history: HeightHistory<A>, effectiveHeight: bigint, value: A): HeightHistory<A> => [
  ...history.filter((entry) => entry.effectiveHeight < effectiveHeight),
  { effectiveHeight, value },
  ...history.filter((entry) => entry.effectiveHeight > effectiveHeight)
]

/**
 * Records that a value changes to `next` at `effectiveHeight`. The first change also records that it was `previous`
 * since `since`, so that earlier heights keep their value once the live one is overwritten.
 */
export const recordChange = <A>(
  history: HeightHistory<A>,
  change: { readonly since: bigint; readonly previous: A; readonly effectiveHeight: bigint; readonly next: A }
): HeightHistory<A> =>
  withEntry(
    history.length === 0 ? withEntry(history, change.since, change.previous) : history,
    change.effectiveHeight,
    change.next
  )
