/** The leaves of one batch as an insertion takes them: in memory, in the order of their paths, one for each path. */
import type { Sha256 } from "../crypto/Sha256.ts"
import { sortByPath } from "./LeafOrder.ts"
import { EMPTY, LEAF, type NodeArena } from "./NodeArena.ts"
import { PATH_BITS } from "./TrieSpec.ts"

/**
 * What became of one leaf of a batch. `added`: its path was new. `replaced`: its path held other data, which is now
 * gone. `duplicate`: its path held, or another leaf of the batch brings, the same data; nothing changed. `superseded`:
 * a later leaf of the same batch has the same path and other data.
 */
export type LeafOutcome = "added" | "replaced" | "duplicate" | "superseded"

/** Leaves by position in path order. `indexes` and `outcomes` refer to the input. */
export interface LeafBatch {
  readonly slots: Array<number>
  readonly indexes: Array<number>
  readonly outcomes: Array<LeafOutcome>
}

/** Slots for the leaves with these encodings; those that another leaf of the batch replaces get none. */
export const makeLeafBatch = (arena: NodeArena, encodings: ReadonlyArray<Uint8Array>, sha256: Sha256): LeafBatch => {
  const batch: LeafBatch = { slots: [], indexes: [], outcomes: encodings.map((): LeafOutcome => "added") }
  let last: number = EMPTY
  for (const index of sortByPath(encodings)) {
    const encoding = encodings[index]
    if (encoding === undefined) continue
    const slot = arena.allocate(LEAF)
    arena.setLeaf(slot, encoding, sha256(encoding))
    if (last !== EMPTY && arena.firstDifference(last, slot, 0) === PATH_BITS) {
      if (arena.digestsEqual(last, slot)) {
        batch.outcomes[index] = "duplicate"
        arena.release(slot)
        continue
      }
      batch.outcomes[batch.indexes.pop() ?? 0] = "superseded"
      batch.slots.pop()
      arena.release(last)
    }
    batch.slots.push(slot)
    batch.indexes.push(index)
    last = slot
  }
  return batch
}

/** First position in `from` to `to` whose path goes right at `depth`. */
export const firstToTheRight = (
  arena: NodeArena,
  { slots }: LeafBatch,
  depth: number,
  from: number,
  to: number
): number => {
  let low = from
  let high = to
  while (low < high) {
    const middle = (low + high) >>> 1
    if (arena.pathBit(slots[middle] ?? EMPTY, depth) === 0) low = middle + 1
    else high = middle
  }
  return low
}
