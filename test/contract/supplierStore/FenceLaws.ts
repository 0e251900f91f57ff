/** The fence: only the present owner's calls take effect; a refused write changes nothing. */
import { assert, describe } from "@effect/vitest"
import { Duration, Effect, Option } from "effect"
import { type Lease, Leases } from "../../../domain/ports/Leases.ts"
import { type Delivery, SupplierStore } from "../../../domain/ports/SupplierStore.ts"
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
  first,
  hexes,
  renewOne
} from "../StoreFixtures.ts"
import {
  acquire,
  append,
  commit,
  handOver,
  idsOf,
  StoreInspector,
  storeTest,
  type StoreWorld,
  takeAll,
  takeNow,
  takeOver
} from "../SupplierStoreWorld.ts"
import type { Timing } from "../Timing.ts"

type Store = SupplierStore["Service"]

/** Every call that needs the lease. `held` is a delivery that is not acknowledged. */
const fencedCalls: ReadonlyArray<
  readonly [name: string, call: (store: Store, lease: Lease, held: Delivery) => Effect.Effect<unknown, unknown>]
> = [
  ["deliveries", (store, lease) => store.deliveries(lease, 10, Duration.zero)],
  ["redeliver", (store, lease) => store.redeliver(lease)],
  [
    "commit",
    (store, lease, held) =>
      store.commit(lease, aCommit({ expectedVersion: 2, ...aTally(1), events: [lateOne], acknowledged: [held.id] }))
  ],
  ["writeNodes", (store, lease) => store.writeNodes(lease, first, [anInnerNode(9)])],
  ["deleteNodes", (store, lease) => store.deleteNodes(lease, first, [aLeaf(1).digest])],
  ["setAside", (store, lease, held) => store.setAside(lease, [held], "poison")],
  ["saveIntent", (store, lease) => store.saveIntent(lease, anIntent({ txHash: "CD".repeat(32) }))],
  ["dropIntent", (store, lease) => store.dropIntent(lease, anIntent().txHash)],
  ["dropNodes", (store, lease) => store.dropNodes(lease, first)],
  ["forget", (store, lease) => store.forget(lease, first)]
]

const lateOne = { _tag: "RelaysLate", count: 1n, sum: 7n, reason: "sealed" } as const

/** Ways to come to a lease that is no fence, from one that is. */
const lostLeases: ReadonlyArray<
  readonly [name: string, lose: (lease: Lease, timing: Timing) => Effect.Effect<Lease, unknown, Leases>]
> = [
  ["taken over by another replica after its end", (lease, timing) => Effect.as(takeOver(lease, timing), lease)],
  ["released and acquired by another replica", (lease) => Effect.as(handOver(lease), lease)],
  ["acquired again by the same replica", (lease) => Effect.as(handOver(lease, lease.owner), lease)],
  [
    "released, held by nobody",
    (lease) =>
      Effect.as(
        Leases.use((leases) => leases.release(lease)),
        lease
      )
  ],
  [
    "expired, held by nobody",
    (lease, { pass }) =>
      Effect.as(
        Leases.use(({ ttl }) => pass(Duration.sum(ttl, Duration.millis(50)))),
        lease
      )
  ],
  ["made up", (lease) => Effect.succeed({ ...lease, nonce: "0123456789abcdef0123456789abcdef" })],
  ["with an empty nonce", (lease) => Effect.succeed({ ...lease, nonce: "" })],
  ["of another supplier", (lease) => Effect.map(acquire(bob), (other) => ({ ...other, supplier: lease.supplier }))]
]

