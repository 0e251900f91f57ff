/**
 * Charges relays against the application's claimable share. This replica takes chunks from the shared store and spends
 * them locally; the next is asked for before one is used up, so that a relay waits for the store only where a session
 * begins or its share ends. What is held unspent is given back when the session is over and at the drain. Charged cost
 * never exceeds the limit; a crash loses at most one chunk of each session and supplier.
 */
import { Clock, Context, Duration, Effect, Exit, Fiber, Layer, Option } from "effect"
import { ServiceFactors } from "../cache/ServiceFactors.ts"
import { meterName } from "../meter/MeterCleanup.ts"
import type { MeterUnit } from "../meter/MeterUnit.ts"
import { consumptionLimit } from "../meter/RelayCost.ts"
import { fillGauge } from "../observability/FillGauge.ts"
import type { ChainUnavailable } from "../ports/Blocks.ts"
import { MeterStore, MeterUnavailable } from "../ports/MeterStore.ts"
import type { Decimal } from "../protocol/Decimal.ts"
import { SessionId, SupplierAddress } from "../protocol/Identifiers.ts"
import { EndedMeters } from "./EndedMeters.ts"
import { type Allowance, allowanceFor, chunkRelays, isInUse, type Taking, wholeUnits } from "./MeterAllowance.ts"
import { relayMetrics } from "./RelayMetrics.ts"
import { RelayPolicyRef } from "./RelayPolicy.ts"
import { SessionDirectory, type SessionFacts } from "./SessionDirectory.ts"

