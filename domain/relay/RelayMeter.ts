/**
 * Charges relays against the application's claimable share. This replica takes chunks from the shared store and spends
 * them locally, so that most relays cost no round trip; what it holds unspent is given back when the session is over
 * and at the drain. Charged cost never exceeds the limit; a crash loses at most the chunks held here.
 */
import { Clock, Context, Duration, Effect, Layer, Semaphore } from "effect"
import { meterName } from "../meter/MeterCleanup.ts"
import type { MeterUnit } from "../meter/MeterUnit.ts"
import { consumptionLimit } from "../meter/RelayCost.ts"
import { fillGauge } from "../observability/FillGauge.ts"
import type { ChainUnavailable } from "../ports/Blocks.ts"
import { type MeterKey, MeterStore, MeterUnavailable } from "../ports/MeterStore.ts"
import { SessionId, SupplierAddress } from "../protocol/Identifiers.ts"
import { EndedMeters } from "./EndedMeters.ts"
import { relayMetrics } from "./RelayMetrics.ts"
import { RelayPolicyRef } from "./RelayPolicy.ts"
import { SessionDirectory, type SessionFacts } from "./SessionDirectory.ts"

/** Relays of the largest chunk: at 1 000 relays per second one take every 64 ms. */
const MAX_CHUNK_RELAYS = 64n
/** A chunk is at most this part of the limit, so that a few replicas do not hold a small share among themselves. */
const LIMIT_PARTS = 32n
/** How long "nothing left" is believed before the store is asked again. */
const EXHAUSTED_MILLIS = 1_000
/** How long a store that did not answer is left alone: relays behind one another would each wait for it otherwise. */
const AWAY_MILLIS = 1_000
/** Allowances held at most; one for each session and supplier served. Beyond it an idle one is given back early. */
const ALLOWANCE_CAPACITY = 50_000
/** Counters remembered at most until they are dropped; beyond it the store's expiry takes the oldest. */
const ENDED_CAPACITY = 100_000
/** Longest wait for a give-back or a drop. */
const STORE_WAIT = Duration.seconds(2)
/** Give-backs at a time while the process drains. */
const DRAIN_CONCURRENCY = 16

/** What this replica holds of one session's share. */
interface Allowance {
  readonly key: MeterKey
  readonly unit: MeterUnit
  readonly lock: Semaphore.Semaphore
  readonly graceEnd: bigint
  /** Relays paid for and not spent. */
  available: number
  /** Relays spent whose outcome is not known yet. */
  outstanding: number
  /** Milliseconds of Effect's clock until which the store is not asked. */
  exhaustedUntil: number
  awayUntil: number
  /** uPOKT, as last computed. */
  limit: bigint | undefined
}

/** One relay's charge, to be ended by exactly one of the two. */
export interface Reservation {
  /** The relay was answered: the charge stays. */
  readonly keep: () => void
  /** The relay was not answered after all. */
  readonly release: () => void
}

/** Reservation of a relay that is not charged. */
export const uncharged: Reservation = { keep: () => {}, release: () => {} }

/** Law: what this replica took of a counter is spent, held, or given back at most once; waits for give-backs are bounded. */
export class RelayMeter extends Context.Service<
  RelayMeter,
  {
    /** Takes one relay's cost, or none when the share is consumed. */
    readonly reserve: (
      facts: SessionFacts,
      supplier: string
    ) => Effect.Effect<Reservation | undefined, MeterUnavailable | ChainUnavailable>
    /**
     * Gives back what is held for sessions whose grace ended below `height`, also what is released later, and drops the
     * store's counters long after that. What a store that is away leaves undone is done at a later block.
     */
    readonly settle: (height: bigint) => Effect.Effect<void>
    /** Gives back what is held and unspent of the counter, by its `meterName`; nothing for one not held. */
    readonly release: (name: string) => Effect.Effect<void>
    /** Gives back everything held and unspent. */
    readonly drain: Effect.Effect<void>
  }
