/**
 * States of suppliers in the shared cache: relayers read them, miners write them. A state that was read stays in force
 * while Redis is away; without one nothing is known, which is not the same as not staked.
 */
import { Clock, Context, Duration, Effect, Layer, Metric, Option, Result } from "effect"
import { fillGauge } from "../observability/FillGauge.ts"
import { Blocks } from "../ports/Blocks.ts"
import { Broadcast } from "../ports/Broadcast.ts"
import { ChainQuery } from "../ports/ChainQuery.ts"
import { SharedCache, type SharedCacheUnavailable } from "../ports/SharedCache.ts"
import type { SupplierAddress } from "../protocol/Identifiers.ts"
import { typeMetrics } from "./CacheMetrics.ts"
import { names } from "./CacheNames.ts"
import { readFresh } from "./FreshRead.ts"
import { encodeInvalidation } from "./Invalidation.ts"
import { makeKeptLookups, type Ticket } from "./KeptLookups.ts"
import { listenForInvalidations, oneOrAll } from "./ListenForInvalidations.ts"
import type { KnownState } from "./SupplierGate.ts"
import { decodeSupplierState, encodeSupplierState, type SupplierState, supplierState } from "./SupplierState.ts"

const CAPACITY = 10_000
const STATE_MILLIS = Duration.toMillis("60 seconds")
const ABSENT_MILLIS = Duration.toMillis("5 seconds")
const UNAVAILABLE_MILLIS = 250
/** How long a state stays in force that Redis does not confirm: unbonding takes longer on any chain. */
const STALE_MILLIS = Duration.toMillis("10 minutes")
/** A reader does not wait longer for Redis: nothing is known then. */
const REPLY_LIMIT = Duration.millis(250)
/** Suppliers read at once at the start. */
const WARM_CONCURRENCY = 16

const UNKNOWN: KnownState = { _tag: "Unknown" }

/** What was read last of a supplier. */
interface Latest {
  readonly known: KnownState
  /** Milliseconds of Effect's clock until which it is in force. */
  readonly until: number
}

const skipped = Metric.counter("ha_miner_supplier_cache_write_skipped_total", {
  description: "Supplier states not written: chain_query_error, unreliable_boot_snapshot, no_active_service",
  incremental: true
})

/** Reading never fails; writing does, and may be repeated. */
export class SupplierStates extends Context.Service<
  SupplierStates,
  {
    /** What is known of the supplier, at most a minute old while Redis answers, and at once after a change. */
    readonly state: (supplier: SupplierAddress) => Effect.Effect<KnownState>
    /**
     * What was read of the supplier last, if that is not too old to be in force: no I/O, and no look-up either.
     * `now` in milliseconds of Effect's clock.
     */
    readonly latest: (supplier: SupplierAddress, now: number) => KnownState
    /** Reads the states of these suppliers, so that the first relays need not wait. */
    readonly warm: (suppliers: ReadonlyArray<SupplierAddress>) => Effect.Effect<void>
    /** Writes a state without end and tells all relayers. A contaminated one is a defect. */
    readonly write: (state: SupplierState) => Effect.Effect<void, SharedCacheUnavailable>
    /** Removes a state, for a supplier that no replica serves any more, and tells all relayers. */
    readonly remove: (supplier: SupplierAddress) => Effect.Effect<void, SharedCacheUnavailable>
    /**
     * Reads the supplier from the chain, past the caches, and writes its state; none when nothing was written, because
     * the chain did not answer or its answer cannot be true for long. `isHeld`: this fleet has its key and keeps it.
     */
    readonly publish: (
      supplier: SupplierAddress,
      by: { readonly isHeld: boolean; readonly replica: string }
    ) => Effect.Effect<Option.Option<SupplierState>, SharedCacheUnavailable>
  }
