/**
 * What serving needs to know about sessions and suppliers, read from the chain once and kept: the first cache tier.
 * Facts of a session do not change while it can be served, so they are kept by (application, service, start). What the
 * chain does not know is kept for seconds, so that garbage is not looked up again and again.
 */
import { Context, Duration, Effect, Fiber, Layer, Option } from "effect"
import { makeKeptLookups } from "../cache/KeptLookups.ts"
import { type MeterUnit, meterUnit } from "../meter/MeterUnit.ts"
import { stakeShare } from "../meter/RelayCost.ts"
import { fillGauge } from "../observability/FillGauge.ts"
import { Blocks, type ChainUnavailable } from "../ports/Blocks.ts"
import { ChainQuery, type ServiceNotFound, SessionNotFound } from "../ports/ChainQuery.ts"
import { ApplicationAddress, ServiceId, SupplierAddress } from "../protocol/Identifiers.ts"
import { graceEnd } from "../session/SessionWindow.ts"
import { keepEncoding, type SessionHeader } from "./SessionHeader.ts"

/**
 * Sessions kept, about 2 KB each; a relayer of 100 applications and 10 services sees about 3 000 in an hour of short
 * ones.
 */
const SESSION_CAPACITY = 10_000
const SUPPLIER_CAPACITY = 10_000
/** How long a session's facts are kept: longer than any session and its grace can be served. */
const SESSION_MILLIS = Duration.toMillis("6 hours")
/** How long a supplier's record is trusted: a stake changes at session boundaries at the earliest. */
const SUPPLIER_MILLIS = Duration.toMillis("60 seconds")
/** How soon something that the chain does not know is looked up again. */
const ABSENT_MILLIS = Duration.toMillis("5 seconds")
/** How soon a chain that did not answer is asked again for the same thing. */
const UNAVAILABLE_MILLIS = 250
/** How soon the limit of a session is computed again: the application may add stake while it lasts. */
const LIMIT_MILLIS = Duration.toMillis("30 seconds")

/** Facts of one session, all of them as the chain has them for its start or end. */
export interface SessionFacts {
  readonly header: SessionHeader
  /** Operator addresses of the session's suppliers. */
  readonly suppliers: ReadonlySet<string>
  /** Last height at which relays of it are served. */
  readonly graceEnd: bigint
  readonly computeUnitsPerRelay: bigint
  /** 32-byte relay mining target at session start. */
  readonly target: Uint8Array
  /** What its relays cost at session start; none: they cost nothing. */
  readonly unit: MeterUnit | undefined
}

type FactsError = SessionNotFound | ServiceNotFound | ChainUnavailable

/** Facts by session and supplier. Failures are kept too: absence for 5 s, a chain that did not answer for 250 ms. */
export class SessionDirectory extends Context.Service<
  SessionDirectory,
  {
    /** Facts that are kept already, without I/O. `now` in milliseconds of Effect's clock. */
    readonly peek: (header: SessionHeader, now: number) => SessionFacts | undefined
    /**
     * Facts of the session that starts where the header says; the rest of the header is not compared here. A height at
     * which no session starts is `SessionNotFound`.
     */
    readonly facts: (header: SessionHeader) => Effect.Effect<SessionFacts, FactsError>
    /** Whether the supplier has a service config for the service on chain; unstaking suppliers still serve. */
    readonly isStaked: (supplier: SupplierAddress, service: string) => Effect.Effect<boolean, ChainUnavailable>
    /** A supplier's share of the application's stake in the session, uPOKT (`sessions.md` §9), and the stake itself. */
    readonly share: (
      facts: SessionFacts
    ) => Effect.Effect<{ readonly stake: bigint; readonly share: bigint }, ChainUnavailable>
  }
