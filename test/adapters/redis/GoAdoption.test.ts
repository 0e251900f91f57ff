/** Sessions of a Go miner: adopted with every leaf, once, by the owner only. */
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Option, Result, type Scope } from "effect"
import { nodeSha256 } from "../../../adapters/crypto/NodeSha256.ts"
import { RedisConnections } from "../../../adapters/redis/RedisConnections.ts"
import { copyOf, isCheckpointed } from "../../../domain/mining/SessionCopy.ts"
import { makeSessionTries } from "../../../domain/mining/SessionTries.ts"
import { SupplierStore } from "../../../domain/ports/SupplierStore.ts"
import { Trie } from "../../../domain/smst/Trie.ts"
import { aLeaf, alice, anIntent, aRelay, bob, first, hexes, second } from "../../contract/StoreFixtures.ts"
import { acquire, commit, load } from "../../contract/SupplierStoreWorld.ts"
import { onEveryStandalone } from "../../support/EveryRedis.ts"
import { storeLayer } from "./StoreWorld.ts"

type Ports = Layer.Success<ReturnType<typeof storeLayer>>

const command = (name: string, ...args: ReadonlyArray<string | Uint8Array>) =>
  RedisConnections.use(({ commands }) => commands.call(name, ...args))

/** A session as Go's miner writes it: 12 leaves, of which the live root covers 10. */
const goSession = Effect.fnUntraced(function* (
  session: string,
  state: string,
  change: { readonly sealed?: boolean; readonly fields?: Readonly<Record<string, string>> } = {}
) {
  const { names } = yield* RedisConnections
  const trie = Trie.empty(nodeSha256)
  const put = (nodes: ReadonlyArray<{ readonly digest: Uint8Array; readonly encoding: Uint8Array }>) =>
    Effect.forEach(nodes, ({ digest, encoding }) =>
      command("hset", names.trie(alice, session, "nodes"), Buffer.from(digest).toString("hex"), encoding)
    )
  const insert = (from: number, to: number) =>
    put(
      Result.getOrThrow(
        trie.insertBatch(
          Array.from({ length: to - from }, (_, n) => {
            const value = aRelay(from + n).relayBytes
            const key = nodeSha256(value)
            return { key, path: nodeSha256(key), value, weight: 7n }
          })
        )
      ).writes
    )
  yield* insert(0, 10)
  const liveRoot = trie.root()
  yield* put(trie.takeWrites(1_000))
  yield* insert(10, 12)
  const root = trie.root()
  yield* command("set", names.trie(alice, session, "live_root"), liveRoot, "EX", "7200")
  if (change.sealed === true) {
    yield* put(trie.takeWrites(1_000))
    yield* command("set", names.trie(alice, session, "root"), root, "EX", "7200")
    yield* command("set", names.trie(alice, session, "stats"), "12:84", "EX", "7200")
  }
  const fields = {
    session_id: session,
    supplier_operator_address: alice,
    service_id: "anvil",
    application_address: "pokt1application",
    session_start_height: "31",
    session_end_height: "40",
    state,
    relay_count: "12",
    total_compute_units: "84",
    created_at: "2026-08-20T10:00:00.000000001Z",
    later_field: "x",
    ...change.fields
  }
  yield* command("hset", names.session(alice, session), ...Object.entries(fields).flat())
  yield* command("sadd", names.sessionIndex(alice), session)
  return { root, liveRoot }
})