>()("relaymill/domain/cache/SupplierStates") {
  /** Over the shared cache of the context; listens until its scope ends. */
  static readonly layer = Layer.effect(
    SupplierStates,
    Effect.gen(function* () {
      const cache = yield* SharedCache
      const broadcast = yield* Broadcast
      const chain = yield* ChainQuery
      const blocks = yield* Blocks
      const metrics = yield* typeMetrics("supplier_state")

      const latest = new Map<string, Latest>()
      const keepLatest = (supplier: string, known: KnownState, now: number) => {
        latest.delete(supplier)
        const read: Latest = { known, until: now + STATE_MILLIS + STALE_MILLIS }
        latest.set(supplier, read)
        if (latest.size <= CAPACITY) return
        for (const oldest of latest.keys()) {
          latest.delete(oldest)
          break
        }
      }

      const read = Effect.fnUntraced(function* (supplier: string, ticket: Ticket) {
        metrics.missed("l1")
        const started = yield* Clock.monotonicTimeNanos
        const found = yield* Effect.timeout(cache.get(names.supplierState(supplier)), REPLY_LIMIT)
        metrics.took("l2", Number((yield* Clock.monotonicTimeNanos) - started) / 1e9)
        const state = Option.flatMap(found, (bytes) => decodeSupplierState(utf8(bytes), supplier))
        if (Option.isSome(found) && Option.isNone(state)) metrics.contaminated()
        metrics[Option.isSome(state) ? "hit" : "missed"]("l2")
        const known = Option.match(state, {
          onNone: (): KnownState => ({ _tag: "Absent" }),
          onSome: (present): KnownState => ({ _tag: "State", state: present })
        })
        if (ticket.isCurrent()) keepLatest(supplier, known, yield* Clock.currentTimeMillis)
        return known
      })
      const states = yield* makeKeptLookups(read, {
        capacity: CAPACITY,
        success: ({ _tag }) => (_tag === "State" ? STATE_MILLIS : ABSENT_MILLIS),
        failure: () => UNAVAILABLE_MILLIS,
        stale: STALE_MILLIS
      })
      yield* fillGauge(
        "ha_cache_entries",
        "Entries kept in this process, by kind",
        () => Math.max(states.size(), latest.size),
        {
          cache_type: "supplier_state"
        }
      )
      yield* listenForInvalidations([
        oneOrAll(names.invalidations("supplier"), "operator_address", {
          metrics,
          // In use: read again at once, so that no relay waits for it.
          invalidate: (supplier) =>
            Effect.flatMap(states.invalidate(supplier), (wasKept) =>
              wasKept ? Effect.ignore(states.get(supplier)) : Effect.void
            ),
          clear: states.clear
        })
      ])

      const state = (supplier: SupplierAddress): Effect.Effect<KnownState> =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          const known = states.peek(supplier, now)
          if (known !== undefined) {
            metrics.hit("l1")
            return Effect.succeed(known)
          }
          return Effect.orElseSucceed(states.get(supplier), () => UNKNOWN)
        })

      const tell = (supplier: string) =>
        Effect.ignore(
          // A lost message costs relayers the rest of a minute.
          broadcast.publish(
            names.invalidations("supplier"),
            encodeInvalidation("operator_address", Option.some(supplier))
          )
        )

      const write = Effect.fnUntraced(function* (written: SupplierState) {
        const bytes = new TextEncoder().encode(encodeSupplierState(written))
        yield* cache.set(names.supplierState(written.operatorAddress), bytes, Duration.infinity)
        yield* tell(written.operatorAddress)
      })

      const skip = (reason: string) =>
        Effect.as(Metric.update(Metric.withAttributes(skipped, { reason }), 1), Option.none<SupplierState>())

      return SupplierStates.of({
        state,
        latest: (supplier, now) => {
          const found = latest.get(supplier)
          return found === undefined || found.until <= now ? UNKNOWN : found.known
        },
        warm: (suppliers) => Effect.forEach(suppliers, state, { concurrency: WARM_CONCURRENCY, discard: true }),
        write,
        remove: (supplier) => Effect.andThen(cache.remove(names.supplierState(supplier)), tell(supplier)),
        publish: Effect.fnUntraced(function* (supplier, { isHeld, replica }) {
          const facts = yield* Effect.option(
            Effect.all({ record: readFresh(chain.supplier(supplier)), params: chain.sharedParams })
          )
          if (Option.isNone(facts)) return yield* skip("chain_query_error")
          const height = Option.map(yield* Effect.option(blocks.latest), (block) => block.height)
          const nowSeconds = Math.floor((yield* Clock.currentTimeMillis) / 1_000)
          const computed = supplierState({ ...facts.value, supplier, height, isHeld, nowSeconds, replica })
          if (Result.isFailure(computed)) return yield* skip(computed.failure.reason)
          yield* write(computed.success)
          return Option.some(computed.success)
        })
      })
    })
  )
}

const utf8 = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
