/**
 * The sessions of one supplier under one lease, and the one way to change them: load, decide, commit, evolve, one
 * change of a session at a time. After a commit that did not succeed the copy and the trie are dropped and loaded
 * again, so that what is in memory never differs from what is stored.
 */
import { Clock, Context, Effect, Option, Queue, Result, Semaphore } from "effect"
import type { Lease, LeaseLost } from "../ports/Leases.ts"
import { type CommitRefused, type StoreUnavailable, SupplierStore } from "../ports/SupplierStore.ts"
import type { SessionId } from "../protocol/Identifiers.ts"
import { type CommandRefused, decide, type SessionCommand } from "../session/SessionDecider.ts"
import type { SessionEvent } from "../session/SessionEvent.ts"
import {
  afterChange,
  commitOf,
  copyOf,
  emptyCopy,
  isEmptyChange,
  type SessionChange,
  type SessionCopy
} from "./SessionCopy.ts"
import { countEvents } from "./MinerMetrics.ts"
import { SessionTries } from "./SessionTries.ts"

/** Why a change did not take effect. Only `LeaseLost` concerns other sessions too. */
export type ChangeFailed = LeaseLost | CommitRefused | StoreUnavailable

/** What is known of a supplier's sessions at one moment. */
export interface KnownSessions {
  /** Sessions that have not ended, ascending by id. */
  readonly live: ReadonlyArray<SessionCopy>
  /**
   * Sessions that cannot be read after a change that failed. Whether they live, and what happened to them last, is not
   * known: nobody decides anything about them, and nothing that may be theirs is dropped.
   */
  readonly doubted: ReadonlySet<SessionId>
}

/** One supplier's sessions for as long as the lease is held; made by `makeSessionLedger`, which loads them. */
export class SessionLedger extends Context.Service<
  SessionLedger,
  {
    /** The lease under which every write of this ledger happens. */
    readonly lease: Lease
    /** All sessions that have not ended, as of one moment; those in doubt are read again before. */
    readonly known: Effect.Effect<KnownSessions>
    /** The live ones of `known`, for whoever decides nothing about the others. */
    readonly live: Effect.Effect<ReadonlyArray<SessionCopy>>
    /** Waits for a session to be opened, and returns the height at which it ends: each is told to one who waits. */
    readonly opened: Effect.Effect<bigint>
    /** Nothing is live, in doubt, or ended and not forgotten. */
    readonly isEmpty: Effect.Effect<boolean>
    /** Ended sessions that are not forgotten, with the height of their end. */
    readonly ended: Effect.Effect<ReadonlyMap<SessionId, bigint>>
    /**
     * Changes one session. `body` gets its copy and returns the change and a result; while it runs no other change of
     * the session does. `body` must not begin another change.
     */
    readonly change: <A, E, R>(
      session: SessionId,
      body: (copy: SessionCopy) => Effect.Effect<readonly [change: SessionChange, result: A], E, R>
    ) => Effect.Effect<A, E | ChangeFailed, R>
    /** Decides a command on the session's present state and commits its events, which are returned. */
    readonly record: (
      session: SessionId,
      command: SessionCommand
    ) => Effect.Effect<ReadonlyArray<SessionEvent>, CommandRefused | ChangeFailed>
    /** Removes an ended session from the store and from here. */
    readonly forget: (session: SessionId) => Effect.Effect<void, LeaseLost | StoreUnavailable>
  }
>()("relaymill/domain/mining/SessionLedger") {}

/** Openings that nobody has waited for yet; an older one is forgotten beyond it, and met by the next look. */
const OPENED_CAPACITY = 1_024

/** How long a commit that was given up may still be on its way to the store: 60 s. */
const LATE_COMMIT_NANOS = 60_000_000_000n

