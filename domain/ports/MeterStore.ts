/**
 * Consumption of an application's claimable share, shared by all relayers: one counter for each (session, supplier),
 * taken in chunks. Amounts are uPOKT.
 */
import { Context, type Effect, Schema } from "effect"
import type { SessionId, SupplierAddress } from "../protocol/Identifiers.ts"

/** One counter. */
export interface MeterKey {
  readonly session: SessionId
  readonly supplier: SupplierAddress
}

/** The meter store did not answer; whether the chunk was taken is unknown. */
export class MeterUnavailable extends Schema.TaggedError<MeterUnavailable>()("MeterUnavailable", {
  operation: Schema.Literals(["take", "giveBack", "consumed", "drop"]),
  cause: Schema.Defect()
}) {}

/** Laws: `consumed` ≤ limit at any time for a constant limit; give-backs never make it negative. */
export class MeterStore extends Context.Service<
  MeterStore,
  {
    /**
     * Takes up to `wanted` uPOKT, in whole multiples of `unit`, as far as the sum stays ≤ `limit`. Returns what was
     * taken, 0 when not even one unit fits. `wanted` is a multiple of `unit`. A `unit` of 0 takes 0.
     */
    readonly take: (request: {
      readonly key: MeterKey
      readonly unit: bigint
      readonly wanted: bigint
      readonly limit: bigint
      /**
       * Session end height, the same in all takes of a counter. A store whose counters expire derives their life from it:
       * none ends before its session can no longer be served. A store that makes room takes those that end first.
       */
      readonly sessionEnd: bigint
    }) => Effect.Effect<bigint, MeterUnavailable>
    /** Returns an unused amount. A counter that was dropped stays so. */
    readonly giveBack: (key: MeterKey, amount: bigint) => Effect.Effect<void, MeterUnavailable>
    /** Taken so far, chunks outstanding included. */
    readonly consumed: (key: MeterKey) => Effect.Effect<bigint, MeterUnavailable>
    /** Forgets the counter, when the session can no longer be served. */
    readonly drop: (key: MeterKey) => Effect.Effect<void, MeterUnavailable>
  }
>()("relaymill/domain/ports/MeterStore") {}
