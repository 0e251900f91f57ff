/** Foreign, damaged and vanished keys: named, repaired where that is possible, and never a matter of other sessions. */
import { assert, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Option, type Scope } from "effect"
import { nodeSha256 } from "../../../adapters/crypto/NodeSha256.ts"
import { commitArguments, type CommitFacts, commitScript } from "../../../adapters/redis/CommitScript.ts"
import { RedisConnections } from "../../../adapters/redis/RedisConnections.ts"
import { ForeignKey, itemsOf, StoredSessionDamaged, textOf } from "../../../adapters/redis/StoreReplies.ts"
import { StreamLosses } from "../../../adapters/redis/StreamLosses.ts"
import { copyOf } from "../../../domain/mining/SessionCopy.ts"
import { makeSessionTries } from "../../../domain/mining/SessionTries.ts"
import { SupplierStore } from "../../../domain/ports/SupplierStore.ts"
import { Trie } from "../../../domain/smst/Trie.ts"
import { digestOf } from "../../../domain/smst/TrieSpec.ts"
import {
  aLeaf,
  alice,
  anInnerNode,
  anIntent,
  aRelay,
  aRoot,
  aSeal,
  aTally,
  bob,
  first,
  hexes,
  late,
  second
} from "../../contract/StoreFixtures.ts"
import { acquire, append, commit, handOver, idsOf, load, takeAll, takeNow } from "../../contract/SupplierStoreWorld.ts"
import { onEveryStandalone } from "../../support/EveryRedis.ts"
import { storeLayer } from "./StoreWorld.ts"

type Ports = Layer.Success<ReturnType<typeof storeLayer>>

const command = (name: string, ...args: ReadonlyArray<string | Uint8Array>) =>
  RedisConnections.use(({ commands }) => commands.call(name, ...args))
const names = Effect.map(RedisConnections, (connections) => connections.names)

