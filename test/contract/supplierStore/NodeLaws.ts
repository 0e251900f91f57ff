/** Nodes, removal, entries set aside. */
import { assert, describe } from "@effect/vitest"
import { Effect, Option } from "effect"
import { SupplierStore } from "../../../domain/ports/SupplierStore.ts"
import { aLeaf, alice, anInnerNode, aRoot, aSeal, aTally, first, hexes, late, second } from "../StoreFixtures.ts"
import {
  acquire,
  append,
  commit,
  handOver,
  idsOf,
  load,
  StoreInspector,
  storeTest,
  type StoreWorld,
  takeAll,
  takeNow
} from "../SupplierStoreWorld.ts"

const leaves = [0, 1, 2].map(aLeaf)
const inner = [0, 1, 2].map(anInnerNode)
const digestsOf = (nodes: ReadonlyArray<{ readonly digest: Uint8Array }>) => nodes.map(({ digest }) => digest)
const encodingsOf = (nodes: ReadonlyArray<{ readonly encoding: Uint8Array }>) =>
  hexes(nodes.map(({ encoding }) => encoding))

export const nodeLaws = (world: StoreWorld): void => {
  const test = storeTest(world)

  describe("nodes", () => {
    test("are read in the order asked for, undefined where none is stored", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        yield* aTrie
        const asked = [inner[1]!, aLeaf(9), leaves[2]!, leaves[0]!, inner[1]!, anInnerNode(9)]
        const [b, , c, a] = asked
        assert.deepStrictEqual(hexes(yield* store.readNodes(alice, first, digestsOf(asked))), [
          ...encodingsOf([b!]),
          undefined,
          ...encodingsOf([c!, a!, b!]),
          undefined
        ])
      }))

    test("are none for no digests and for a session that is not stored", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        yield* aTrie
        assert.deepStrictEqual(yield* store.readNodes(alice, first, []), [])
        assert.deepStrictEqual(yield* store.readNodes(alice, second, digestsOf(leaves)), [
          undefined,
          undefined,
          undefined
        ])
        assert.deepStrictEqual(yield* store.readLeaves(alice, second), [])
      }))

    test("readLeaves returns every leaf with its digest, covered or not, and no inner node", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        yield* aTrie
        const read = yield* store.readLeaves(alice, first)
        assert.lengthOf(read, leaves.length)
        assert.sameMembers([...hexes(digestsOf(read))], [...hexes(digestsOf(leaves))])
        assert.sameMembers([...encodingsOf(read)], [...encodingsOf(leaves)])
      }))

    test("may be written twice", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const lease = yield* aTrie
        yield* store.writeNodes(lease, first, inner)
        assert.deepStrictEqual(hexes(yield* store.readNodes(alice, first, digestsOf(inner))), encodingsOf(inner))
      }))

    test("written before their checkpoint change neither version nor roots", () =>
      Effect.gen(function* () {
        const lease = yield* acquire()
        const store = yield* SupplierStore
        yield* commit(lease, { leaves, ...aTally(3) })
        yield* store.writeNodes(lease, first, inner)
        const stored = yield* load()
        assert.deepStrictEqual([stored.version, stored.tail.length, stored.liveRoot], [1, 3, Option.none()])
      }))

    test("are not written for a session of which nothing is committed", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const lease = yield* acquire()
        yield* store.writeNodes(lease, first, inner)
        assert.deepStrictEqual(yield* store.sessions(alice), [])
        assert.deepStrictEqual(
          yield* store.readNodes(alice, first, digestsOf(inner)),
          inner.map(() => undefined)
        )
      }))

    test("that are deleted are gone, the others stay; absent ones are passed over", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const lease = yield* aTrie
        yield* store.deleteNodes(lease, first, digestsOf([inner[1]!, anInnerNode(9)]))
        yield* store.deleteNodes(lease, second, digestsOf(inner))
        assert.deepStrictEqual(hexes(yield* store.readNodes(alice, first, digestsOf(inner))), [
          encodingsOf(inner)[0],
          undefined,
          encodingsOf(inner)[2]
        ])
        assert.lengthOf(yield* store.readLeaves(alice, first), 3)
      }))

    test("belong to their session", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const lease = yield* aTrie
        yield* commit(lease, { session: second, leaves, ...aTally(3) })
        yield* store.deleteNodes(lease, first, digestsOf(leaves))
        assert.lengthOf(yield* store.readLeaves(alice, second), 3)
      }))

    test("do not change when the arrays they came from do", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const lease = yield* acquire()
        const buffer = new Uint8Array([...leaves[0]!.digest, ...leaves[0]!.encoding])
        yield* commit(lease, {
          leaves: [{ digest: buffer.subarray(0, 48), encoding: buffer.subarray(48) }],
          ...aTally(1)
        })
        buffer.fill(0xff)
        assert.deepStrictEqual(hexes((yield* load()).tail), hexes(digestsOf(leaves.slice(0, 1))))
        assert.deepStrictEqual(
          hexes(yield* store.readNodes(alice, first, digestsOf(leaves.slice(0, 1)))),
          encodingsOf(leaves.slice(0, 1))
        )
      }))
  })

  describe("removal", () => {
    test("dropNodes removes the trie; events, version, root and totals stay", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const lease = yield* aTrie
        yield* commit(lease, { expectedVersion: 2, ...aTally(3), events: [aSeal(3)] })
        const before = yield* load()
        yield* store.dropNodes(lease, first)
        assert.deepStrictEqual(yield* load(), { ...before, liveRoot: Option.none(), tail: [] })
        assert.deepStrictEqual(yield* store.readLeaves(alice, first), [])
        assert.deepStrictEqual(yield* store.sessions(alice), [first])
        yield* store.dropNodes(lease, first)
        yield* commit(lease, { expectedVersion: 3, ...aTally(3), events: [late(1n)] })
        assert.strictEqual((yield* load()).version, 4)
      }))

    test("dropNodes does not change what load returned before", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const lease = yield* acquire()
        yield* commit(lease, { leaves, ...aTally(3) })
        const before = yield* load()
        yield* store.dropNodes(lease, first)
        assert.lengthOf(before.tail, 3)
      }))

    test("forget removes everything of a session; it may begin anew", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const lease = yield* aTrie
        yield* commit(lease, { expectedVersion: 2, ...aTally(3), events: [aSeal(3)] })
        yield* store.forget(lease, first)
        assert.isTrue(Option.isNone(yield* store.load(alice, first)))
        assert.deepStrictEqual(yield* store.sessions(alice), [])
        assert.deepStrictEqual(yield* store.readLeaves(alice, first), [])
        yield* store.forget(lease, first)
        yield* commit(lease, { leaves: leaves.slice(0, 1), ...aTally(1) })
        const stored = yield* load()
        assert.deepStrictEqual([stored.version, stored.events, stored.tail.length], [1, [], 1])
      }))

    test("of one session leaves the others and the deliveries", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const lease = yield* aTrie
        const ids = yield* append(0, 2)
        yield* takeNow(lease, 1)
        yield* commit(lease, { session: second, leaves: leaves.slice(0, 1), ...aTally(1) })
        yield* store.forget(lease, first)
        yield* store.dropNodes(lease, first)
        assert.deepStrictEqual(yield* store.sessions(alice), [second])
        assert.lengthOf(yield* store.readLeaves(alice, second), 1)
        assert.deepStrictEqual(idsOf(yield* takeAll(yield* handOver(lease))), ids)
      }))

    test("sessions are listed ascending", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const lease = yield* acquire()
        yield* commit(lease, { session: second })
        yield* commit(lease, { session: first })
        assert.deepStrictEqual(yield* store.sessions(alice), [first, second])
      }))
  })

  describe("setAside", () => {
    test("keeps the entries with the reason and acknowledges them", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const { setAside } = yield* StoreInspector
        const lease = yield* acquire()
        const ids = yield* append(0, 3)
        const taken = yield* takeNow(lease)
        yield* store.setAside(lease, taken.slice(0, 1), "wire")
        yield* store.setAside(lease, taken.slice(2), "supplier")
        assert.deepStrictEqual(yield* setAside(alice), [
          { id: ids[0]!, reason: "wire" },
          { id: ids[2]!, reason: "supplier" }
        ])
        assert.deepStrictEqual(idsOf(yield* takeAll(yield* handOver(lease))), [ids[1]!])
      }))

    test("sets nothing aside twice, and nothing that a commit settled", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const { setAside } = yield* StoreInspector
        const lease = yield* acquire()
        const ids = yield* append(0, 2)
        const taken = yield* takeNow(lease)
        yield* commit(lease, { acknowledged: [ids[1]!] })
        yield* store.setAside(lease, taken, "wire")
        yield* store.setAside(lease, taken, "wire")
        assert.deepStrictEqual(yield* setAside(alice), [{ id: ids[0]!, reason: "wire" }])
      }))

    test("is bounded: the oldest is dropped, and stays acknowledged", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const { setAside, setAsideLimit } = yield* StoreInspector
        const lease = yield* acquire()
        const ids = yield* append(0, setAsideLimit + 30)
        for (;;) {
          const taken = yield* takeNow(lease, 100)
          if (taken.length === 0) break
          yield* store.setAside(lease, taken, "wire")
        }
        const kept = yield* setAside(alice)
        assert.deepStrictEqual(idsOfAside(kept), ids.slice(-kept.length))
        assert.isAtMost(kept.length, setAsideLimit)
        assert.deepStrictEqual(idsOf(yield* takeAll(yield* handOver(lease))), [])
      }))
  })
}

/** The first session with three leaves and three inner nodes, checkpointed: version 2. */
const aTrie = Effect.gen(function* () {
  const store = yield* SupplierStore
  const lease = yield* acquire()
  yield* commit(lease, { leaves, ...aTally(3) })
  yield* store.writeNodes(lease, first, inner)
  const checkpoint = Option.some({ liveRoot: aRoot(3), tailCovered: 2 })
  yield* commit(lease, { expectedVersion: 1, ...aTally(3), checkpoint })
  return lease
})

const idsOfAside = (entries: ReadonlyArray<{ readonly id: string }>) => entries.map(({ id }) => id)
