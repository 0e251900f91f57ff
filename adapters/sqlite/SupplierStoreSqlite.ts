/** `SupplierStore` in the database: a commit with its acknowledgements is one transaction, fence included. */
import { Clock, Duration, Effect, Layer, Option } from "effect"
import { type Lease, LeaseLost } from "../../domain/ports/Leases.ts"
import {
  CommitRefused,
  type Delivery,
  IntentRefused,
  type SessionCommit,
  type StoredNode,
  type StoredSession,
  StoreUnavailable,
  SupplierStore
} from "../../domain/ports/SupplierStore.ts"
import { SessionId } from "../../domain/protocol/Identifiers.ts"
import { parseTraceparent } from "../../domain/tracing/Traceparent.ts"
import { logId, sequencesOf } from "./LogId.ts"
import type { Answer, CallName, Fenced, RequestOf, SessionRow, ValueOf } from "./SqliteCalls.ts"
import { SqliteStores } from "./SqliteStores.ts"
import { eventText, eventsOf, intentOf, intentText } from "./StoredText.ts"

/** Entries set aside for each supplier; the oldest is dropped beyond it. */
export const SET_ASIDE_LIMIT = 1_000

/** Calls that need the lease. */
type FencedName = { [Name in CallName]: RequestOf<Name> extends Fenced ? Name : never }[CallName]

/** A store over the open database, with at most `setAsideLimit` entries set aside for each supplier. */
export const layerWith = (setAsideLimit: number): Layer.Layer<SupplierStore, never, SqliteStores> =>
  Layer.effect(
    SupplierStore,
    Effect.map(SqliteStores, ({ arrivals, call }) => {
      const ask = <Name extends CallName>(
        name: Name,
        request: RequestOf<Name>,
        bytes?: ReadonlyArray<Uint8Array>
      ): Effect.Effect<Answer<ValueOf<Name>>, StoreUnavailable> =>
        Effect.mapError(call(name, request, bytes), (cause) => new StoreUnavailable({ operation: name, cause }))

      const fenced = <Name extends FencedName>(
        name: Name,
        { owner, supplier }: Lease,
        request: RequestOf<Name>,
        bytes?: ReadonlyArray<Uint8Array>
      ): Effect.Effect<Answer<ValueOf<Name>>, LeaseLost | StoreUnavailable> =>
        Effect.mapError(call(name, request, bytes), (cause) =>
          cause._tag === "FenceRefused"
            ? new LeaseLost({ supplier, owner })
            : new StoreUnavailable({ operation: name, cause })
        )

      const take = (lease: Lease, max: number) =>
        Effect.map(fenced("take", lease, { ...fenceOf(lease), max }), ({ bytes, value }): ReadonlyArray<Delivery> =>
          value.map((place, index) => ({
            id: logId(place),
            data: bytes[index] ?? NOTHING,
            trace: parseTraceparent(place.traceparent ?? undefined)
          }))
        )

      /** Takes now, or when something comes, but not after `deadline`. */
      const takeUntil = Effect.fnUntraced(function* (lease: Lease, max: number, deadline: number) {
        for (;;) {
          // Counted before the look: what comes after it ends the wait.
          const seen = arrivals.count(lease.supplier)
          const taken = yield* take(lease, max)
          const left = deadline - (yield* monotonicMillis)
          if (taken.length > 0 || left <= 0 || max <= 0) return taken
          yield* Effect.timeoutOption(arrivals.after(lease.supplier, seen), Duration.millis(left))
        }
      })

      return SupplierStore.of({
        deliveries: (lease, max, wait) =>
          Effect.flatMap(monotonicMillis, (now) => takeUntil(lease, max, now + Duration.toMillis(wait))),
        redeliver: (lease) => Effect.asVoid(fenced("redeliver", lease, fenceOf(lease))),
        backlog: ({ supplier }) =>
          Effect.map(ask("backlog", { supplier }), ({ value }) => ({
            lastGenerated: logId(value.lastGenerated),
            lastDelivered: logId(value.lastDelivered),
            oldestPending: Option.map(Option.fromNullOr(value.oldestPending), logId),
            lowestSpooledSessionEnd: Option.map(Option.fromNullOr(value.lowestSpooledSessionEnd), BigInt)
          })),
        sessions: (supplier) =>
          Effect.map(ask("sessions", { supplier }), ({ value }) => value.map((id) => SessionId.make(id))),
        load: (supplier, session) =>
          Effect.flatMap(ask("load", { supplier, session }), ({ bytes, value }) =>
            value === null ? Effect.succeedNone : Effect.asSome(storedOf(session, value, bytes))
          ),
        readNodes: (supplier, session, digests) =>
          Effect.map(ask("readNodes", { supplier, session }, digests), ({ bytes }) =>
            bytes.map((encoding) => (encoding.length === 0 ? undefined : encoding))
          ),
        readLeaves: (supplier, session) =>
          Effect.map(ask("readLeaves", { supplier, session }), ({ bytes }) => nodesIn(bytes)),
        commit: (lease, commit) =>
          Effect.flatMap(fenced("commit", lease, commitRequest(lease, commit), commitBytes(commit)), ({ value }) =>
            value === null
              ? Effect.void
              : Effect.fail(
                  new CommitRefused({
                    supplier: lease.supplier,
                    session: commit.session,
                    reason: value.refused,
                    expectedVersion: commit.expectedVersion,
                    storedVersion: value.storedVersion
                  })
                )
          ),
        writeNodes: (lease, session, nodes) =>
          Effect.asVoid(
            fenced(
              "writeNodes",
              lease,
              { ...fenceOf(lease), session },
              nodes.flatMap(({ digest, encoding }) => [digest, encoding])
            )
          ),
        deleteNodes: (lease, session, digests) =>
          Effect.asVoid(fenced("deleteNodes", lease, { ...fenceOf(lease), session }, digests)),
        setAside: (lease, deliveries, reason) =>
          Effect.asVoid(
            fenced("setAside", lease, {
              ...fenceOf(lease),
              sequences: sequencesOf(deliveries.map(({ id }) => id)),
              reason,
              limit: setAsideLimit
            })
          ),
        saveIntent: (lease, intent) =>
          Effect.flatMap(
            fenced(
              "saveIntent",
              lease,
              {
                ...fenceOf(lease),
                txHash: intent.txHash,
                sessions: intent.sessions.map(({ session }) => session),
                json: intentText(intent)
              },
              [...intent.sessions.map(({ root }) => root), intent.txBytes]
            ),
            ({ value: unsealed }) =>
              unsealed === null
                ? Effect.void
                : Effect.fail(new IntentRefused({ supplier: lease.supplier, session: unsealed }))
          ),
        intents: (supplier) =>
          Effect.flatMap(ask("intents", { supplier }), ({ bytes, value }) =>
            Effect.forEach(value, (text, index) => intentOf(text, bytes[index] ?? NOTHING))
          ),
        dropIntent: (lease, txHash) => Effect.asVoid(fenced("dropIntent", lease, { ...fenceOf(lease), txHash })),
        dropNodes: (lease, session) => Effect.asVoid(fenced("dropNodes", lease, { ...fenceOf(lease), session })),
        forget: (lease, session) => Effect.asVoid(fenced("forget", lease, { ...fenceOf(lease), session }))
      })
    })
  )

