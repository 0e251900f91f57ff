/** Intents: durable before a broadcast, only for sealed roots, once for each hash. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { SupplierStore, type TxIntent } from "../../../domain/ports/SupplierStore.ts"
import { aLeaf, alice, anIntent, aRoot, aSeal, aTally, bob, first, hexes, second } from "../StoreFixtures.ts"
import { acquire, commit, handOver, storeTest, type StoreWorld } from "../SupplierStoreWorld.ts"

const hashOf = (n: number) => n.toString(16).padStart(64, "0").toUpperCase()
const both = [
  { session: first, root: aRoot(1) },
  { session: second, root: aRoot(2) }
]

export const intentLaws = (world: StoreWorld): void => {
  const test = storeTest(world)

  describe("intents", () => {
    test("are returned as saved, in the order saved", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const lease = yield* sealedBoth
        const saved = [
          anIntent({ txHash: hashOf(2), sessions: both }),
          anIntent({ txHash: hashOf(1), kind: "proof", timeoutUnixNano: 18_446_744_073_709_551_615n }),
          anIntent({ txHash: hashOf(3), sessions: both.slice(1) })
        ]
        for (const intent of saved) yield* store.saveIntent(lease, intent)
        assert.deepStrictEqual((yield* store.intents(alice)).map(plain), saved.map(plain))
        assert.deepStrictEqual(yield* store.intents(bob), [])
      }))

    test("are idempotent by hash: the first one saved stays, in its place", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const lease = yield* sealedBoth
        const intent = anIntent({ txHash: hashOf(1) })
        yield* store.saveIntent(lease, intent)
        yield* store.saveIntent(lease, anIntent({ txHash: hashOf(2) }))
        yield* store.saveIntent(lease, intent)
        yield* store.saveIntent(lease, { ...intent, windowCloses: 99n })
        assert.deepStrictEqual((yield* store.intents(alice)).map(plain), [
          plain(intent),
          plain(anIntent({ txHash: hashOf(2) }))
        ])
      }))

    const refusals: ReadonlyArray<readonly [string, Partial<TxIntent>, string]> = [
      ["a root that is not the sealed one", { sessions: [{ session: first, root: aRoot(3) }] }, first],
      ["the root of another session", { sessions: [{ session: second, root: aRoot(1) }] }, second],
      [
        "one session of several with another root",
        { sessions: [both[0]!, { session: second, root: aRoot(1) }] },
        second
      ]
    ]
    for (const [what, change, session] of refusals) {
      test(`are refused for ${what}`, () =>
        Effect.gen(function* () {
          const store = yield* SupplierStore
          const lease = yield* sealedBoth
          const error = yield* Effect.flip(store.saveIntent(lease, anIntent(change)))
          assert.deepInclude(error, { _tag: "IntentRefused", supplier: alice, session })
          assert.deepStrictEqual(yield* store.intents(alice), [])
        }))
    }

    test("are refused for sessions that are open, unknown, or of another supplier", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const ofBob = yield* acquire(bob)
        yield* commit(ofBob, { leaves: [aLeaf(1)], ...aTally(1), events: [aSeal(1)] })
        const lease = yield* acquire(alice)
        assert.strictEqual((yield* Effect.flip(store.saveIntent(lease, anIntent())))._tag, "IntentRefused")
        yield* commit(lease, { leaves: [aLeaf(1)], ...aTally(1) })
        assert.strictEqual((yield* Effect.flip(store.saveIntent(lease, anIntent())))._tag, "IntentRefused")
        yield* commit(lease, { expectedVersion: 1, ...aTally(1), events: [aSeal(1)] })
        yield* store.saveIntent(lease, anIntent())
      }))

    test("are gone once dropped; dropping an unknown one is no error", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const lease = yield* sealedBoth
        for (const n of [1, 2, 3]) yield* store.saveIntent(lease, anIntent({ txHash: hashOf(n) }))
        yield* store.dropIntent(lease, hashOf(2))
        yield* store.dropIntent(lease, hashOf(2))
        yield* store.dropIntent(lease, hashOf(9))
        assert.deepStrictEqual(
          (yield* store.intents(alice)).map(({ txHash }) => txHash),
          [hashOf(1), hashOf(3)]
        )
      }))

    test("stay for the next owner", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const lease = yield* sealedBoth
        yield* store.saveIntent(lease, anIntent())
        const next = yield* handOver(lease)
        assert.deepStrictEqual((yield* store.intents(alice)).map(plain), [plain(anIntent())])
        yield* store.dropIntent(next, anIntent().txHash)
        assert.deepStrictEqual(yield* store.intents(alice), [])
      }))
  })
}

/** Two sessions, sealed with one and two leaves. */
const sealedBoth = Effect.gen(function* () {
  const lease = yield* acquire()
  yield* commit(lease, { leaves: [aLeaf(1)], ...aTally(1), events: [aSeal(1)] })
  yield* commit(lease, { session: second, leaves: [aLeaf(1), aLeaf(2)], ...aTally(2), events: [aSeal(2)] })
  return lease
})

const plain = (intent: TxIntent) => ({
  ...intent,
  txBytes: hexes([intent.txBytes])[0],
  sessions: intent.sessions.map(({ session, root }) => ({ session, root: hexes([root])[0] }))
})
