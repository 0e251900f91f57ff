/**
 * The tries that are in memory for one supplier. A trie is opened from its last checkpoint and the leaves stored since;
 * one that is damaged, or that somebody else wrote, is built again from all its leaves. Not safe for two users of one
 * session at once: the ledger's lock sees to that.
 */
import { Context, Effect, Result, Schema } from "effect"
import { BulkSha256 } from "../crypto/BulkSha256.ts"
import { type StoreUnavailable, SupplierStore } from "../ports/SupplierStore.ts"
import type { SessionId, SupplierAddress } from "../protocol/Identifiers.ts"
import { Trie } from "../smst/Trie.ts"
import { bytesEqual, leafPath } from "../smst/TrieSpec.ts"
import type { SessionCopy } from "./SessionCopy.ts"
import { slices } from "./Slices.ts"
import { TrieMemoryRef } from "./TrieMemory.ts"

/** Nodes asked of the store in one call while a trie is opened. */
const READ_CHUNK = 1_000

/** Leaves inserted, and hashes computed, in one turn of the event loop: below 2 ms each. */
const TURN = { items: 200, bytes: 131_072 }
const TURN_HASHES = 500

/** The stored nodes do not make up the trie they should. */
class TrieDamaged extends Schema.TaggedError<TrieDamaged>()("TrieDamaged", {
  session: Schema.String,
  reason: Schema.String
}) {}

/** One supplier's tries in memory; made by `makeSessionTries`. A cache: whatever it drops can be opened again. */
export class SessionTries extends Context.Service<
  SessionTries,
  {
    /**
     * The session's trie, able to insert or read these 32-byte paths without waiting. Stored nodes that do not fit are
     * replaced by a trie built from the leaves; its root may then differ from the copy's, which is logged.
     */
    readonly ready: (copy: SessionCopy, paths: ReadonlyArray<Uint8Array>) => Effect.Effect<Trie, StoreUnavailable>
    /** The session's trie built anew from its leaves, when what is stored of its nodes turned out to be damaged. */
    readonly rebuilt: (copy: SessionCopy, reason: string) => Effect.Effect<Trie, StoreUnavailable>
    /** Forgets the trie in memory; what is not stored is lost. */
    readonly drop: (session: SessionId) => Effect.Effect<void>
    /** Sessions whose tries are in memory beyond the bound, least recently used first. */
    readonly beyondBound: Effect.Effect<ReadonlyArray<SessionId>>
    /** Tries in memory, and the bytes of their nodes. */
    readonly resident: Effect.Effect<{ readonly tries: number; readonly bytes: number }>
  }
>()("relaymill/domain/mining/SessionTries") {}

/**
 * Tries of `supplier`, of which `bound` should stay in memory, and no more bytes than the process has for it. Counted
 * until the scope ends.
 */
