/** Sessions that a Go miner has begun and not ended, as it left them: for ours to go on with. */
import { Context, type Effect, type Option } from "effect"
import type { SessionId, SupplierAddress } from "../protocol/Identifiers.ts"
import type { StoreUnavailable } from "./SupplierStore.ts"

/** One session of Go's. Its leaves are read through `SupplierStore`. */
export interface ForeignSession {
  readonly session: SessionId
  readonly service: string
  readonly application: string
  readonly startHeight: bigint
  readonly endHeight: bigint
  /** Root of its claim (48 bytes), if it was flushed: then no leaf may be added. */
  readonly sealedRoot: Option.Option<Uint8Array>
}

/** Reads only. */
export class GoSessions extends Context.Service<
  GoSessions,
  {
    /**
     * Sessions of the supplier that Go has not ended and of which nothing of ours is stored, ascending by id. Records that
     * cannot be read are left out and named in the log.
     */
    readonly unfinished: (supplier: SupplierAddress) => Effect.Effect<ReadonlyArray<ForeignSession>, StoreUnavailable>
  }
>()("relaymill/domain/ports/GoSessions") {}
