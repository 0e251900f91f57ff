/** Cuts a list into runs that are bounded in number and in bytes: one turn of the event loop, one commit, one transaction. */

/** Bounds of one run. A single item above `bytes` is a run of its own. */
export interface SliceBounds {
  readonly items: number
  readonly bytes: number
}

/** Runs in order; none is empty. `bytesOf` says how much an item counts. */
export const slices = <A>(
  all: ReadonlyArray<A>,
  bounds: SliceBounds,
  bytesOf: (item: A) => number
): ReadonlyArray<ReadonlyArray<A>> => {
  const runs: Array<ReadonlyArray<A>> = []
  let run: Array<A> = []
  let bytes = 0
  for (const item of all) {
    const size = bytesOf(item)
    if (run.length > 0 && (run.length >= bounds.items || bytes + size > bounds.bytes)) {
      runs.push(run)
      run = []
      bytes = 0
    }
    run.push(item)
    bytes += size
  }
  if (run.length > 0) runs.push(run)
  return runs
}
