/** What the checks see of a run: everything, at any moment, past every gate. */
import type { ChainState } from "../../adapters/simchain/ChainState.ts"
import type { MemoryStores } from "../../adapters/memory/MemoryStores.ts"
import type { RelayLogEntry } from "../../domain/ports/RelayLog.ts"
import type { Scenario } from "./Scenario.ts"

/** The invariants of the design, by number; S safety, L liveness. `fees`: nothing is paid for twice. `calm`: nothing went wrong, so nothing may be lost. */
export type InvariantId = "S1" | "S2" | "S3" | "S4" | "S5" | "S7" | "L1" | "L4" | "L5" | "fees" | "calm" | "progress"

/** A broken invariant. */
export interface Violation {
  readonly invariant: InvariantId
  readonly detail: string
  /** Virtual milliseconds from the start of the run. */
  readonly at: number
}

export interface RunView {
  readonly scenario: Scenario
  readonly stores: MemoryStores["Service"]
  /** Entries of each relayer's spool. */
  readonly spools: ReadonlyMap<string, ReadonlyMap<number, RelayLogEntry>>
  /** Addresses of the suppliers. */
  readonly suppliers: ReadonlyArray<string>
  /** Virtual milliseconds from the start of the run. */
  readonly now: () => number
  /** The same moment on the clock that the stores read. */
  readonly clock: () => number
  /** State after the last committed block. */
  readonly chain: () => ChainState
  /** Height that the replica's node shows. */
  readonly heightOf: (replica: string) => bigint
  /** Reports a broken invariant; the first one of a run counts. */
  readonly violate: (invariant: InvariantId, detail: string) => void
}