export const makeSessionTries = Effect.fnUntraced(function* (supplier: SupplierAddress, bound: number) {
  const store = yield* SupplierStore
  const sha256 = yield* BulkSha256
  /** In order of use: a used trie is taken out and put back last. */
  const tries = new Map<SessionId, Trie>()
  const memory = yield* TrieMemoryRef
  let counted = 0
  const count = (bytes: number) => {
    memory.count(counted, bytes)
    counted = bytes
  }
  const bytesNow = () => {
    let bytes = 0
    for (const trie of tries.values()) bytes += trie.residentBytes
    return bytes
  }
  yield* Effect.addFinalizer(() => Effect.sync(() => count(0)))

  const remember = (session: SessionId, trie: Trie) => {
    tries.delete(session)
    tries.set(session, trie)
  }

  /** Reads level by level what the paths need; one call a level, none when it is all here. */
  const prefetch = Effect.fnUntraced(function* (session: SessionId, trie: Trie, paths: ReadonlyArray<Uint8Array>) {
    for (;;) {
      const digests = trie.unresolved(paths)
      if (digests.length === 0) return
      const encodings = yield* store.readNodes(supplier, session, digests)
      for (const [index, digest] of digests.entries()) {
        const encoding = encodings[index]
        if (encoding === undefined) return yield* damaged(session, "a node is missing")
        const resolved = trie.resolve(digest, encoding)
        if (Result.isFailure(resolved)) return yield* damaged(session, resolved.failure.message)
      }
      yield* Effect.yieldNow
    }
  })

  const insertStored = Effect.fnUntraced(function* (
    session: SessionId,
    trie: Trie,
    encodings: ReadonlyArray<Uint8Array>
  ) {
    for (const turn of slices(encodings, TURN, (encoding) => encoding.length)) {
      yield* prefetch(session, trie, turn.map(leafPath))
      const inserted = trie.insertEncodedLeaves(turn)
      if (Result.isFailure(inserted)) return yield* damaged(session, inserted.failure.message)
      yield* Effect.yieldNow
    }
  })

  const openStored = Effect.fnUntraced(function* (copy: SessionCopy) {
    const trie = copy.liveRoot === undefined ? Trie.empty(sha256) : Trie.open(copy.liveRoot, sha256)
    if (copy.tailLength > 0) {
      const stored = yield* store.load(supplier, copy.session)
      const tail = stored._tag === "Some" ? stored.value.tail : []
      for (const digests of slices(tail, { items: READ_CHUNK, bytes: Number.POSITIVE_INFINITY }, () => 0)) {
        const encodings = yield* store.readNodes(supplier, copy.session, digests)
        const present = encodings.filter((encoding) => encoding !== undefined)
        if (present.length < digests.length) return yield* damaged(copy.session, "a leaf of the tail is missing")
        yield* insertStored(copy.session, trie, present)
      }
    }
    const root = yield* rootOf(trie)
    return bytesEqual(root, copy.tally.root) ? trie : yield* damaged(copy.session, "the root is another")
  })

  const rebuild = Effect.fnUntraced(function* (copy: SessionCopy, reason: string) {
    const leaves = yield* store.readLeaves(supplier, copy.session)
    const trie = Trie.empty(sha256)
    yield* insertStored(
      copy.session,
      trie,
      leaves.map(({ encoding }) => encoding)
    ).pipe(Effect.catchTag("TrieDamaged", (again) => Effect.logError("stored leaf skipped", again)))
    const isWhole = bytesEqual(yield* rootOf(trie), copy.tally.root)
    // More leaves than the copy counts: a commit of which nothing was heard took effect after the session was read. The
    // next commit is refused then, and all is read again.
    const isLost = !isWhole && trie.count <= copy.tally.count
    yield* (
      isLost ? Effect.logError("trie has lost leaves") : Effect.logWarning("trie built again from its leaves")
    ).pipe(Effect.annotateLogs({ session: copy.session, reason, leaves: leaves.length }))
    return trie
  })

  const ready = Effect.fnUntraced(
    function* (copy: SessionCopy, paths: ReadonlyArray<Uint8Array>) {
      const trie = tries.get(copy.session) ?? (yield* openStored(copy))
      yield* prefetch(copy.session, trie, paths)
      return trie
    },
    (opened, copy) =>
      opened.pipe(
        Effect.catchTag("TrieDamaged", (damage) => rebuild(copy, damage.reason)),
        Effect.tap((trie) => Effect.sync(() => remember(copy.session, trie)))
      )
  )

  return SessionTries.of({
    ready,
    rebuilt: (copy, reason) =>
      Effect.tap(rebuild(copy, reason), (trie) => Effect.sync(() => remember(copy.session, trie))),
    drop: (session) =>
      Effect.sync(() => {
        tries.delete(session)
        count(bytesNow())
      }),
    beyondBound: Effect.sync(() => {
      let bytes = bytesNow()
      count(bytes)
      const { share } = memory
      let left = tries.size
      const beyond: Array<SessionId> = []
      for (const [session, trie] of tries) {
        if (left <= bound && bytes <= share) break
        beyond.push(session)
        bytes -= trie.residentBytes
        left -= 1
      }
      return beyond
    }),
    resident: Effect.sync(() => ({ tries: tries.size, bytes: bytesNow() }))
  })
})

/** The trie's root, computed in turns of the event loop. */
export const rootOf = Effect.fnUntraced(function* (trie: Trie) {
  while (!trie.digestSome(TURN_HASHES)) yield* Effect.yieldNow
  return trie.root()
})

const damaged = (session: SessionId, reason: string) => Effect.fail(new TrieDamaged({ session, reason }))