/** Longest wait of a relay for a chunk; then `MeterUnavailable`, and the configuration says what becomes of it. */
const TAKE_WAIT_MILLIS = 250
/** After that wait, how long until an answer is given up: its chunk stays charged, as after a crash. */
const TAKE_LIFE = Duration.seconds(10)
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
    /** Takes one relay's cost from what is held, without an effect; none where `reserve` has more to do. */
    readonly reserveHeld: (facts: SessionFacts, supplier: string) => Reservation | undefined
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
      const published = yield* Effect.serviceOption(ServiceFactors)
      const metrics = yield* relayMetrics
      const held = new Map<string, Allowance>()
      const takes = new Set<Taking>()
      let isDraining = false
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
          allowance = allowanceFor(
            { session: SessionId.make(session), supplier: SupplierAddress.make(supplier) },
            unit,
            facts.graceEnd
          )
          held.set(name, allowance)
        }
        return allowance
      }

      /** What the miners' leader has published for the service, else what this relayer's policy says. */
      const factorOf = (service: string): Effect.Effect<Decimal | undefined> => {
        const own = meter.factors.get(service) ?? meter.defaultFactor
        return Option.match(published, {
          onNone: () => Effect.succeed(own),
          onSome: ({ factor }) =>
            Effect.match(factor(service), { onFailure: () => own, onSuccess: Option.getOrElse(() => own) })
        })
      }

      /** The limit as the chain has it now; the one known before while the chain cannot be read. */
      const limitOf = (allowance: Allowance, facts: SessionFacts) =>
        Effect.zipWith(
          directory.share(facts),
          factorOf(facts.header.serviceId),
          ({ stake, share }, factor) => (allowance.limit = consumptionLimit(stake, share, factor)),
          { concurrent: true }
        ).pipe(
          Effect.catch((unread) =>
            allowance.limit === undefined ? Effect.fail(unread) : Effect.succeed(allowance.limit)
          )
        )

      /** Fills up to one chunk beyond what is waited for, and adds what the store gives. */
      const take = Effect.fnUntraced(function* (allowance: Allowance, limit: bigint, sessionEnd: bigint) {
        const { upokt, relays } = allowance.unit
        const chunk = chunkRelays(limit, allowance.unit)
        allowance.low = Math.floor(chunk / 2)
        const units = Math.floor((chunk + allowance.waiting - allowance.available) / relays)
        const taken = yield* store.take({
          key: allowance.key,
          unit: upokt,
          wanted: upokt * BigInt(Math.max(1, units)),
          limit,
          sessionEnd
        })
        allowance.available += Number(taken / upokt) * relays
        allowance.awayUntil = 0
        if (taken === 0n) allowance.exhaustedUntil = (yield* Clock.currentTimeMillis) + EXHAUSTED_MILLIS
        // Came too late: others have taken since, or nobody is served any more.
        const surplus = isDraining ? allowance.available : allowance.available - chunk
        if (allowance.waiting === 0 && surplus > 0) yield* giveBack(allowance, Math.floor(surplus / relays))
      })

      /**
       * Begins a take. Detached: a chunk that is taken is held, whoever waited for it; after one that failed the store is
       * left alone for a while.
       */
      const startTake = Effect.fnUntraced(function* (allowance: Allowance, limit: bigint, facts: SessionFacts) {
        allowance.underWay++
        const taking: Taking = yield* Effect.forkDetach(
          take(allowance, limit, facts.header.sessionEndBlockHeight).pipe(
            Effect.tapError(() =>
              Effect.map(Clock.currentTimeMillis, (now) => void (allowance.awayUntil = now + AWAY_MILLIS))
            ),
            Effect.ensuring(Effect.sync(() => void allowance.underWay--))
          ),
          { startImmediately: true }
        )
        if (taking.pollUnsafe() !== undefined) return taking
        allowance.taking = taking
        takes.add(taking)
        taking.addObserver(() => {
          takes.delete(taking)
          if (allowance.taking === taking) allowance.taking = undefined
        })
        return taking
      })

      /** Nobody waits for it any longer; what it brings within its life is still held. */
      const giveUp = Effect.fnUntraced(function* (allowance: Allowance, taking: Taking) {
        allowance.awayUntil = (yield* Clock.currentTimeMillis) + AWAY_MILLIS
        if (allowance.taking !== taking) return
        allowance.taking = undefined
        yield* Effect.forkDetach(
          Effect.andThen(
            Effect.sleep(TAKE_LIFE),
            Effect.sync(() => taking.interruptUnsafe())
          )
        )
      })

      /** Asks for the next chunk before this one is used up. No relay waits for it, so what fails is told to none. */
      const prefetch = (allowance: Allowance, facts: SessionFacts) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          if (now < allowance.exhaustedUntil || now < allowance.awayUntil) return Effect.void
          allowance.isPrefetching = true
          return Effect.forkDetach(
            limitOf(allowance, facts).pipe(
              Effect.flatMap((limit) =>
                allowance.taking === undefined ? startTake(allowance, limit, facts) : Effect.void
              ),
              Effect.ignore,
              Effect.ensuring(Effect.sync(() => void (allowance.isPrefetching = false)))
            ),
            { startImmediately: true }
          )
        })

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

      /** One take for each allowance: those behind it find the chunk it brought, or why there is none. */
      const refill = Effect.fnUntraced(function* (allowance: Allowance, facts: SessionFacts) {
        let deadline: number | undefined
        while (true) {
          if (allowance.available > 0) return spend(allowance, facts.header.serviceId)
          const now = yield* Clock.currentTimeMillis
          if (now < allowance.awayUntil) return yield* storeIsAway
          if (now < allowance.exhaustedUntil) {
            metrics.metered(facts.header.serviceId, "over_limit")
            return undefined
          }
          // Not within the wait: the chain has its own, and nothing is charged without a limit.
          const limit = yield* limitOf(allowance, facts)
          if (allowance.available > 0) continue
          const taking = allowance.taking ?? (yield* startTake(allowance, limit, facts))
          const asked = yield* Clock.currentTimeMillis
          deadline ??= asked + TAKE_WAIT_MILLIS
          const ended =
            taking.pollUnsafe() ??
            Option.getOrUndefined(yield* Effect.timeoutOption(Fiber.await(taking), deadline - asked))
          if (ended === undefined) {
            yield* giveUp(allowance, taking)
            return yield* noAnswer
          }
          if (Exit.isFailure(ended)) return yield* Effect.failCause(ended.cause)
        }
      })

      /** Returns false when the store did not confirm. */
      const giveBack = (allowance: Allowance, atMost = Number.POSITIVE_INFINITY) =>
        Effect.suspend(() => {
          const units = Math.min(wholeUnits(allowance), atMost)
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
          if (isInUse(allowance)) continue
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
          // What is still outstanding may be released and is given back at a later block; so may a chunk come in.
          if (!isInUse(allowance) && wholeUnits(allowance) === 0) forget(name, allowance)
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

      const reserveHeld = (facts: SessionFacts, supplier: string): Reservation | undefined => {
        const { unit } = facts
        if (!meter.enabled || unit === undefined) return uncharged
        const allowance = allowanceOf(facts, unit, supplier)
        const isEnough =
          allowance.available - 1 > allowance.low ||
          (allowance.available > 0 && (allowance.isPrefetching || allowance.taking !== undefined || isDraining))
        return isEnough ? spend(allowance, facts.header.serviceId) : undefined
      }

      return RelayMeter.of({
        reserveHeld,
        reserve: (facts, supplier) =>
          Effect.suspend(() => {
            const held = reserveHeld(facts, supplier)
            if (held !== undefined || facts.unit === undefined) return Effect.succeed(held ?? uncharged)
            const allowance = allowanceOf(facts, facts.unit, supplier)
            if (allowance.available > 0) {
              const reservation = spend(allowance, facts.header.serviceId)
              return Effect.as(prefetch(allowance, facts), reservation)
            }
            // Held meanwhile: a chunk that comes in is not to be forgotten with a session that ended while it was asked
            // for, nor with an allowance that makes room.
            return Effect.acquireUseRelease(
              Effect.sync(() => {
                allowance.outstanding++
                allowance.waiting++
              }),
              () => Effect.andThen(makeRoom, refill(allowance, facts)),
              () =>
                Effect.sync(() => {
                  allowance.outstanding--
                  allowance.waiting--
                })
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
        drain: Effect.gen(function* () {
          isDraining = true
          // A chunk that comes in later than this is given back by itself, while this process still runs.
          yield* Effect.timeoutOption(Fiber.awaitAll([...takes]), STORE_WAIT)
          yield* Effect.forEach([...held.values()], (allowance) => giveBack(allowance), {
            concurrency: DRAIN_CONCURRENCY,
            discard: true
          })
        })
      })
    })
  )
}

const unavailable = (why: string) =>
  Effect.fail(new MeterUnavailable({ operation: "take", cause: new Error(`the meter store ${why}`) }))
const storeIsAway = unavailable("did not answer a moment ago")
const noAnswer = unavailable(`did not answer within ${TAKE_WAIT_MILLIS} ms`)