onEveryStandalone("SupplierStoreRedis, foreign and damaged keys", (redis) => {
  const test = <E>(name: string, body: () => Effect.Effect<void, E, Ports | Scope.Scope>) =>
    it.live(name, () =>
      Effect.provide(
        Effect.suspend(body),
        Layer.suspend(() => storeLayer(redis.settings()))
      )
    )

  /** Every key but the fence, with its content. */
  const everything = Effect.gen(function* () {
    const { base, fence } = yield* names
    const found = (yield* command("keys", `${base}:*`)) as ReadonlyArray<string>
    const dumped = yield* Effect.forEach(found.filter((key) => key !== fence(alice)).sort(), (key) =>
      Effect.map(
        RedisConnections.use(({ commands }) => commands.callBytes("dump", key)),
        (dump) => [key, dump] as const
      )
    )
    return new Map(dumped)
  })

  for (const part of ["record", "log", "tail", "nodes", "live_root", "stream", "index"] as const) {
    test(`a key of another type is named and nothing is written: ${part}`, () =>
      Effect.gen(function* () {
        const { version, log, tail, trie, relays, sessions } = yield* names
        const key = {
          record: version(alice, first),
          log: log(alice, first),
          tail: tail(alice, first),
          nodes: trie(alice, first, "nodes"),
          live_root: trie(alice, first, "live_root"),
          stream: relays(alice),
          index: sessions(alice)
        }[part]
        const lease = yield* acquire()
        yield* part === "live_root" ? command("rpush", key, "x") : command("set", key, "x")
        const before = yield* everything
        const error = yield* Effect.flip(
          commit(lease, { leaves: [aLeaf(1)], ...aTally(1), events: [late(1n)], acknowledged: ["1-1"] })
        )
        assert.deepInclude(error, { _tag: "StoreUnavailable", operation: "commit" })
        const cause = error._tag === "StoreUnavailable" ? error.cause : undefined
        assert.instanceOf(cause, ForeignKey)
        assert.include(String(cause), key)
        assert.deepStrictEqual(yield* everything, before)
        const ofBob = yield* acquire(bob)
        yield* commit(ofBob, { leaves: [aLeaf(1)], ...aTally(1) })
        if (part !== "stream" && part !== "index")
          yield* commit(lease, { session: second, ...aTally(1), leaves: [aLeaf(1)] })
      }))
  }

  test("a stream of another type fails its owner's reads and nobody else's", () =>
    Effect.gen(function* () {
      const store = yield* SupplierStore
      const { relays } = yield* names
      const lease = yield* acquire()
      const ofBob = yield* acquire(bob)
      yield* takeNow(lease)
      yield* takeNow(ofBob)
      const waiting = yield* Effect.forkChild(store.deliveries(ofBob, 10, Duration.seconds(20)))
      yield* command("del", relays(alice))
      yield* command("set", relays(alice), "x")
      const error = yield* Effect.flip(takeNow(lease))
      assert.include(String(error._tag === "StoreUnavailable" ? error.cause : ""), relays(alice))
      assert.strictEqual((yield* Effect.flip(store.backlog(lease)))._tag, "StoreUnavailable")
      const ids = yield* append(0, 1, bob)
      assert.deepStrictEqual(idsOf(yield* Fiber.join(waiting)), ids)
    }))

  const damages: ReadonlyArray<readonly [string, Effect.Effect<unknown, unknown, Ports>]> = [
    ["an event that is no JSON", Effect.flatMap(names, ({ log }) => command("lset", log(alice, first), "0", "{"))],
    [
      "an event of an unknown kind",
      Effect.flatMap(names, ({ log }) => command("lset", log(alice, first), "0", '{"_tag":"Sold","height":"1"}'))
    ],
    ["a missing event", Effect.flatMap(names, ({ log }) => command("lpop", log(alice, first)))],
    ["a log of another type", Effect.flatMap(names, ({ log }) => command("set", log(alice, first), "x"))],
    ["a truncated root", Effect.flatMap(names, ({ version }) => command("hset", version(alice, first), "root", "abc"))],
    [
      "a count that is no number",
      Effect.flatMap(names, ({ version }) => command("hset", version(alice, first), "count", "-1"))
    ]
  ]
  for (const [what, damage] of damages) {
    test(`a session with ${what} cannot be loaded and says so; others can`, () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const lease = yield* acquire()
        yield* commit(lease, { leaves: [aLeaf(1)], ...aTally(1), events: [late(1n), late(2n)] })
        yield* commit(lease, { session: second, leaves: [aLeaf(1)], ...aTally(1), events: [late(1n)] })
        yield* damage
        const error = yield* Effect.flip(store.load(alice, first))
        assert.instanceOf(error.cause, StoredSessionDamaged)
        assert.deepInclude(error.cause, { supplier: alice, session: first })
        assert.strictEqual((yield* load(second)).version, 1)
      }))
  }

  test("fields of later versions in an event are passed over", () =>
    Effect.gen(function* () {
      const { log } = yield* names
      const lease = yield* acquire()
      yield* commit(lease, { ...aTally(1), events: [late(1n)] })
      const [text] = (yield* command("lrange", log(alice, first), "0", "-1")) as ReadonlyArray<string>
      yield* command("lset", log(alice, first), "0", JSON.stringify({ ...JSON.parse(text!), later: { a: 1 } }))
      assert.deepStrictEqual((yield* load()).events, [late(1n)])
    }))

  test("what a commit left beyond the recorded lengths does not count and goes with the next one", () =>
    Effect.gen(function* () {
      const { log, tail } = yield* names
      const lease = yield* acquire()
      yield* commit(lease, { leaves: [aLeaf(1)], ...aTally(1), events: [late(1n)] })
      yield* command("rpush", log(alice, first), "{", "{")
      yield* command("rpush", tail(alice, first), Buffer.alloc(48, 7))
      const stored = yield* load()
      assert.deepStrictEqual([stored.events, hexes(stored.tail)], [[late(1n)], hexes([aLeaf(1).digest])])
      yield* commit(lease, { expectedVersion: 1, leaves: [aLeaf(2)], ...aTally(2), events: [late(2n)] })
      const next = yield* load()
      assert.deepStrictEqual(next.events, [late(1n), late(2n)])
      assert.deepStrictEqual(hexes(next.tail), hexes([aLeaf(1).digest, aLeaf(2).digest]))
    }))

  test("a live root that somebody else wrote refuses the commit; once it was seen by load, the next one stands", () =>
    Effect.gen(function* () {
      const { trie } = yield* names
      const lease = yield* acquire()
      const checkpoint = Option.some({ liveRoot: aRoot(1), tailCovered: 1 })
      yield* commit(lease, { leaves: [aLeaf(1)], ...aTally(1), checkpoint })
      yield* command("set", trie(alice, first, "live_root"), aRoot(9))
      const change = { expectedVersion: 1, leaves: [aLeaf(2)], ...aTally(2) }
      const error = yield* Effect.flip(commit(lease, change))
      assert.deepInclude(error, { _tag: "CommitRefused", reason: "foreign_root", storedVersion: 1 })
      assert.deepStrictEqual(hexes(Option.toArray((yield* load()).liveRoot)), hexes([aRoot(9)]))
      yield* commit(lease, change)
      yield* commit(lease, { expectedVersion: 2, ...aTally(2) })
      yield* command("set", trie(alice, first, "live_root"), aRoot(8))
      assert.deepInclude(yield* Effect.flip(commit(lease, { expectedVersion: 3, ...aTally(2) })), {
        reason: "foreign_root"
      })
    }))

  test("a slice of a commit writes nothing unless the one before it is in", () =>
    Effect.gen(function* () {
      const { commits, names } = yield* RedisConnections
      const lease = yield* acquire()
      yield* commit(lease, { leaves: [aLeaf(1)], ...aTally(1) })
      const before = yield* everything
      const keys = [
        names.fence(alice),
        names.version(alice, first),
        names.log(alice, first),
        names.tail(alice, first),
        names.trie(alice, first, "nodes"),
        names.trie(alice, first, "live_root"),
        names.relays(alice),
        names.sessions(alice)
      ]
      const facts: CommitFacts = {
        nonce: lease.nonce,
        expectedVersion: 1,
        leaves: 3,
        covered: -1,
        liveRoot: new Uint8Array(0),
        ...aTally(4),
        sealedRoot: new Uint8Array(0),
        accepted: undefined,
        group: names.group,
        session: first,
        acknowledgeBy: "xack",
        events: [],
        fields: [],
        acknowledged: [],
        id: "x"
      }
      const slice = (offset: number, leaf: number) =>
        commits.run(commitScript, keys, commitArguments(facts, [aLeaf(leaf)], offset, offset === 2))
      const codeOf = (reply: unknown) => textOf(itemsOf(reply)[0])
      assert.strictEqual(codeOf(yield* slice(1, 3)), "chain")
      assert.deepStrictEqual(yield* everything, before)
      assert.deepStrictEqual(
        [
          codeOf(yield* slice(0, 2)),
          codeOf(yield* slice(2, 4)),
          codeOf(yield* slice(1, 3)),
          codeOf(yield* slice(2, 4))
        ],
        ["ok", "chain", "ok", "ok"]
      )
      assert.deepStrictEqual(hexes((yield* load()).tail), hexes([1, 2, 3, 4].map((n) => aLeaf(n).digest)))
    }))

  test("a live root of the wrong length is none", () =>
    Effect.gen(function* () {
      const { trie } = yield* names
      const lease = yield* acquire()
      yield* commit(lease, { leaves: [aLeaf(1)], ...aTally(1) })
      yield* command("set", trie(alice, first, "live_root"), "short")
      assert.isTrue(Option.isNone((yield* load()).liveRoot))
    }))

  test("opens a trie that Go has begun with every leaf that Go stored, and takes over its expiry", () =>
    Effect.gen(function* () {
      const store = yield* SupplierStore
      const { trie } = yield* names
      const relays = Array.from({ length: 12 }, (_, n) => aRelay(n))
      const go = Trie.empty(nodeSha256)
      const insert = (from: number, to: number) => {
        const batch = relays.slice(from, to).map(({ relayBytes }) => {
          const key = nodeSha256(relayBytes)
          return { key, path: nodeSha256(key), value: relayBytes, weight: 7n }
        })
        const inserted = go.insertBatch(batch)
        return inserted._tag === "Success" ? inserted.success.writes : assert.fail("inserted")
      }
      const put = (nodes: ReadonlyArray<{ readonly digest: Uint8Array; readonly encoding: Uint8Array }>) =>
        Effect.forEach(nodes, ({ digest, encoding }) =>
          command("hset", trie(alice, first, "nodes"), Buffer.from(digest).toString("hex"), encoding)
        )
      yield* put(insert(0, 10))
      const liveRoot = go.root()
      yield* put(go.takeWrites(1_000))
      // Two more updates after the checkpoint: their leaves are stored, their root is not.
      yield* put(insert(10, 12))
      yield* command("set", trie(alice, first, "live_root"), liveRoot, "EX", "7200")
      yield* command("expire", trie(alice, first, "nodes"), "7200")

      const stored = yield* load()
      assert.deepInclude(stored, { version: 0, events: [] })
      const tries = yield* makeSessionTries(alice, 4)
      const opened = yield* tries.ready(copyOf(stored), [])
      assert.deepStrictEqual([opened.count, hexes([opened.root()])], [12n, hexes([go.root()])])

      const lease = yield* acquire()
      yield* commit(lease, { root: opened.root(), count: opened.count, sum: opened.sum })
      assert.deepStrictEqual(yield* command("ttl", trie(alice, first, "nodes")), -1)
      assert.deepStrictEqual(yield* command("ttl", trie(alice, first, "live_root")), -1)
      yield* commit(lease, { expectedVersion: 1, root: opened.root(), count: opened.count, sum: opened.sum })
      assert.strictEqual((yield* store.readLeaves(alice, first)).length, 12)
    }))

  test("a trie with a missing and a cut-off node is built again from its leaves", () =>
    Effect.gen(function* () {
      const { trie } = yield* names
      const relays = Array.from({ length: 40 }, (_, n) => aRelay(n))
      const whole = Trie.empty(nodeSha256)
      const inserted = whole.insertBatch(
        relays.map(({ relayBytes }) => {
          const key = nodeSha256(relayBytes)
          return { key, path: nodeSha256(key), value: relayBytes, weight: 7n }
        })
      )
      const leaves = inserted._tag === "Success" ? inserted.success.writes : []
      const root = whole.root()
      const inner = whole.takeWrites(1_000)
      const lease = yield* acquire()
      const store = yield* SupplierStore
      yield* commit(lease, { leaves, root, count: 40n, sum: 280n })
      yield* store.writeNodes(lease, first, inner)
      yield* commit(lease, {
        expectedVersion: 1,
        root,
        count: 40n,
        sum: 280n,
        checkpoint: Option.some({ liveRoot: root, tailCovered: 40 })
      })
      const nodes = trie(alice, first, "nodes")
      yield* command("hdel", nodes, Buffer.from(root).toString("hex"))
      yield* command("hset", nodes, Buffer.from(inner[0]!.digest).toString("hex"), "\u0001ab")
      yield* command("hset", nodes, Buffer.from(anInnerNode(1).digest).toString("hex"), "")
      // A leaf that does not fit its digest, under a digest that nothing reaches.
      yield* command("hset", nodes, "00".repeat(48), Buffer.from(aLeaf(1).encoding))
      const tries = yield* makeSessionTries(alice, 4)
      const opened = yield* tries.ready(
        copyOf(yield* load()),
        relays.map(({ relayBytes }) => nodeSha256(nodeSha256(relayBytes)))
      )
      assert.deepStrictEqual(hexes([opened.root()]), hexes([root]))
      assert.strictEqual(
        (yield* store.readLeaves(alice, first)).every(
          ({ digest, encoding }) => Buffer.compare(digest, digestOf(encoding, nodeSha256)) === 0
        ),
        true
      )
    }))

  test("entries that were deleted while pending are acknowledged and counted as lost", () =>
    Effect.gen(function* () {
      const { relays, group } = yield* names
      const lease = yield* acquire()
      const ids = yield* append(0, 4)
      yield* takeNow(lease)
      yield* command("xdel", relays(alice), ids[0]!, ids[2]!)
      const next = yield* handOver(lease)
      assert.deepStrictEqual(idsOf(yield* takeAll(next)), [ids[1]!, ids[3]!])
      assert.deepStrictEqual([...(yield* (yield* StreamLosses).lost)], [[alice, 2]])
      const [pending] = (yield* command("xpending", relays(alice), group)) as ReadonlyArray<number>
      assert.strictEqual(pending, 2)
    }))

  test("a stream that vanished with a backlog is counted as lost, and read on from its new beginning", () =>
    Effect.gen(function* () {
      const { relays } = yield* names
      const { lost } = yield* StreamLosses
      const lease = yield* acquire()
      const ids = yield* append(0, 5)
      yield* takeNow(lease, 2)
      yield* commit(lease, { acknowledged: ids.slice(0, 1) })
      yield* command("del", relays(alice))
      const [fresh] = yield* append(5, 6)
      assert.deepStrictEqual(idsOf(yield* takeAll(lease)), [fresh!])
      assert.deepStrictEqual([...(yield* lost)], [[alice, 4]])
      yield* commit(lease, { expectedVersion: 1, acknowledged: [fresh!] })
      yield* takeNow(lease)
      yield* command("del", relays(alice))
      yield* takeNow(lease)
      assert.deepStrictEqual([...(yield* lost)], [[alice, 4]], "nothing was in it")
    }))

  test("a stream that is about to expire is kept while it is read", () =>
    Effect.gen(function* () {
      const { relays } = yield* names
      const lease = yield* acquire()
      yield* append(0, 1)
      for (const when of ["first", "later"]) {
        yield* command("expire", relays(alice), "100")
        yield* takeNow(lease)
        assert.strictEqual(yield* command("ttl", relays(alice)), -1, when)
      }
    }))

  test("what a former owner's read takes after the takeover comes to the owner, at once when the seal asks", () =>
    Effect.gen(function* () {
      const store = yield* SupplierStore
      const { relays, group } = yield* names
      const former = yield* acquire()
      yield* takeNow(former)
      const lease = yield* handOver(former)
      yield* takeNow(lease)
      const waiting = yield* Effect.forkChild(store.deliveries(lease, 10, Duration.seconds(20)))
      const ids = yield* append(0, 1)
      assert.deepStrictEqual(idsOf(yield* Fiber.join(waiting)), ids)
      const strays = yield* Effect.forEach([1, 2, 3], (n) =>
        Effect.gen(function* () {
          const { commands } = yield* RedisConnections
          // In one transaction, so that the owner's own read cannot come in between.
          yield* commands.pipeline([
            { name: "multi", args: [] },
            { name: "xadd", args: [relays(alice), "*", "data", `${n}`] },
            { name: "xreadgroup", args: ["GROUP", group, former.nonce, "COUNT", 1, "STREAMS", relays(alice), ">"] },
            { name: "exec", args: [] }
          ])
          return n
        })
      )
      const from = Date.now()
      yield* store.backlog(lease)
      const taken = yield* store.deliveries(lease, 10, Duration.seconds(20))
      assert.isBelow(Date.now() - from, 1_000)
      assert.deepStrictEqual(
        taken.map(({ data }) => Buffer.from(data).toString()),
        strays.map(String)
      )
      yield* commit(lease, { acknowledged: [...ids, ...idsOf(taken)] })
      assert.isTrue(Option.isNone((yield* store.backlog(lease)).oldestPending))
    }))

  test("consumers of former owners go when they hold nothing", () =>
    Effect.gen(function* () {
      const { relays, group } = yield* names
      const lease = yield* acquire()
      yield* append(0, 3)
      yield* takeNow(lease, 2)
      const next = yield* handOver(yield* handOver(lease))
      yield* takeNow(next)
      const consumers = (yield* command("xinfo", "CONSUMERS", relays(alice), group)) as ReadonlyArray<unknown>
      assert.lengthOf(consumers, 1)
    }))

  test("an entry without data is handed out empty, so that it can be set aside", () =>
    Effect.gen(function* () {
      const { relays } = yield* names
      const lease = yield* acquire()
      yield* command("xadd", relays(alice), "*", "other", "x")
      const [delivery] = yield* takeNow(lease)
      assert.lengthOf(delivery!.data, 0)
    }))

  test("keys of an open session and of an intent within its window do not expire", () =>
    Effect.gen(function* () {
      const store = yield* SupplierStore
      const { base, fence, intent, intents } = yield* names
      const lease = yield* acquire()
      yield* commit(lease, { leaves: [aLeaf(1)], ...aTally(1), events: [aSeal(1)] })
      yield* store.saveIntent(lease, anIntent())
      const keys = (yield* command("keys", `${base}:*`)) as ReadonlyArray<string>
      const expiring = yield* Effect.filter(keys, (key) => Effect.map(command("ttl", key), (ttl) => ttl !== -1))
      const saved = intent(alice, 40n)
      assert.sameMembers([...expiring], [fence(alice), saved, intents(alice)])
      // Ten blocks of a minute and an hour at least.
      assert.isAbove(Number(yield* command("ttl", saved)), 70 * 60)
    }))

  test("an intent that cannot be read is passed over, the others are returned", () =>
    Effect.gen(function* () {
      const store = yield* SupplierStore
      const { intent } = yield* names
      const lease = yield* acquire()
      yield* commit(lease, { leaves: [aLeaf(1)], ...aTally(1), events: [aSeal(1)] })
      yield* store.saveIntent(lease, anIntent())
      yield* store.saveIntent(lease, anIntent({ txHash: "CD".repeat(32) }))
      yield* command("hset", intent(alice, 40n), "AB".repeat(32), "1 {")
      assert.deepStrictEqual(
        (yield* store.intents(alice)).map(({ txHash }) => txHash),
        ["CD".repeat(32)]
      )
    }))
})