export const fenceLaws = (world: StoreWorld): void => {
  const test = storeTest(world)

  describe("fence", () => {
    for (const [lost, lose] of lostLeases) {
      test(`refuses every call with a lease ${lost}, and nothing changes`, () =>
        Effect.gen(function* () {
          const store = yield* SupplierStore
          const lease = yield* acquire()
          const held = yield* aBusySupplier(lease)
          const gone = yield* Effect.orDie(lose(lease, world.timing))
          const before = yield* everythingOf(lease)
          for (const [name, call] of fencedCalls) {
            const error = yield* Effect.flip(call(store, gone, held))
            assert.deepInclude(error, { _tag: "LeaseLost", supplier: alice, owner: gone.owner }, name)
            assert.deepStrictEqual(yield* everythingOf(lease), before, name)
          }
        }))
    }

    test("leaves to the next owner what a lost one tried to settle", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const lease = yield* acquire()
        const ids = yield* append(0, 2)
        const [a, b] = yield* takeNow(lease)
        const next = yield* handOver(lease)
        yield* Effect.flip(commit(lease, { acknowledged: [a!.id] }))
        yield* Effect.flip(store.setAside(lease, [b!], "poison"))
        assert.deepStrictEqual(idsOf(yield* takeAll(next)), ids)
      }))

    test("refuses a commit before it looks at the commit", () =>
      Effect.gen(function* () {
        const lease = yield* acquire()
        yield* handOver(lease)
        const error = yield* Effect.flip(commit(lease, { expectedVersion: 99 }))
        assert.strictEqual(error._tag, "LeaseLost")
      }))

    test("creates no session for a refused commit", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const lease = yield* acquire()
        yield* handOver(lease)
        yield* Effect.flip(commit(lease, { leaves: [aLeaf(1)], ...aTally(1) }))
        assert.isTrue(Option.isNone(yield* store.load(alice, first)))
        assert.deepStrictEqual(yield* store.sessions(alice), [])
      }))

    test("stays open for an owner that renews", () =>
      Effect.gen(function* () {
        const leases = yield* Leases
        const lease = yield* acquire()
        for (let renewal = 0; renewal < 4; renewal++) {
          yield* world.timing.pass(Duration.times(leases.ttl, 0.6))
          yield* renewOne(leases, lease)
        }
        yield* commit(lease, { leaves: [aLeaf(1)], ...aTally(1) })
      }))

    test("of two owners, the earlier one's late commit is refused and the later one's stands", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const lease = yield* acquire()
        const [a] = yield* append(0, 1)
        yield* takeNow(lease)
        const next = yield* takeOver(lease, world.timing)
        assert.deepStrictEqual(idsOf(yield* takeNow(next)), [a!])
        const change = { leaves: [aLeaf(1)], ...aTally(1), acknowledged: [a!] }
        const [late, stands] = yield* Effect.all(
          [Effect.exit(commit(lease, change)), Effect.exit(commit(next, change))],
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual([late._tag, stands._tag], ["Failure", "Success"])
        assert.deepStrictEqual(Option.getOrThrow(yield* store.load(alice, first)).version, 1)
      }))
  })
}

/** A supplier with a sealed session of version 2, an intent, one entry aside, one held and one undelivered. */
const aBusySupplier = Effect.fnUntraced(function* (lease: Lease) {
  const store = yield* SupplierStore
  yield* append(0, 2)
  const [poison, held] = yield* takeNow(lease)
  yield* store.setAside(lease, [poison!], "poison")
  yield* commit(lease, { leaves: [aLeaf(1)], ...aTally(1) })
  yield* store.writeNodes(lease, first, [anInnerNode(1)])
  const checkpoint = Option.some({ liveRoot: aRoot(1), tailCovered: 1 })
  yield* commit(lease, { expectedVersion: 1, ...aTally(1), events: [aSeal(1)], checkpoint })
  yield* store.saveIntent(lease, anIntent())
  yield* append(2, 3)
  return held!
})

/** All that the port and the inspector show of a supplier and its first session. */
const everythingOf = Effect.fnUntraced(function* (lease: Lease) {
  const store = yield* SupplierStore
  const { setAside } = yield* StoreInspector
  const stored = Option.getOrThrow(yield* store.load(alice, first))
  const digests = [aLeaf(1), anInnerNode(1), anInnerNode(9)].map(({ digest }) => digest)
  return {
    sessions: yield* store.sessions(alice),
    stored: { ...stored, tail: hexes(stored.tail), root: hexes([stored.root]) },
    nodes: hexes(yield* store.readNodes(alice, first, digests)),
    intents: (yield* store.intents(alice)).map(({ txHash }) => txHash),
    aside: yield* setAside(alice),
    backlog: yield* store.backlog(lease)
  }
})