/** `layerWith` at `SET_ASIDE_LIMIT`. */
export const layer = layerWith(SET_ASIDE_LIMIT)

const NOTHING = new Uint8Array(0)

const monotonicMillis = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / 1e6)

const fenceOf = ({ nonce, supplier }: Lease): Fenced => ({ supplier, nonce })

const commitRequest = (lease: Lease, commit: SessionCommit): RequestOf<"commit"> => ({
  ...fenceOf(lease),
  session: commit.session,
  expectedVersion: commit.expectedVersion,
  count: String(commit.count),
  sum: String(commit.sum),
  events: commit.events.map(eventText),
  tailCovered: Option.match(commit.checkpoint, { onNone: () => null, onSome: ({ tailCovered }) => tailCovered }),
  seals: commit.events.some(({ _tag }) => _tag === "SessionSealed"),
  leaves: commit.leaves.length,
  acknowledged: sequencesOf(commit.acknowledged)
})

const commitBytes = ({ checkpoint, events, leaves, root }: SessionCommit): ReadonlyArray<Uint8Array> => {
  const digests = Buffer.concat(leaves.map(({ digest }) => digest))
  const liveRoot = Option.match(checkpoint, { onNone: () => NOTHING, onSome: (made) => made.liveRoot })
  const sealed = events.findLast((event) => event._tag === "SessionSealed")
  return [root, liveRoot, sealed?.root ?? NOTHING, digests, ...leaves.map(({ encoding }) => encoding)]
}

const storedOf = (
  session: SessionId,
  row: SessionRow,
  [root = NOTHING, liveRoot = NOTHING, ...tail]: ReadonlyArray<Uint8Array>
): Effect.Effect<StoredSession, StoreUnavailable> =>
  Effect.map(eventsOf(row.events), (events) => ({
    session,
    version: row.version,
    events,
    // Copies: what is kept for long must not keep the whole answer.
    liveRoot: row.hasLiveRoot ? Option.some(liveRoot.slice()) : Option.none(),
    tail,
    root: root.slice(),
    count: BigInt(row.count),
    sum: BigInt(row.sum)
  }))

const nodesIn = (bytes: ReadonlyArray<Uint8Array>): ReadonlyArray<StoredNode> =>
  Array.from({ length: bytes.length >> 1 }, (_, index) => ({
    digest: bytes[2 * index] ?? NOTHING,
    encoding: bytes[2 * index + 1] ?? NOTHING
  }))