>()("relaymill/domain/relay/SessionDirectory") {
  static readonly layer = Layer.effect(
    SessionDirectory,
    Effect.gen(function* () {
      const chain = yield* ChainQuery
      const blocks = yield* Blocks

      const readFacts = Effect.fnUntraced(function* (key: string) {
        const [applicationText = "", serviceText = "", start = "0"] = key.split("|")
        const [application, service, height] = [
          ApplicationAddress.make(applicationText),
          ServiceId.make(serviceText),
          BigInt(start)
        ]
        const session = Effect.gen(function* () {
          const { header, suppliers } = yield* chain.session(application, service, height)
          if (header.sessionStartBlockHeight !== height) {
            return yield* new SessionNotFound({ application, service, height, reason: "malformed" })
          }
          const end = header.sessionEndBlockHeight
          return { header, suppliers, graceEnd: graceEnd(yield* chain.sharedParamsAt(end), end) }
        })
        const atStart = Effect.all(
          [
            chain.computeUnitsPerRelayAt(service, height),
            chain.difficultyTargetAt(service, height),
            chain.sharedParamsAt(height)
          ],
          { concurrency: "unbounded" }
        )
        // Beside each other; what is wrong with the session is told first.
        const reading = yield* Effect.forkChild(atStart, { startImmediately: true })
        const { header, suppliers, graceEnd: until } = yield* Effect.onError(session, () => Fiber.interrupt(reading))
        const [computeUnitsPerRelay, target, params] = yield* Fiber.join(reading)
        return {
          header: keepEncoding(header),
          suppliers: new Set(suppliers.map(({ operatorAddress }) => operatorAddress)),
          graceEnd: until,
          computeUnitsPerRelay,
          target,
          unit: meterUnit(computeUnitsPerRelay, params)
        } satisfies SessionFacts
      })

      const sessions = yield* makeKeptLookups<SessionFacts, FactsError>(readFacts, {
        capacity: SESSION_CAPACITY,
        success: () => SESSION_MILLIS,
        failure: (error) =>
          error._tag === "ChainUnavailable"
            ? UNAVAILABLE_MILLIS
            : // A height that is not committed yet may be at the next block.
              error._tag === "SessionNotFound" && error.reason === "future"
              ? 0
              : ABSENT_MILLIS
      })

      const suppliers = yield* makeKeptLookups((supplier: string) => chain.supplier(SupplierAddress.make(supplier)), {
        capacity: SUPPLIER_CAPACITY,
        success: (record) => (Option.isSome(record) ? SUPPLIER_MILLIS : ABSENT_MILLIS),
        failure: () => UNAVAILABLE_MILLIS
      })

      /**
       * Params are live while the session is active, those at its end afterwards; suppliers of a session likewise live.
       */
      const readShare = Effect.fnUntraced(function* (key: string) {
        const [application = "", endText = "0"] = key.split("|")
        const end = BigInt(endText)
        const { height } = yield* blocks.latest
        const [params, { numSuppliersPerSession }, record] = yield* Effect.all(
          [
            height <= end ? chain.sharedParams : chain.sharedParamsAt(end),
            chain.sessionParams,
            chain.application(ApplicationAddress.make(application))
          ],
          { concurrency: "unbounded" }
        )
        const stake = Option.match(record, { onNone: () => 0n, onSome: ({ stake }) => stake })
        return { stake, share: stakeShare(stake, numSuppliersPerSession, params) }
      })

      const shares = yield* makeKeptLookups(readShare, {
        capacity: SESSION_CAPACITY,
        success: () => LIMIT_MILLIS,
        failure: () => UNAVAILABLE_MILLIS
      })

      for (const [cache, { size }] of Object.entries({ session: sessions, supplier: suppliers, share: shares })) {
        yield* cacheGauge(cache, size)
      }

      return SessionDirectory.of({
        peek: (header, now) => sessions.peek(keyOf(header), now),
        facts: (header) => sessions.get(keyOf(header)),
        isStaked: (supplier, service) =>
          Effect.map(suppliers.get(supplier), (record) =>
            Option.isSome(record)
              ? record.value.services.some(({ serviceId }) => serviceId === service) ||
                record.value.serviceConfigHistory.some((update) => update.service.serviceId === service)
              : false
          ),
        share: ({ header }) => shares.get(`${header.applicationAddress}|${header.sessionEndBlockHeight}`)
      })
    })
  )
}

/** Gauge of one of the relayer's caches. */
export const cacheGauge = (cache: string, size: () => number) =>
  fillGauge("ha_relayer_cache_entries", "Entries kept in the relayer's caches", size, { cache })

const keyOf = (header: SessionHeader): string =>
  `${header.applicationAddress}|${header.serviceId}|${header.sessionStartBlockHeight}`
