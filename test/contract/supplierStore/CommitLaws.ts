/** Commits: whole or not at all, versions, tail and checkpoints, seal, and what `load` returns. */
import { assert, describe } from "@effect/vitest"
import { Effect, Option } from "effect"
import type { Lease } from "../../../domain/ports/Leases.ts"
import {
  type CommitRefused,
  type SessionCommit,
  type StoredSession,
  SupplierStore
} from "../../../domain/ports/SupplierStore.ts"
import {
  aCommit,
  aLeaf,
  alice,
  anInnerNode,
  anIntent,
  aRoot,
  aSeal,
  aTally,
  bob,
  emptyTally,
  everyEvent,
  first,
  hexes,
  late,
  second
} from "../StoreFixtures.ts"
import {
  acquire,
  append,
  commit,
  handOver,
  idsOf,
  load,
  storeTest,
  type StoreWorld,
  takeAll,
  takeNow
} from "../SupplierStoreWorld.ts"

const leaves = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => aLeaf(from + index))
const digests = (from: number, to: number) => hexes(leaves(from, to).map(({ digest }) => digest))
const covering = (tailCovered: number, liveRoot = aRoot(tailCovered)): SessionCommit["checkpoint"] =>
  Option.some({ liveRoot, tailCovered })

export const commitLaws = (world: StoreWorld): void => {
  const test = storeTest(world)

  describe("commit", () => {
    test("stores exactly what it says", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const lease = yield* acquire()
        assert.isTrue(Option.isNone(yield* store.load(alice, first)))
        yield* commit(lease, { leaves: leaves(0, 2), ...aTally(2), events: everyEvent.slice(0, 1) })
        assert.deepStrictEqual(plain(yield* load()), {
          session: first,
          version: 1,
          events: everyEvent.slice(0, 1),
          liveRoot: undefined,
          tail: digests(0, 2),
          ...plainTally(2)
        })
        yield* commit(lease, {
          expectedVersion: 1,
          leaves: leaves(2, 3),
          ...aTally(3),
          events: everyEvent.slice(1, 3),
          checkpoint: covering(3)
        })
        assert.deepStrictEqual(plain(yield* load()), {
          session: first,
          version: 2,
          events: everyEvent.slice(0, 3),
          liveRoot: hexes([aRoot(3)])[0],
          tail: [],
          ...plainTally(3)
        })
      }))

    test("keeps events of every kind, with the widest values, in order", () =>
      Effect.gen(function* () {
        const lease = yield* acquire()
        yield* commit(lease, { ...aTally(1), events: everyEvent })
        assert.deepStrictEqual((yield* load()).events, everyEvent)
      }))

    test("keeps totals up to 64 bits", () =>
      Effect.gen(function* () {
        const lease = yield* acquire()
        const most = 18_446_744_073_709_551_615n
        yield* commit(lease, { root: aRoot(1), count: most, sum: most })
        const { count, sum } = yield* load()
        assert.deepStrictEqual([count, sum], [most, most])
      }))

    test("is a snapshot: what load returned does not change with later commits", () =>
      Effect.gen(function* () {
        const lease = yield* acquire()
        yield* commit(lease, { leaves: leaves(0, 1), ...aTally(1), events: [late(1n)] })
        const before = yield* load()
        const kept = plain(before)
        yield* commit(lease, { expectedVersion: 1, leaves: leaves(1, 3), ...aTally(3), events: [late(2n)] })
        yield* commit(lease, { expectedVersion: 2, ...aTally(3), checkpoint: covering(2) })
        assert.deepStrictEqual(plain(before), kept)
      }))

    test("makes its leaves readable", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const lease = yield* acquire()
        yield* commit(lease, { leaves: leaves(0, 3), ...aTally(3) })
        const read = yield* store.readNodes(
          alice,
          first,
          leaves(0, 3).map(({ digest }) => digest)
        )
        assert.deepStrictEqual(hexes(read), hexes(leaves(0, 3).map(({ encoding }) => encoding)))
      }))

    test("acknowledges what it names and nothing else", () =>
      Effect.gen(function* () {
        const lease = yield* acquire()
        const ids = yield* append(0, 4)
        yield* takeNow(lease, 3)
        yield* commit(lease, { ...aTally(1), leaves: leaves(0, 1), acknowledged: [ids[2]!, ids[0]!] })
        assert.deepStrictEqual(idsOf(yield* takeAll(yield* handOver(lease))), [ids[1]!, ids[3]!])
      }))

    test("keeps sessions and suppliers apart", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const lease = yield* acquire(alice)
        const ofBob = yield* acquire(bob)
        yield* commit(lease, { ...aTally(1), leaves: leaves(0, 1) })
        yield* commit(lease, { session: second, ...aTally(2), leaves: leaves(1, 3) })
        yield* commit(ofBob, { ...aTally(3), leaves: leaves(3, 6) })
        assert.deepStrictEqual(plain(yield* load(first, alice)).tail, digests(0, 1))
        assert.deepStrictEqual(plain(yield* load(second, alice)).tail, digests(1, 3))
        assert.deepStrictEqual(plain(yield* load(first, bob)).tail, digests(3, 6))
        assert.deepStrictEqual(yield* store.sessions(alice), [first, second])
        assert.deepStrictEqual(yield* store.sessions(bob), [first])
      }))
  })

  describe("a refused commit", () => {
    const refusals: ReadonlyArray<readonly [string, CommitRefused["reason"], Partial<SessionCommit>]> = [
      ["an older version", "version", { expectedVersion: 0 }],
      ["a newer version", "version", { expectedVersion: 2 }],
      ["a checkpoint beyond the tail", "tail", { expectedVersion: 1, checkpoint: covering(5) }]
    ]
    for (const [what, reason, change] of refusals) {
      test(`with ${what} changes nothing`, () =>
        Effect.gen(function* () {
          const lease = yield* acquire()
          const [id] = yield* append(0, 1)
          yield* takeNow(lease)
          yield* commit(lease, { leaves: leaves(0, 2), ...aTally(2), events: [late(1n)] })
          const refused = aCommit({
            leaves: leaves(2, 4),
            ...aTally(4),
            events: [late(2n)],
            acknowledged: [id!],
            ...change
          })
          yield* isRefused(lease, refused, { reason, expectedVersion: refused.expectedVersion, storedVersion: 1 })
        }))
    }

    test("of a session that is not stored names version 0", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const lease = yield* acquire()
        const error = yield* Effect.flip(commit(lease, { expectedVersion: 1, ...aTally(1), leaves: leaves(0, 1) }))
        assert.deepInclude(error, {
          _tag: "CommitRefused",
          reason: "version",
          supplier: alice,
          session: first,
          expectedVersion: 1,
          storedVersion: 0
        })
        assert.deepStrictEqual(yield* store.sessions(alice), [])
      }))

    test("does not stop other sessions", () =>
      Effect.gen(function* () {
        const lease = yield* acquire()
        yield* Effect.flip(commit(lease, { expectedVersion: 1 }))
        yield* commit(lease, { session: second, ...aTally(1), leaves: leaves(0, 1) })
        assert.strictEqual((yield* load(second)).version, 1)
      }))

    test("comes to all but one of several with the same version", () =>
      Effect.gen(function* () {
        const lease = yield* acquire()
        const exits = yield* Effect.forEach(
          leaves(0, 8),
          (leaf) => Effect.exit(commit(lease, { leaves: [leaf], ...aTally(1) })),
          { concurrency: "unbounded" }
        )
        assert.lengthOf(
          exits.filter(({ _tag }) => _tag === "Success"),
          1
        )
        const stored = yield* load()
        assert.strictEqual(stored.version, 1)
        assert.lengthOf(stored.tail, 1)
      }))
  })

  describe("tail and checkpoint", () => {
    test("the tail is the leaves in commit order", () =>
      Effect.gen(function* () {
        const lease = yield* acquire()
        yield* commit(lease, { leaves: leaves(0, 3), ...aTally(3) })
        yield* commit(lease, { expectedVersion: 1, leaves: leaves(3, 4), ...aTally(4) })
        yield* commit(lease, { expectedVersion: 2, leaves: leaves(4, 7), ...aTally(7) })
        assert.deepStrictEqual(plain(yield* load()).tail, digests(0, 7))
      }))

    test("a checkpoint cuts what it covers from the front, the rest and later leaves stay", () =>
      Effect.gen(function* () {
        const lease = yield* acquire()
        yield* commit(lease, { leaves: leaves(0, 4), ...aTally(4) })
        yield* commit(lease, { expectedVersion: 1, ...aTally(4), checkpoint: covering(3) })
        assert.deepStrictEqual(plain(yield* load()).tail, digests(3, 4))
        yield* commit(lease, { expectedVersion: 2, leaves: leaves(4, 5), ...aTally(5) })
        const stored = plain(yield* load())
        assert.deepStrictEqual([stored.tail, stored.liveRoot], [digests(3, 5), hexes([aRoot(3)])[0]])
        assert.deepStrictEqual(stored.root, hexes([aRoot(5)])[0])
      }))

    test("a checkpoint may cover leaves of its own commit, after those before", () =>
      Effect.gen(function* () {
        const lease = yield* acquire()
        yield* commit(lease, { leaves: leaves(0, 2), ...aTally(2) })
        yield* commit(lease, { expectedVersion: 1, leaves: leaves(2, 5), ...aTally(5), checkpoint: covering(4) })
        assert.deepStrictEqual(plain(yield* load()).tail, digests(4, 5))
      }))

    test("a checkpoint of nothing new leaves the tail", () =>
      Effect.gen(function* () {
        const lease = yield* acquire()
        yield* commit(lease, { leaves: leaves(0, 2), ...aTally(2) })
        yield* commit(lease, { expectedVersion: 1, ...aTally(2), checkpoint: covering(0, aRoot(9)) })
        const stored = plain(yield* load())
        assert.deepStrictEqual([stored.tail, stored.liveRoot], [digests(0, 2), hexes([aRoot(9)])[0]])
      }))

    test("covered leaves stay readable", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const lease = yield* acquire()
        yield* commit(lease, { leaves: leaves(0, 2), ...aTally(2), checkpoint: covering(2) })
        assert.lengthOf(yield* store.readLeaves(alice, first), 2)
      }))

    test("the live root of the last checkpoint stays through later commits", () =>
      Effect.gen(function* () {
        const lease = yield* acquire()
        yield* commit(lease, { leaves: leaves(0, 1), ...aTally(1), checkpoint: covering(1) })
        yield* commit(lease, { expectedVersion: 1, leaves: leaves(1, 2), ...aTally(2) })
        assert.deepStrictEqual(plain(yield* load()).liveRoot, hexes([aRoot(1)])[0])
      }))
  })

  describe("a sealed session", () => {
    test("may get its last leaves and its checkpoint in the commit that seals it", () =>
      Effect.gen(function* () {
        const lease = yield* acquire()
        yield* commit(lease, {
          leaves: leaves(0, 2),
          ...aTally(2),
          events: [aSeal(2)],
          checkpoint: covering(2)
        })
        assert.deepStrictEqual((yield* load()).events, [aSeal(2)])
      }))

    test("takes late counts and acknowledgements in one commit", () =>
      Effect.gen(function* () {
        const lease = yield* aSealedSession
        const ids = yield* append(0, 2)
        yield* takeNow(lease)
        yield* commit(lease, { expectedVersion: 1, ...aTally(2), events: [late(2n)], acknowledged: ids })
        assert.deepStrictEqual((yield* load()).events, [aSeal(2), late(2n)])
        assert.deepStrictEqual(idsOf(yield* takeAll(yield* handOver(lease))), [])
      }))

    test("takes a checkpoint of its root", () =>
      Effect.gen(function* () {
        const lease = yield* aSealedSession
        yield* commit(lease, { expectedVersion: 1, ...aTally(2), checkpoint: covering(2, aRoot(2)) })
        assert.deepStrictEqual((yield* load()).tail, [])
      }))

    const changes: ReadonlyArray<readonly [string, Partial<SessionCommit>]> = [
      ["leaves", { leaves: leaves(5, 6), ...aTally(2) }],
      ["another root", { ...aTally(2), root: aRoot(3) }],
      ["another count", { ...aTally(2), count: 3n }],
      ["another sum", { ...aTally(2), sum: 15n }],
      ["no totals", emptyTally],
      ["a checkpoint of another root", { ...aTally(2), checkpoint: covering(2, aRoot(3)) }],
      ["a second seal", { ...aTally(2), events: [aSeal(2)] }]
    ]
    for (const [what, change] of changes) {
      test(`refuses ${what}, and nothing changes`, () =>
        Effect.gen(function* () {
          const lease = yield* aSealedSession
          const [id] = yield* append(0, 1)
          yield* takeNow(lease)
          const refused = aCommit({ expectedVersion: 1, events: [late(1n)], acknowledged: [id!], ...change })
          yield* isRefused(lease, refused, { reason: "sealed", expectedVersion: 1, storedVersion: 1 })
        }))
    }

    test("stays sealed for the next owner, and when its nodes are dropped", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const next = yield* handOver(yield* aSealedSession)
        yield* store.dropNodes(next, first)
        const error = yield* Effect.flip(commit(next, { expectedVersion: 1, ...aTally(3), leaves: leaves(5, 6) }))
        assert.deepInclude(error, { reason: "sealed" })
        yield* store.saveIntent(next, anIntent({ sessions: [{ session: first, root: aRoot(2) }] }))
      }))

    test("leaves other sessions open", () =>
      Effect.gen(function* () {
        const lease = yield* aSealedSession
        yield* commit(lease, { session: second, leaves: leaves(0, 1), ...aTally(1) })
      }))

    test("is sealed after any number of late commits", () =>
      Effect.gen(function* () {
        const lease = yield* aSealedSession
        for (let version = 1; version < 5; version++) {
          yield* commit(lease, { expectedVersion: version, ...aTally(2), events: [late(1n)] })
        }
        const error = yield* Effect.flip(commit(lease, { expectedVersion: 5, ...aTally(3), leaves: leaves(5, 6) }))
        assert.deepInclude(error, { reason: "sealed", storedVersion: 5 })
      }))
  })
}