>()("relaymill/domain/relay/RelayMeter") {
  static readonly layer = Layer.effect(
    RelayMeter,
    Effect.gen(function* () {
      const store = yield* MeterStore
      const directory = yield* SessionDirectory
      const { meter } = yield* RelayPolicyRef
      const metrics = yield* relayMetrics
      const held = new Map<string, Allowance>()
      yield* fillGauge(
        "ha_relayer_relay_meter_sessions_active",
        "Sessions and suppliers for which this relayer holds a meter allowance",
        () => held.size
      )
      const ended = new EndedMeters(ENDED_CAPACITY)
      yield* fillGauge(
        "ha_relayer_relay_meter_sessions_ended",
        "Sessions and suppliers served no more whose meter counters are to be dropped",
        () => ended.size
      )

      const allowanceOf = (facts: SessionFacts, unit: MeterUnit, supplier: string): Allowance => {
        const session = facts.header.sessionId
        const name = meterName(session, supplier)
        let allowance = held.get(name)
        if (allowance === undefined) {
          allowance = {
            key: { session: SessionId.make(session), supplier: SupplierAddress.make(supplier) },
            unit,
            lock: Semaphore.makeUnsafe(1),
            graceEnd: facts.graceEnd,
            available: 0,
            outstanding: 0,
            exhaustedUntil: 0,
            awayUntil: 0,
            limit: undefined
          }
          held.set(name, allowance)
        }
        return allowance
      }

      /** The limit as the chain has it now; the one known before while the chain cannot be read. */
      const limitOf = (allowance: Allowance, facts: SessionFacts) =>
        directory.share(facts).pipe(
          Effect.map(
            ({ stake, share }) =>
              (allowance.limit = consumptionLimit(
                stake,
                share,
                meter.factors.get(facts.header.serviceId) ?? meter.defaultFactor
              ))
          ),
          Effect.catch((unread) =>
            allowance.limit === undefined ? Effect.fail(unread) : Effect.succeed(allowance.limit)
          )
        )

      /** Asks the store for a chunk and adds what it gives. Not interruptible: a chunk taken is a chunk held. */
      const take = (allowance: Allowance, limit: bigint, now: number, sessionEnd: bigint) => {
        const { upokt, relays } = allowance.unit
        const part = (limit / upokt / LIMIT_PARTS) * BigInt(relays)
        const wantedRelays = part > MAX_CHUNK_RELAYS ? MAX_CHUNK_RELAYS : part
        const units = wantedRelays / BigInt(relays)
        return store
          .take({
            key: allowance.key,
            unit: upokt,
            wanted: upokt * (units < 1n ? 1n : units),
            limit,
            sessionEnd
          })
          .pipe(
            Effect.map((taken) => void (allowance.available += Number(taken / upokt) * relays)),
            Effect.tapError(() => Effect.sync(() => void (allowance.awayUntil = now + AWAY_MILLIS))),
            Effect.uninterruptible
          )
      }

      const spend = (allowance: Allowance, service: string): Reservation => {
        metrics.metered(service, "within_limit")
        allowance.available--
        allowance.outstanding++
        return {
          keep: () => void allowance.outstanding--,
          release: () => {
            allowance.outstanding--
            allowance.available++
          }
        }
      }

      /** One taker for each allowance: those behind it find the chunk it brought, or why there is none. */
      const refill = Effect.fnUntraced(function* (allowance: Allowance, facts: SessionFacts) {
        if (allowance.available > 0) return spend(allowance, facts.header.serviceId)
        const now = yield* Clock.currentTimeMillis
        if (now < allowance.awayUntil) return yield* storeIsAway
        if (now >= allowance.exhaustedUntil) {
          yield* take(allowance, yield* limitOf(allowance, facts), now, facts.header.sessionEndBlockHeight)
          if (allowance.available > 0) return spend(allowance, facts.header.serviceId)
          allowance.exhaustedUntil = now + EXHAUSTED_MILLIS
        }
        metrics.metered(facts.header.serviceId, "over_limit")
        return undefined
      })

      /** Returns false when the store did not confirm. */
      const giveBack = (allowance: Allowance) =>
        Effect.suspend(() => {
          const units = wholeUnits(allowance)
          if (units === 0) return Effect.succeed(true)
          const amount = BigInt(units) * allowance.unit.upokt
          allowance.available -= units * allowance.unit.relays
          const givenBack = Effect.timeout(store.giveBack(allowance.key, amount), STORE_WAIT)
          return Effect.catch(Effect.as(givenBack, true), () =>
            // Not confirmed, so it may have been given back: trying again could give it back twice, and more than the
            // limit would be served. Keeping it out charges too much instead.
            Effect.logWarning("meter allowance was not given back").pipe(
              Effect.annotateLogs({ session: allowance.key.session, supplier: allowance.key.supplier, upokt: amount }),
              Effect.as(false)
            )
          )
        })

      const forget = (name: string, allowance: Allowance) => {
        if (held.get(name) === allowance) held.delete(name)
        ended.add(name, allowance.key, allowance.graceEnd)
      }

      /** Gives back and forgets the oldest idle allowance. */
      const makeRoom = Effect.suspend(() => {
        if (held.size <= ALLOWANCE_CAPACITY) return Effect.void
        for (const [name, allowance] of held) {
          if (allowance.outstanding > 0) continue
          forget(name, allowance)
          return giveBack(allowance)
        }
        return Effect.void
      })

      /** Of sessions that ended; returns false when the store is away. */
      const giveBackEnded = Effect.fnUntraced(function* (height: bigint) {
        for (const [name, allowance] of held) {
          if (allowance.graceEnd >= height) continue
          const isConfirmed = yield* giveBack(allowance)
          // What is still outstanding may be released and is given back at a later block.
          if (allowance.outstanding === 0 && wholeUnits(allowance) === 0) forget(name, allowance)
          if (!isConfirmed) return false
        }
        return true
      })

      const dropEnded = Effect.fnUntraced(function* (height: bigint) {
        for (const [name, key] of ended.due(height)) {
          if (held.has(name)) continue
          yield* Effect.timeout(store.drop(key), STORE_WAIT)
          ended.delete(name)
        }
      })

      return RelayMeter.of({
        reserve: (facts, supplier) =>
          Effect.suspend(() => {
            const { unit } = facts
            if (!meter.enabled || unit === undefined) return Effect.succeed(uncharged)
            const allowance = allowanceOf(facts, unit, supplier)
            if (allowance.available > 0) return Effect.succeed(spend(allowance, facts.header.serviceId))
            // Held meanwhile: a chunk that comes in is not to be forgotten with a session that ended while it was asked
            // for, nor with an allowance that makes room.
            return Effect.acquireUseRelease(
              Effect.sync(() => void allowance.outstanding++),
              () => Effect.andThen(makeRoom, allowance.lock.withPermits(1)(refill(allowance, facts))),
              () => Effect.sync(() => void allowance.outstanding--)
            )
          }),
        settle: Effect.fnUntraced(function* (height) {
          if (!(yield* giveBackEnded(height))) return
          yield* Effect.catch(dropEnded(height), (cause) => Effect.logDebug("meter counter was not dropped", cause))
        }),
        release: (name) =>
          Effect.suspend(() => {
            const allowance = held.get(name)
            return allowance === undefined ? Effect.void : Effect.asVoid(giveBack(allowance))
          }),
        drain: Effect.suspend(() =>
          Effect.forEach([...held.values()], giveBack, { concurrency: DRAIN_CONCURRENCY, discard: true })
        )
      })
    })
  )
}

/** Units held that are not begun. */
const wholeUnits = ({ available, unit }: Allowance): number => Math.floor(available / unit.relays)

const storeIsAway = Effect.fail(
  new MeterUnavailable({ operation: "take", cause: new Error("it did not answer a moment ago") })
)
