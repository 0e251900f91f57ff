/** What the figures have to reach, as data: each target with its value in this run and whether that holds. */
import type { DemoFigures } from "./DemoBench.ts"
import type { ProofFigures } from "./ProofBench.ts"
import type { RingFigures } from "./RingBench.ts"
import type { TrieFigures } from "./TrieBench.ts"

/** Figures of one run; what was left out or cannot be measured here is absent. */
export interface BenchFigures {
  readonly ring?: ReadonlyArray<RingFigures>
  readonly trie?: { readonly node: ReadonlyArray<TrieFigures>; readonly noble: ReadonlyArray<TrieFigures> }
  readonly proof?: ProofFigures
  readonly serve?: { readonly byUnavoidable: number }
  readonly demo?: DemoFigures
}

export interface Target {
  readonly target: string
  /** The value is at most (`most`) or below (`below`) the limit. */
  readonly is: "most" | "below"
  readonly limit: number
  readonly value: number
  readonly holds: boolean
}

/** Memory of a leaf may grow by this much from 10 000 to 100 000 leaves and still be called flat. */
const FLAT = 1.1

/** The targets whose figures are there. */
export const targetsOf = (figures: BenchFigures): ReadonlyArray<Target> => {
  const { demo, proof, ring = [], serve, trie } = figures
  const targets: Array<Target> = []
  const add = (target: string, is: Target["is"], limit: number, value: number | undefined) => {
    if (value === undefined || Number.isNaN(value)) return
    targets.push({ target, is, limit, value, holds: is === "most" ? value <= limit : value < limit })
  }
  for (const { fastByNoble, members } of ring) {
    add(`ring verification with ${members} members by noble without tables`, "most", 0.25, fastByNoble)
  }
  for (const hash of ["node", "noble"] as const) {
    const sizes = trie?.[hash] ?? []
    for (const { batchByBare, leaves } of sizes) {
      add(`trie of ${leaves} leaves, batch by bare hashing, ${hash}'s hash`, "most", 1.6, batchByBare)
    }
    add(`trie memory of a leaf, ten-fold growth, ${hash}'s hash`, "most", FLAT, memoryGrowth(sizes))
  }
  add("closest proof of 100 000 leaves by one insert", "most", 40, proof?.proofByInsert)
  add("ServeRelay by the unavoidable sum", "most", 1.5, serve?.byUnavoidable)
  add("start to first relay, seconds", "below", 3, demo?.firstRelaySeconds)
  add("idle resident memory, MB", "below", 200, demo?.idleMegabytes)
  return targets
}

/** Heap of a leaf at the largest session by that of the next smaller one; node memory where the heap was not measured. */
const memoryGrowth = (sizes: ReadonlyArray<TrieFigures>): number | undefined => {
  const [smaller, largest] = sizes.slice(-2)
  if (smaller === undefined || largest === undefined) return undefined
  return smaller.heapBytes > 0 ? largest.heapBytes / smaller.heapBytes : largest.nodeBytes / smaller.nodeBytes
}