/** The first session with two leaves, sealed in its first commit. */
const aSealedSession = Effect.gen(function* () {
  const lease = yield* acquire()
  yield* commit(lease, { leaves: leaves(0, 2), ...aTally(2), events: [aSeal(2)] })
  return lease
})

/** The commit is refused with these facts; session, nodes and deliveries are what they were. */
const isRefused = Effect.fnUntraced(function* (
  lease: Lease,
  refused: SessionCommit,
  facts: Pick<CommitRefused, "reason" | "expectedVersion" | "storedVersion">
) {
  const store = yield* SupplierStore
  const state = Effect.gen(function* () {
    return {
      stored: plain(yield* load()),
      leaves: (yield* store.readLeaves(alice, first)).length,
      inner: hexes(yield* store.readNodes(alice, first, [anInnerNode(1).digest])),
      backlog: yield* store.backlog(lease)
    }
  })
  const before = yield* state
  const error = yield* Effect.flip(store.commit(lease, refused))
  assert.deepInclude(error, { _tag: "CommitRefused", supplier: alice, session: first, ...facts })
  assert.deepStrictEqual(yield* state, before)
})

const plain = (stored: StoredSession) => ({
  session: stored.session,
  version: stored.version,
  events: [...stored.events],
  liveRoot: hexes(Option.toArray(stored.liveRoot))[0],
  tail: hexes(stored.tail),
  root: hexes([stored.root])[0],
  count: stored.count,
  sum: stored.sum
})

const plainTally = (count: number) => ({ ...aTally(count), root: hexes([aRoot(count)])[0] })
