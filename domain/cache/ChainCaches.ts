/**
 * Every kind of chain record that is cached, each with its times and bounds. What is live is trusted for a minute or
 * two, what belongs to a height that is settled for half an hour, a session until nobody may ask for it. Nothing lives
 * as long as the process.
 */
import { Context, Duration, Effect, Option, type Scope, Stream } from "effect"
import type { Account } from "../chain/Account.ts"
import type { Application } from "../chain/Application.ts"
import type { Service } from "../chain/Service.ts"
import type { Supplier } from "../chain/Supplier.ts"
import { Blocks, type ChainUnavailable } from "../ports/Blocks.ts"
import { Broadcast } from "../ports/Broadcast.ts"
import { ChainQuery, type ServiceNotFound, type SessionNotFound } from "../ports/ChainQuery.ts"
import { SharedCache } from "../ports/SharedCache.ts"
import { ApplicationAddress, ServiceId, SupplierAddress } from "../protocol/Identifiers.ts"
import type { ProofParams } from "../protocol/ProofParams.ts"
import type { SessionParams } from "../protocol/SessionParams.ts"
import type { SharedParams } from "../protocol/SharedParams.ts"
import { graceEnd } from "../session/SessionWindow.ts"
import { type InvalidatedType, names } from "./CacheNames.ts"
import { encodeInvalidation, type InvalidationField } from "./Invalidation.ts"
import { type KeptSession, recordCodecs } from "./RecordCodecs.ts"
import { makeThreeTiers, type ThreeTiers } from "./ThreeTiers.ts"

const MINUTE = Duration.toMillis("1 minute")
const RECORD_MILLIS = MINUTE
/** Live params, as the reference has them. */
const PARAMS_MILLIS = 90_000
/**
 * How long after that params may answer for a chain that does not: they change by governance, a few times a year. A
 * bound, because params that were frozen for good have cost proofs.
 */
const STALE_MILLIS = 10 * MINUTE
/** What never changes any more. */
const FINAL_MILLIS = 30 * MINUTE
/** What a height says that is not settled, at most until the next block. */
const UNSETTLED_MILLIS = 10_000
/** How soon something that the chain does not know is looked up again. */
const ABSENT_MILLIS = 5_000
/** How soon a chain that did not answer is asked again for the same thing. */
const UNAVAILABLE_MILLIS = 250

const RECORD_CAPACITY = 10_000
const KEY_CAPACITY = 50_000
/** Sessions carry their suppliers, tens of kilobytes each. */
const SESSION_CAPACITY = 2_048
const HEIGHT_CAPACITY = 4_096

/**
 * How many blocks below the latest a height is settled: a node behind the one that told us of the block may not know
 * yet what was decided for it.
 */
const SETTLED_DEPTH = 3n

/** What times in blocks are counted with: how long one takes. */
export interface CacheSettings {
  readonly blockTime: Duration.Duration
}

type Live<A> = ThreeTiers<A, ChainUnavailable>

/** The caches by kind. Keys are addresses and ids; where several parts make one, they are joined by colons. */
export class ChainCaches extends Context.Service<
  ChainCaches,
  {
    /** Newest height that this process has seen; 0 before the first. */
    readonly height: () => bigint
    /** Whether what the chain says about a height cannot change any more. */
    readonly isSettled: (height: bigint) => boolean
    readonly applications: Live<Option.Option<Application>>
    readonly services: Live<Option.Option<Service>>
    readonly suppliers: Live<Option.Option<Supplier>>
    readonly accounts: Live<Option.Option<Account>>
    readonly publicKeys: Live<Option.Option<Uint8Array>>
    /** Params that exist once have the empty key. */
    readonly sharedParams: Live<SharedParams>
    readonly proofParams: Live<ProofParams>
    readonly sessionParams: Live<SessionParams>
    /** By `<application>:<service>:<height>`. */
    readonly sessions: ThreeTiers<KeptSession, SessionNotFound | ChainUnavailable>
    /** By settled height. */
    readonly sharedParamsAt: Live<SharedParams>
    /** By `<service>:<settled height>`. */
    readonly computeUnits: ThreeTiers<bigint, ServiceNotFound | ChainUnavailable>
    readonly difficulties: ThreeTiers<Uint8Array, ServiceNotFound | ChainUnavailable>
    /** The same three for heights that are not settled, by `<key>@<latest height>`; in this process only. */
    readonly unsettled: {
      readonly sharedParamsAt: Live<SharedParams>
      readonly computeUnits: ThreeTiers<bigint, ServiceNotFound | ChainUnavailable>
      readonly difficulties: ThreeTiers<Uint8Array, ServiceNotFound | ChainUnavailable>
    }
  }
