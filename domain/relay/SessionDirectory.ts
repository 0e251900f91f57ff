/**
 * What serving needs to know about sessions, suppliers and rings, read from the chain once and kept: the first cache
 * tier. Values of a session do not change while it can be served, so they are kept by (application, service, start);
 * failures are not kept. Bounded by entry counts; concurrent readers of one key share a read.
 */
import { Cache, Context, Duration, Effect, Exit, Layer, Option } from "effect"
import type { Session } from "../chain/Session.ts"
import { relayCost, stakeShare } from "../meter/RelayCost.ts"
import { Blocks, type ChainUnavailable } from "../ports/Blocks.ts"
import { ChainQuery, type ServiceNotFound, type SessionNotFound } from "../ports/ChainQuery.ts"
import { ApplicationAddress, ServiceId, type SupplierAddress } from "../protocol/Identifiers.ts"
import { graceEnd } from "../session/SessionWindow.ts"
import type { SessionHeader } from "./SessionHeader.ts"

/** Sessions kept; a relayer of 100 applications and 10 services sees about 3 000 in an hour of short sessions. */
const SESSION_CAPACITY = 10_000
const SUPPLIER_CAPACITY = 10_000
/** How long a session's facts are kept: longer than any session and its grace can be served. */
const SESSION_TIME_TO_LIVE = Duration.hours(6)
/** How long a supplier's record is trusted: a stake changes at session boundaries at the earliest. */
const SUPPLIER_TIME_TO_LIVE = Duration.seconds(60)
/** How soon a supplier that was not found is looked up again. */
const ABSENT_TIME_TO_LIVE = Duration.seconds(5)
/** How soon the limit of a session is computed again: the application may add stake while it lasts. */
const LIMIT_TIME_TO_LIVE = Duration.seconds(30)

/** Facts of one session, all of them as the chain has them for its start or end. */
export interface SessionFacts {
  readonly session: Session
  /** Operator addresses of the session's suppliers. */
  readonly suppliers: ReadonlySet<string>
  /** Last height at which relays of it are served. */
  readonly graceEnd: bigint
  readonly computeUnitsPerRelay: bigint
  /** 32-byte relay mining target at session start. */
  readonly target: Uint8Array
  /** uPOKT of one relay at session start. */
  readonly cost: bigint
}

export class SessionDirectory extends Context.Service<
  SessionDirectory,
  {
    /** Facts of the session that the header claims to name; the header itself is not compared here. */
    readonly facts: (
      header: SessionHeader
    ) => Effect.Effect<SessionFacts, SessionNotFound | ServiceNotFound | ChainUnavailable>
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
        const [application = "", service = "", start = "0"] = key.split("|")
        const height = BigInt(start)
        const session = yield* chain.session(ApplicationAddress.make(application), ServiceId.make(service), height)
        const end = session.header.sessionEndBlockHeight
        const computeUnitsPerRelay = yield* chain.computeUnitsPerRelayAt(ServiceId.make(service), height)
        return {
          session,
          suppliers: new Set(session.suppliers.map(({ operatorAddress }) => operatorAddress)),
          graceEnd: graceEnd(yield* chain.sharedParamsAt(end), end),
          computeUnitsPerRelay,
          target: yield* chain.difficultyTargetAt(ServiceId.make(service), height),
          cost: relayCost(computeUnitsPerRelay, yield* chain.sharedParamsAt(height))
        } satisfies SessionFacts
      })

      const sessions = yield* Cache.makeWith(readFacts, {
        capacity: SESSION_CAPACITY,
        timeToLive: (exit) => (Exit.isSuccess(exit) ? SESSION_TIME_TO_LIVE : Duration.zero)
      })

      const suppliers = yield* Cache.makeWith((supplier: SupplierAddress) => chain.supplier(supplier), {
        capacity: SUPPLIER_CAPACITY,
        timeToLive: (exit) =>
          !Exit.isSuccess(exit)
            ? Duration.zero
            : Option.isSome(exit.value)
              ? SUPPLIER_TIME_TO_LIVE
              : ABSENT_TIME_TO_LIVE
      })

      /** Params are live while the session is active, those at its end afterwards; suppliers of a session likewise live. */
      const readShare = Effect.fnUntraced(function* (key: string) {
        const [application = "", endText = "0"] = key.split("|")
        const end = BigInt(endText)
        const { height } = yield* blocks.latest
        const params = yield* height <= end ? chain.sharedParams : chain.sharedParamsAt(end)
        const { numSuppliersPerSession } = yield* chain.sessionParams
        const record = yield* chain.application(ApplicationAddress.make(application))
        const stake = Option.match(record, { onNone: () => 0n, onSome: ({ stake }) => stake })
        return { stake, share: stakeShare(stake, numSuppliersPerSession, params) }
      })

      const shares = yield* Cache.makeWith(readShare, {
        capacity: SESSION_CAPACITY,
        timeToLive: (exit) => (Exit.isSuccess(exit) ? LIMIT_TIME_TO_LIVE : Duration.zero)
      })

      return SessionDirectory.of({
        facts: (header) =>
          Cache.get(sessions, `${header.applicationAddress}|${header.serviceId}|${header.sessionStartBlockHeight}`),
        isStaked: (supplier, service) =>
          Effect.map(Cache.get(suppliers, supplier), (record) =>
            Option.isSome(record)
              ? record.value.services.some(({ serviceId }) => serviceId === service) ||
                record.value.serviceConfigHistory.some((update) => update.service.serviceId === service)
              : false
          ),
        share: ({ session: { header } }) =>
          Cache.get(shares, `${header.applicationAddress}|${header.sessionEndBlockHeight}`)
      })
    })
  )
}