onEveryStandalone("Go sessions", (redis) => {
  const test = <E>(name: string, body: () => Effect.Effect<void, E, Ports | Scope.Scope>) =>
    it.live(name, () =>
      Effect.provide(
        Effect.suspend(body),
        Layer.suspend(() => storeLayer(redis.settings()))
      )
    )

  test("an open one is adopted with all its leaves and waits for its checkpoint", () =>
    Effect.gen(function* () {
      const store = yield* SupplierStore
      const { names } = yield* RedisConnections
      const { root } = yield* goSession(first, "active")
      assert.deepStrictEqual(yield* store.sessions(alice), [], "nobody owns the supplier")
      const lease = yield* acquire()
      assert.deepStrictEqual(yield* store.sessions(alice), [first])
      assert.deepStrictEqual(yield* store.sessions(alice), [first])
      const stored = yield* load()
      assert.strictEqual(stored.version, 1)
      assert.deepStrictEqual(stored.events, [
        {
          _tag: "SessionOpened",
          supplier: alice,
          application: "pokt1application",
          service: "anvil",
          sessionId: first,
          startHeight: 31n,
          endHeight: 40n,
          computeUnitsPerRelay: 7n
        }
      ])
      assert.isFalse(isCheckpointed(copyOf(stored)), "or it would be sealed with Go's last checkpoint")
      const tries = yield* makeSessionTries(alice, 4)
      const trie = yield* tries.ready(copyOf(stored), [])
      assert.deepStrictEqual([trie.count, hexes([trie.root()])], [12n, hexes([root])])
      for (const key of ["nodes", "live_root"] as const) {
        assert.strictEqual(yield* command("ttl", names.trie(alice, first, key)), -1)
      }
      yield* commit(lease, { expectedVersion: 1, leaves: [aLeaf(1)], root, count: 12n, sum: 84n })
      assert.strictEqual((yield* load()).version, 2)
    }))

  test("one whose root is final is adopted sealed, with its whole trie", () =>
    Effect.gen(function* () {
      const store = yield* SupplierStore
      const { root } = yield* goSession(first, "claimed", { sealed: true })
      const lease = yield* acquire()
      yield* store.sessions(alice)
      const stored = yield* load()
      assert.deepStrictEqual(stored.events[1], { _tag: "SessionSealed", root, count: 12n, sum: 84n, height: 40n })
      assert.isTrue(isCheckpointed(copyOf(stored)))
      const tries = yield* makeSessionTries(alice, 4)
      const trie = yield* tries.ready(copyOf(stored), [nodeSha256(nodeSha256(aRelay(3).relayBytes))])
      assert.deepStrictEqual(hexes([trie.root()]), hexes([root]))
      assert.deepInclude(yield* Effect.flip(commit(lease, { expectedVersion: 1, leaves: [aLeaf(1)], root })), {
        reason: "sealed"
      })
      yield* store.saveIntent(lease, anIntent({ sessions: [{ session: first, root }] }))
    }))

  test("ended, damaged and foreign ones are left as they are; others are adopted all the same", () =>
    Effect.gen(function* () {
      const store = yield* SupplierStore
      const { names } = yield* RedisConnections
      yield* goSession("cc".repeat(32), "proved", { sealed: true })
      yield* goSession("dd".repeat(32), "active", { fields: { session_end_height: "x" } })
      yield* goSession("ee".repeat(32), "active", { fields: { session_id: second } })
      yield* command("sadd", names.sessionIndex(alice), "ff".repeat(32), "0a")
      yield* command("set", names.session(alice, "0a"), "{}")
      yield* goSession(second, "claiming")
      yield* acquire()
      assert.deepStrictEqual(yield* store.sessions(alice), [second])
      assert.deepStrictEqual(yield* store.sessions(bob), [])
    }))

  test("one that is ours already is not touched", () =>
    Effect.gen(function* () {
      const store = yield* SupplierStore
      const lease = yield* acquire()
      yield* commit(lease, { leaves: [aLeaf(1)], root: new Uint8Array(48), count: 1n, sum: 7n })
      const before = yield* load()
      yield* goSession(first, "active")
      yield* store.sessions(alice)
      const { liveRoot: _, ...after } = yield* load()
      const { liveRoot, ...rest } = before
      assert.isTrue(Option.isNone(liveRoot))
      assert.deepStrictEqual(after, rest)
    }))
})
