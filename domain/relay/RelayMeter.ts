/**
 * Charges relays against the application's claimable share. This replica takes chunks from the shared store and spends
 * them locally, so that most relays cost no round trip; what it holds unspent is given back when the session is over
 * and at the drain. Charged cost never exceeds the limit; a crash loses at most the chunks held here.
 */
import { Clock, Context, Effect, Layer, Metric, Semaphore } from "effect"
import { consumptionLimit } from "../meter/RelayCost.ts"
import type { ChainUnavailable } from "../ports/Blocks.ts"
import { type MeterKey, MeterStore, type MeterUnavailable } from "../ports/MeterStore.ts"
import { SessionId, SupplierAddress } from "../protocol/Identifiers.ts"
import { RelayPolicyRef } from "./RelayPolicy.ts"
import { SessionDirectory, type SessionFacts } from "./SessionDirectory.ts"

/** Relays of the largest chunk: at 1 000 relays per second one take every 64 ms. */
const MAX_CHUNK_RELAYS = 64n
/** A chunk is at most this part of the limit, so that a few replicas do not hold a small share among themselves. */
const LIMIT_PARTS = 32n
/** How long "nothing left" is believed before the store is asked again. */
const EXHAUSTED_MILLIS = 1_000

const allowances = Metric.gauge("ha_relayer_relay_meter_sessions_active", {
  description: "Sessions for which this relayer holds a meter allowance"
})

/** What this replica holds of one session's share, in uPOKT. */
interface Allowance {
  readonly key: MeterKey
  readonly lock: Semaphore.Semaphore
  readonly graceEnd: bigint
  available: bigint
  exhaustedUntil: number
}

/** A relay's charge. `release` gives it back; keeping it is the charge. */
export interface Reservation {
  readonly amount: bigint
  readonly release: Effect.Effect<void>
}

/** Reservation of a relay that is not charged. */
const free: Reservation = { amount: 0n, release: Effect.void }

export class RelayMeter extends Context.Service<
  RelayMeter,
  {
    /** Takes one relay's cost, or none when the share is consumed. */
    readonly reserve: (
      facts: SessionFacts,
      supplier: string
    ) => Effect.Effect<Reservation | undefined, MeterUnavailable | ChainUnavailable>
    /** Gives back what is held for sessions whose grace ended below `height`; failures are tried again next time. */
    readonly settle: (height: bigint) => Effect.Effect<void>
    /** Gives back everything held. */
    readonly drain: Effect.Effect<void>
  }
>()("relaymill/domain/relay/RelayMeter") {
  static readonly layer = Layer.effect(
    RelayMeter,
    Effect.gen(function* () {
      const store = yield* MeterStore
      const directory = yield* SessionDirectory
      const { meter } = yield* RelayPolicyRef
      const held = new Map<string, Allowance>()

      const allowanceOf = (facts: SessionFacts, supplier: string): Allowance => {
        const session = facts.session.header.sessionId
        const name = `${session}|${supplier}`
        let allowance = held.get(name)
        if (allowance === undefined) {
          allowance = {
            key: { session: SessionId.make(session), supplier: SupplierAddress.make(supplier) },
            lock: Semaphore.makeUnsafe(1),
            graceEnd: facts.graceEnd,
            available: 0n,
            exhaustedUntil: 0
          }
          held.set(name, allowance)
        }
        return allowance
      }

      const limitOf = (facts: SessionFacts) =>
        Effect.map(directory.share(facts), ({ stake, share }) =>
          consumptionLimit(stake, share, meter.factors.get(facts.session.header.serviceId) ?? meter.defaultFactor)
        )

      const spend = (allowance: Allowance, amount: bigint): Reservation => {
        allowance.available -= amount
        return { amount, release: Effect.sync(() => void (allowance.available += amount)) }
      }

      /** One taker for each allowance: those behind it find the chunk it brought. */
      const refill = Effect.fnUntraced(function* (allowance: Allowance, facts: SessionFacts) {
        if (allowance.available >= facts.cost) return spend(allowance, facts.cost)
        const now = yield* Clock.currentTimeMillis
        if (now < allowance.exhaustedUntil) return undefined
        const limit = yield* limitOf(facts)
        const relays = limit / facts.cost / LIMIT_PARTS
        const chunk = facts.cost * (relays < 1n ? 1n : relays > MAX_CHUNK_RELAYS ? MAX_CHUNK_RELAYS : relays)
        allowance.available += yield* store.take({
          key: allowance.key,
          unit: facts.cost,
          wanted: chunk,
          limit,
          sessionEnd: facts.session.header.sessionEndBlockHeight
        })
        if (allowance.available >= facts.cost) return spend(allowance, facts.cost)
        allowance.exhaustedUntil = now + EXHAUSTED_MILLIS
        return undefined
      })

      const giveBack = (allowance: Allowance) =>
        Effect.suspend(() => {
          const amount = allowance.available
          allowance.available = 0n
          return amount === 0n
            ? Effect.void
            : Effect.catch(store.giveBack(allowance.key, amount), () =>
                // Not confirmed: it may have been given back. Keeping it out errs on the side of charging too much.
                Effect.logWarning("meter allowance was not given back").pipe(
                  Effect.annotateLogs({
                    session: allowance.key.session,
                    supplier: allowance.key.supplier,
                    upokt: amount
                  })
                )
              )
        })

      return RelayMeter.of({
        reserve: (facts, supplier) =>
          Effect.suspend(() => {
            if (!meter.enabled || facts.cost === 0n) return Effect.succeed(free)
            const allowance = allowanceOf(facts, supplier)
            return allowance.available >= facts.cost
              ? Effect.succeed(spend(allowance, facts.cost))
              : allowance.lock.withPermits(1)(refill(allowance, facts))
          }),
        settle: Effect.fnUntraced(function* (height) {
          for (const [name, allowance] of held) {
            if (allowance.graceEnd < height) {
              yield* giveBack(allowance)
              held.delete(name)
            }
          }
          yield* Metric.update(allowances, held.size)
        }),
        drain: Effect.suspend(() => Effect.forEach([...held.values()], giveBack, { discard: true }))
      })
    })
  )
}
