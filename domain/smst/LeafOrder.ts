/** Order of the leaves of one batch: by path, ties in the order given. */

/** Number of leaves that one batch may have: index and 32 path bits share a 53-bit integer. */
export const MAX_BATCH = 1 << 20

/**
 * Indexes of the leaf encodings sorted by path, as a list. Equal paths keep their order. Sorting plain numbers is
 * about ten times faster than sorting with a comparison function.
 */
export const sortByPath = (encodings: ReadonlyArray<Uint8Array>): Array<number> => {
  const keys = new Float64Array(encodings.length)
  encodings.forEach((encoding, index) => {
    keys[index] = prefixOf(encoding) * MAX_BATCH + index
  })
  keys.sort()
  const order = Array.from(keys, (key) => key % MAX_BATCH)
  // Leaves whose first 32 bits agree are rare: put them in order by insertion.
  for (let i = 1; i < order.length; i++) {
    const index = order[i] ?? 0
    let at = i
    for (; at > 0; at--) {
      const before = order[at - 1] ?? 0
      if (comparePaths(encodings[before], encodings[index]) <= 0) break
      order[at] = before
    }
    order[at] = index
  }
  return order
}

const prefixOf = (encoding: Uint8Array): number =>
  (encoding[1] ?? 0) * 0x1000000 + (((encoding[2] ?? 0) << 16) | ((encoding[3] ?? 0) << 8) | (encoding[4] ?? 0))

const comparePaths = (a: Uint8Array | undefined, b: Uint8Array | undefined): number => {
  if (a === undefined || b === undefined) return 0
  for (let i = 1; i <= 32; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