/** Loads every session of the lease's supplier. */
export const makeSessionLedger = Effect.fnUntraced(function* (lease: Lease) {
  const store = yield* SupplierStore
  const tries = yield* SessionTries
  const live = new Map<SessionId, SessionCopy>()
  const ended = new Map<SessionId, bigint>()
  const locks = new Map<SessionId, Semaphore.Semaphore>()
  const opened = yield* Queue.sliding<bigint>(OPENED_CAPACITY)

  /** Ended sessions are read again when somebody asks for them: they are many and nothing is due for them. */
  const keep = (copy: SessionCopy) => {
    const { end } = copy.state
    if (end === undefined) return Effect.sync(() => void live.set(copy.session, copy))
    live.delete(copy.session)
    if (ended.has(copy.session)) return tries.drop(copy.session)
    ended.set(copy.session, end.height)
    // Nodes that stay because the store did not answer go when the session is forgotten.
    return Effect.andThen(tries.drop(copy.session), Effect.ignore(store.dropNodes(lease, copy.session)))
  }

  const load = (session: SessionId) =>
    Effect.map(store.load(lease.supplier, session), Option.match({ onNone: () => emptyCopy(session), onSome: copyOf }))

  const lockOf = (session: SessionId) => {
    const lock = locks.get(session) ?? Semaphore.makeUnsafe(1)
    locks.set(session, lock)
    return lock
  }

  /**
   * Sessions whose last change failed: loaded again by the next change or the next look at all of them. One that is not
   * stored stays here until the given moment (monotonic nanoseconds), since its first commit may still take effect.
   */
  const inDoubt = new Map<SessionId, bigint>()
  /** Those of `inDoubt` that were not read since: what is stored of them is not known. */
  const unread = new Set<SessionId>()

  const doubt = (session: SessionId) =>
    Effect.flatMap(Clock.monotonicTimeNanos, (now) => {
      inDoubt.set(session, now + LATE_COMMIT_NANOS)
      unread.add(session)
      live.delete(session)
      return tries.drop(session)
    })

  // One that cannot be read stops no other: it is tried again at each look.
  for (const session of yield* store.sessions(lease.supplier)) {
    yield* load(session).pipe(
      Effect.flatMap(keep),
      Effect.catchTag("StoreUnavailable", (unreadable) =>
        Effect.andThen(
          Effect.annotateLogs(Effect.logError("session cannot be read, it is tried again", unreadable), { session }),
          doubt(session)
        )
      )
    )
  }

  /** The session is known as it is stored, unless nothing is stored and that may still change. */
  const settleDoubt = (session: SessionId, isStored: boolean) =>
    Effect.map(Clock.monotonicTimeNanos, (now) => {
      unread.delete(session)
      if (isStored || now >= (inDoubt.get(session) ?? 0n)) inDoubt.delete(session)
    })

  const changeHeld = Effect.fnUntraced(function* <A, E, R>(
    session: SessionId,
    body: (copy: SessionCopy) => Effect.Effect<readonly [change: SessionChange, result: A], E, R>
  ) {
    const copy = live.get(session) ?? (yield* load(session))
    const [next, result] = yield* body(copy)
    if (!isEmptyChange(next)) {
      yield* store.commit(lease, commitOf(copy, next))
      const after = afterChange(copy, next)
      yield* keep(after)
      if (copy.version === 0) Queue.offerUnsafe(opened, after.state.header.sessionEndBlockHeight)
      yield* countEvents(after.state, next.events ?? [])
    } else if (copy.version > 0) yield* keep(copy)
    if (inDoubt.has(session)) yield* settleDoubt(session, copy.version > 0 || !isEmptyChange(next))
    return result
  })

  const change = <A, E, R>(
    session: SessionId,
    body: (copy: SessionCopy) => Effect.Effect<readonly [change: SessionChange, result: A], E, R>
  ) =>
    changeHeld(session, body).pipe(
      Effect.onError(() => doubt(session)),
      Semaphore.withPermit(lockOf(session))
    )

  /** A session that cannot be loaded now is missing from this look and is tried again at the next. */
  const reload = Effect.suspend(() =>
    Effect.forEach([...inDoubt.keys()], (session) =>
      Effect.ignore(change(session, () => Effect.succeed([{}, undefined])))
    )
  )

  const known = Effect.map(reload, (): KnownSessions => ({
    live: [...live.values()].sort((a, b) => (a.session < b.session ? -1 : 1)),
    doubted: new Set(unread)
  }))

  return SessionLedger.of({
    lease,
    known,
    live: Effect.map(known, (all) => all.live),
    isEmpty: Effect.sync(() => live.size === 0 && inDoubt.size === 0 && ended.size === 0),
    opened: Queue.take(opened),
    ended: Effect.succeed(ended),
    change,
    record: (session, command) =>
      change(session, (copy) => {
        const decision = decide(copy.state, command)
        // A refusal is a result of the change, not its failure: there is nothing to doubt.
        return Effect.succeed([{ events: Result.getOrElse(decision, () => []) }, decision])
      }).pipe(Effect.flatMap(Effect.fromResult)),
    forget: (session) =>
      Effect.andThen(
        store.forget(lease, session),
        Effect.sync(() => {
          ended.delete(session)
          inDoubt.delete(session)
          unread.delete(session)
          locks.delete(session)
        })
      )
  })
})