>()("relaymill/domain/cache/ChainCaches") {}

/** Empty caches over the ports of the context; they follow the height until the scope ends. */
export const makeChainCaches = Effect.fnUntraced(function* (
  settings: CacheSettings
): Effect.fn.Return<ChainCaches["Service"], never, Blocks | Broadcast | ChainQuery | Scope.Scope | SharedCache> {
  const chain = yield* ChainQuery
  const cache = yield* SharedCache
  const broadcast = yield* Broadcast
  const blocks = yield* Blocks

  let latest = yield* Effect.map(
    Effect.option(blocks.latest),
    Option.match({ onNone: () => 0n, onSome: ({ height }) => height })
  )
  yield* Effect.forkScoped(
    Stream.runForEach(blocks.changes, ({ height }) =>
      Effect.sync(() => {
        if (height > latest) latest = height
      })
    )
  )
  const millisUntil = (height: bigint): number =>
    Math.max(0, Number(height - latest)) * Duration.toMillis(settings.blockTime)
  const codecs = recordCodecs(settings.blockTime, (height) => Duration.millis(millisUntil(height)))

  const announcer = (type: InvalidatedType, field: InvalidationField) => (key: string) =>
    Effect.ignore(
      // A lost message costs others the rest of the value's minute.
      broadcast.publish(
        names.invalidations(type),
        encodeInvalidation(field, key === "" ? Option.none() : Option.some(key))
      )
    )
  const unavailable = () => UNAVAILABLE_MILLIS
  const presence = <A>(present: number) => ({
    success: (value: Option.Option<A>) => (Option.isSome(value) ? present : ABSENT_MILLIS),
    failure: unavailable
  })
  const absence = ({ _tag }: { readonly _tag: string }) =>
    _tag === "ChainUnavailable" ? UNAVAILABLE_MILLIS : ABSENT_MILLIS
  /** What the chain knows is worth refreshing by the leader. */
  const noted = (set: string) => (key: string, value: Option.Option<unknown>) =>
    Option.isSome(value) ? Effect.ignore(cache.changeMembers(set, { add: [key], remove: [] })) : Effect.void

  const computeUnitsAt = (key: string) =>
    chain.computeUnitsPerRelayAt(ServiceId.make(part(key, 0)), BigInt(part(key, 1)))
  const difficultyAt = (key: string) => chain.difficultyTargetAt(ServiceId.make(part(key, 0)), BigInt(part(key, 1)))

  const live = { capacity: 1, success: () => PARAMS_MILLIS, failure: unavailable, stale: STALE_MILLIS }
  const final = { capacity: HEIGHT_CAPACITY, success: () => FINAL_MILLIS }
  const unsettled = { capacity: HEIGHT_CAPACITY, success: () => UNSETTLED_MILLIS, shared: Option.none() }

  const sharedParamsAt: Live<SharedParams> = yield* makeThreeTiers({
    ...final,
    type: "shared_params_at",
    failure: unavailable,
    shared: Option.some(codecs.sharedParamsAt),
    load: (height) => chain.sharedParamsAt(BigInt(height))
  })
  const unsettledParamsAt: Live<SharedParams> = yield* makeThreeTiers({
    ...unsettled,
    type: "unsettled_params",
    failure: unavailable,
    load: (key) => chain.sharedParamsAt(BigInt(settledPart(key)))
  })
  const isSettled = (height: bigint) => height + SETTLED_DEPTH <= latest

  return ChainCaches.of({
    height: () => latest,
    isSettled,
    applications: yield* makeThreeTiers({
      ...presence(RECORD_MILLIS),
      type: "application",
      capacity: RECORD_CAPACITY,
      shared: Option.some(codecs.application),
      load: (address) => chain.application(ApplicationAddress.make(address)),
      noted: noted(names.knownApplications),
      announce: announcer("application", "address")
    }),
    services: yield* makeThreeTiers({
      ...presence(RECORD_MILLIS),
      type: "service",
      capacity: RECORD_CAPACITY,
      shared: Option.some(codecs.service),
      load: (id) => chain.service(ServiceId.make(id)),
      noted: noted(names.knownServices),
      announce: announcer("service", "service_id")
    }),
    suppliers: yield* makeThreeTiers({
      ...presence(RECORD_MILLIS),
      type: "supplier",
      capacity: RECORD_CAPACITY,
      shared: Option.some(codecs.supplier),
      load: (address) => chain.supplier(SupplierAddress.make(address))
    }),
    accounts: yield* makeThreeTiers({
      success: Option.match({
        onNone: () => ABSENT_MILLIS,
        // Without a key it may have one with its next transaction.
        onSome: ({ publicKey }: Account) => (publicKey === undefined ? ABSENT_MILLIS : FINAL_MILLIS)
      }),
      failure: unavailable,
      type: "account",
      capacity: RECORD_CAPACITY,
      // Numbers sign transactions: one that outlived its chain in Redis would fail them all.
      shared: Option.none(),
      load: chain.account
    }),
    publicKeys: yield* makeThreeTiers({
      ...presence(FINAL_MILLIS),
      type: "account_key",
      capacity: KEY_CAPACITY,
      shared: Option.some(codecs.publicKey),
      load: chain.publicKey,
      announce: announcer("account", "address")
    }),
    sharedParams: yield* makeThreeTiers({
      ...live,
      type: "shared_params",
      shared: Option.some(codecs.sharedParams),
      load: () => chain.sharedParams,
      announce: announcer("shared_params", "address")
    }),
    proofParams: yield* makeThreeTiers({
      ...live,
      type: "proof_params",
      shared: Option.some(codecs.proofParams),
      // They decide at every height whether a proof is due: each replica asks the chain itself. Go's leaders read ours.
      isSharedRead: false,
      load: () => chain.proofParams,
      announce: announcer("proof_params", "address")
    }),
    sessionParams: yield* makeThreeTiers({
      ...live,
      type: "session_params",
      shared: Option.some(codecs.sessionParams),
      load: () => chain.sessionParams
    }),
    sessions: yield* makeThreeTiers<KeptSession, SessionNotFound | ChainUnavailable>({
      type: "session",
      capacity: SESSION_CAPACITY,
      success: ({ usefulUntil }) => Math.min(FINAL_MILLIS, millisUntil(usefulUntil) + UNSETTLED_MILLIS),
      // A height that is not committed yet may be at the next block.
      failure: (error) => (error._tag === "SessionNotFound" && error.reason === "future" ? 0 : absence(error)),
      shared: Option.some(codecs.session),
      load: Effect.fnUntraced(function* (key) {
        const session = yield* chain.session(
          ApplicationAddress.make(part(key, 0)),
          ServiceId.make(part(key, 1)),
          BigInt(part(key, 2))
        )
        const end = session.header.sessionEndBlockHeight
        const params = yield* isSettled(end)
          ? sharedParamsAt.get(end.toString())
          : unsettledParamsAt.get(`${end}@${latest}`)
        return { session, usefulUntil: graceEnd(params, end) + 2n }
      })
    }),
    sharedParamsAt,
    computeUnits: yield* makeThreeTiers({
      ...final,
      type: "compute_units",
      failure: absence,
      shared: Option.some(codecs.computeUnits),
      load: computeUnitsAt
    }),
    difficulties: yield* makeThreeTiers({
      ...final,
      type: "difficulty",
      failure: absence,
      shared: Option.some(codecs.difficulty),
      load: difficultyAt
    }),
    unsettled: {
      sharedParamsAt: unsettledParamsAt,
      computeUnits: yield* makeThreeTiers({
        ...unsettled,
        type: "unsettled_compute_units",
        failure: absence,
        load: (key) => computeUnitsAt(settledPart(key))
      }),
      difficulties: yield* makeThreeTiers({
        ...unsettled,
        type: "unsettled_difficulty",
        failure: absence,
        load: (key) => difficultyAt(settledPart(key))
      })
    }
  })
})

const part = (key: string, at: number): string => key.split(":")[at] ?? ""

const settledPart = (key: string): string => key.split("@")[0] ?? ""
