/** Lost requests, lost replies, servers killed in the middle: every commit happens once or not at all. */
import { assert, it } from "@effect/vitest"
import { Duration, Effect, Fiber, type Layer, Option, Ref, References, Schedule } from "effect"
import { nodeSha256 } from "../../../adapters/crypto/NodeSha256.ts"
import { commitScript } from "../../../adapters/redis/CommitScript.ts"
import { RedisConnections } from "../../../adapters/redis/RedisConnections.ts"
import { Leases, type Lease } from "../../../domain/ports/Leases.ts"
import { RelayLog } from "../../../domain/ports/RelayLog.ts"
import type { StoredNode } from "../../../domain/ports/SupplierStore.ts"
import { SupplierStore } from "../../../domain/ports/SupplierStore.ts"
import { digestOf } from "../../../domain/smst/TrieSpec.ts"
import { aLeaf, alice, anEntry, aRoot, aTally, first, hexes, late, second } from "../../contract/StoreFixtures.ts"
import { acquire, append, commit, handOver, idsOf, load, takeAll, takeNow } from "../../contract/SupplierStoreWorld.ts"
import { onEveryStandalone } from "../../support/EveryRedis.ts"
import { redisProcess } from "../../support/RedisProcess.ts"
import { settingsFor, standaloneAddress } from "../../support/RedisServers.ts"
import { type TcpProxy, tcpProxy } from "../../support/TcpProxy.ts"
import { storeLayer } from "./StoreWorld.ts"

type Ports = Layer.Success<ReturnType<typeof storeLayer>>

/** Whether a piece of a request calls the commit script. */
const isCommit = (piece: Buffer) => piece.includes(commitScript.sha)

onEveryStandalone("SupplierStoreRedis, losses", (redis) => {
  /** A test whose connections go through a proxy. The commit script is loaded. */
  const test = <E>(name: string, body: (proxy: TcpProxy) => Effect.Effect<void, E, Ports>) =>
    it.live(name, () =>
      Effect.gen(function* () {
        const proxy = yield* tcpProxy(redis.deployment().servers[0]!.port)
        const settings = settingsFor(standaloneAddress(proxy.port))
        yield* Effect.gen(function* () {
          const lease = yield* acquire()
          yield* commit(lease, { session: second })
          yield* Leases.use((leases) => leases.release(lease))
          yield* body(proxy)
        }).pipe(Effect.provide(storeLayer(settings, LEASE_LIFE)), withoutLogs)
      })
    )

  test("a commit whose reply is lost has succeeded, once", (proxy) =>
    Effect.gen(function* () {
      const lease = yield* acquire()
      const ids = yield* append(0, 2)
      yield* takeNow(lease)
      let lost = 0
      proxy.judge = (piece) => (isCommit(piece) && lost++ === 0 ? "loseReply" : "forward")
      yield* commit(lease, { leaves: [aLeaf(1)], ...aTally(1), events: [late(1n)], acknowledged: ids })
      assert.strictEqual(lost, 1)
      const stored = yield* load()
      assert.deepStrictEqual([stored.version, stored.events, stored.tail.length], [1, [late(1n)], 1])
      assert.deepStrictEqual(idsOf(yield* takeAll(yield* handOver(lease))), [])
    }))

  test("a commit that never arrived is not confirmed, changes nothing, and can be repeated", (proxy) =>
    Effect.gen(function* () {
      const store = yield* SupplierStore
      const lease = yield* acquire()
      const ids = yield* append(0, 2)
      yield* takeNow(lease)
      proxy.judge = (piece) => (isCommit(piece) ? "cut" : "forward")
      const change = { leaves: [aLeaf(1)], ...aTally(1), events: [late(1n)], acknowledged: ids }
      const error = yield* Effect.flip(commit(lease, change))
      assert.deepInclude(error, { _tag: "StoreUnavailable", operation: "commit" })
      proxy.judge = () => "forward"
      assert.isTrue(Option.isNone(yield* store.load(alice, first)))
      yield* eventuallySucceeds(commit(lease, change))
      assert.strictEqual((yield* load()).version, 1)
    }))

  test("a commit whose reply is lost is not taken for another one of the same version", (proxy) =>
    Effect.gen(function* () {
      const lease = yield* acquire()
      // The first is given up before it can be seen, and lands before the second, of which nothing is heard either.
      let asked = 0
      proxy.judge = (piece) =>
        isCommit(piece)
          ? asked++ === 0
            ? "loseReply"
            : "forward"
          : piece.includes("hmget") && asked === 1
            ? "cut"
            : "forward"
      const one = yield* Effect.flip(commit(lease, { leaves: [aLeaf(1)], ...aTally(1) }))
      assert.strictEqual(one._tag, "StoreUnavailable")
      proxy.judge = (piece) => (isCommit(piece) ? "loseReply" : "forward")
      const two = yield* Effect.flip(eventuallySends(commit(lease, { leaves: [aLeaf(2)], ...aTally(1) })))
      assert.deepInclude(two, { _tag: "CommitRefused", reason: "version", storedVersion: 1 })
      proxy.judge = () => "forward"
      assert.deepStrictEqual(hexes((yield* load()).tail), hexes([aLeaf(1).digest]))
    }))

  test("a commit whose reply is lost with the lease is lost", (proxy) =>
    Effect.gen(function* () {
      const lease = yield* acquire()
      const seen = { commits: 0, isAway: true }
      proxy.judge = (piece) => {
        if (isCommit(piece)) {
          seen.commits++
          return "loseReply"
        }
        return seen.isAway && piece.includes("hmget") ? "cut" : "forward"
      }
      const committing = yield* Effect.forkChild(Effect.flip(commit(lease, { leaves: [aLeaf(1)], ...aTally(1) })))
      while (seen.commits === 0) yield* Effect.sleep("5 millis")
      yield* eventuallySucceeds(handOver(lease))
      seen.isAway = false
      assert.strictEqual((yield* Fiber.join(committing))._tag, "LeaseLost")
    }))

  for (const share of [0.05, 0.3, 0.6, 0.9, 0.999]) {
    test(`a large commit that is cut after ${share * 100} % of its bytes changes nothing; repeated, it is whole`, (proxy) =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const lease = yield* acquire()
        yield* commit(lease, { leaves: largeLeaves(3_000, 3_010), ...aTally(10), events: [late(1n)] })
        const before = yield* load()
        const ids = yield* append(0, 3)
        yield* takeNow(lease)
        const leaves = largeLeaves(0, 2_000)
        const limit = Math.floor(BYTES_OF_2000 * share)
        let sent = 0
        proxy.judge = (piece) => {
          if (sent >= limit || (sent === 0 && !isCommit(piece))) return "forward"
          sent += piece.length
          return sent >= limit ? { cutAfterBytes: piece.length - (sent - limit) } : "forward"
        }
        const change = { expectedVersion: 1, leaves, ...aTally(2_010), events: [late(2n)], acknowledged: ids }
        const error = yield* Effect.flip(commit(lease, change))
        assert.strictEqual(error._tag, "StoreUnavailable")
        proxy.judge = () => "forward"
        assert.deepStrictEqual(yield* eventuallySucceeds(load()), before)
        assert.deepStrictEqual(Option.getOrUndefined((yield* store.backlog(lease)).oldestPending), ids[0])
        yield* eventuallySucceeds(commit(lease, change))
        const after = yield* load()
        assert.deepStrictEqual(hexes(after.tail), [...hexes(before.tail), ...hexes(leaves.map(({ digest }) => digest))])
        assert.deepStrictEqual([after.version, after.events.length], [2, 2])
        assert.strictEqual((yield* store.readLeaves(alice, first)).length, 2_010)
        assert.isTrue(Option.isNone((yield* store.backlog(lease)).oldestPending))
      }))
  }

  test("a large commit whose lease ends between its slices is whole or changes nothing", () =>
    Effect.gen(function* () {
      const { names, commands } = yield* RedisConnections
      const lease = yield* acquire()
      yield* commit(lease, { leaves: largeLeaves(0, 1), ...aTally(1) })
      // The fence goes as soon as the first slice is in.
      const seize = Effect.gen(function* () {
        while (Number(yield* commands.call("llen", names.tail(alice, first))) <= 1) yield* Effect.yieldNow
        yield* commands.call("del", names.fence(alice))
      })
      const seizing = yield* Effect.forkChild(seize)
      const exit = yield* Effect.exit(
        commit(lease, { expectedVersion: 1, leaves: largeLeaves(1, 6_000), ...aTally(6_000) })
      )
      yield* Fiber.join(seizing)
      const stored = yield* load()
      if (exit._tag === "Success") assert.deepStrictEqual([stored.version, stored.tail.length], [2, 6_000])
      else assert.deepStrictEqual([stored.version, stored.tail.length], [1, 1])
    }))

  it.live("loses and doubles nothing while the server is killed again and again (AOF, fsync always)", () =>
    Effect.gen(function* () {
      const server = yield* redisProcess(redis.binary.path, {
        args: ["--appendonly", "yes", "--appendfsync", "always"]
      })
      const settings = { ...settingsFor(standaloneAddress(server.port)), commandTimeout: Duration.millis(500) }
      yield* Effect.gen(function* () {
        const relayLog = yield* RelayLog
        const isOver = yield* Ref.make(false)
        const writer = Effect.forEach(
          Array.from({ length: RELAYS }, (_, n) => n),
          (n) => Effect.andThen(eventuallySucceeds(relayLog.append(anEntry(n))), Effect.sleep("1 millis")),
          { discard: true }
        )
        const killer = Effect.gen(function* () {
          for (let kill = 0; kill < KILLS && !(yield* Ref.get(isOver)); kill++) {
            yield* Effect.sleep("170 millis")
            yield* server.signal("SIGKILL")
            yield* Effect.orDie(server.start)
          }
        })
        const lease = yield* acquire()
        const killing = yield* Effect.forkChild(killer)
        const mining = yield* Effect.forkChild(mine(lease, isOver))
        yield* writer
        yield* Ref.set(isOver, true)
        yield* Fiber.join(killing)
        yield* Fiber.join(mining)

        // The server may have been killed a moment ago.
        const { commands, names, ping } = yield* RedisConnections
        yield* eventuallySucceeds(ping)
        const stored = yield* eventuallySucceeds(load())
        assert.strictEqual(stored.tail.length, RELAYS)
        assert.strictEqual(new Set(hexes(stored.tail)).size, RELAYS)
        assert.strictEqual(stored.count, BigInt(RELAYS))
        assert.strictEqual(yield* commands.call("xlen", names.relays(alice)), 0)
        assert.lengthOf(yield* (yield* SupplierStore).readLeaves(alice, first), RELAYS)
      }).pipe(Effect.provide(storeLayer(settings, LEASE_LIFE)), withoutLogs)
    })
  )
})

/** Connections that come and go are what these tests are about. */
const withoutLogs = Effect.provideService(References.MinimumLogLevel, "None")

const RELAYS = 300
/** Times that the server is killed meanwhile, at most. */
const KILLS = 10
/** No lease ends by itself here. */
const LEASE_LIFE = Duration.minutes(5)

/** Folds what is delivered, as the miner does: what is a leaf already is only acknowledged. Ends when all is settled. */
const mine = Effect.fnUntraced(function* (held: Lease, isOver: Ref.Ref<boolean>) {
  const store = yield* SupplierStore
  for (;;) {
    const step = Effect.gen(function* () {
      const stored = Option.getOrUndefined(yield* store.load(alice, first))
      const known = new Set(hexes(stored?.tail ?? []))
      const taken = yield* store.deliveries(held, 50, Duration.millis(20))
      if (taken.length === 0) {
        yield* store.redeliver(held)
        const backlog = yield* store.backlog(held)
        return backlog.lastGenerated === backlog.lastDelivered && Option.isNone(backlog.oldestPending)
      }
      const leaves = new Map<string, StoredNode>()
      for (const { data } of taken) {
        // The leaf of a relay is as distinct as its bytes.
        const leaf = leafOf(data)
        const key = hexes([leaf.digest])[0] ?? ""
        if (!known.has(key)) leaves.set(key, leaf)
      }
      const count = known.size + leaves.size
      yield* store.commit(held, {
        session: first,
        expectedVersion: stored?.version ?? 0,
        leaves: [...leaves.values()],
        root: aRoot(count),
        count: BigInt(count),
        sum: BigInt(count) * 7n,
        events: [],
        checkpoint: Option.none(),
        acknowledged: idsOf(taken)
      })
      return false
    })
    const exit = yield* Effect.exit(step)
    if (exit._tag === "Success") {
      if (exit.value && (yield* Ref.get(isOver))) return
      continue
    }
    assert.notInclude(String(exit.cause), "LeaseLost")
    yield* Effect.ignore(store.redeliver(held))
    yield* Effect.sleep("10 millis")
  }
})

/** A leaf that is made of the relay's number: its entry differs only in the time of its publication. */
const leafOf = (data: Uint8Array): StoredNode => {
  const bytes = Buffer.from(data)
  const n = Array.from({ length: RELAYS }, (_, at) => at).find((at) =>
    bytes.includes(Buffer.from(anEntry(at).relay.relayHash))
  )
  return aLeaf(n ?? assert.fail("a relay of this test"))
}

/** Leaves of about 300 bytes. */
const largeLeaves = (from: number, to: number): ReadonlyArray<StoredNode> =>
  Array.from({ length: to - from }, (_, index) => {
    const leaf = aLeaf(from + index)
    const encoding = new Uint8Array(leaf.encoding.length + 220)
    encoding.set(leaf.encoding.subarray(0, 60))
    encoding.set(leaf.encoding.subarray(60), 280)
    return { digest: digestOf(encoding, nodeSha256), encoding }
  })

/** What 2 000 of them are on the wire: encoding, field, digest and the marks between. */
const BYTES_OF_2000 = 2_000 * (301 + 6 + 96 + 5 + 48 + 2)

/** Repeats while the connection is on its way back. */
const eventuallySucceeds = <A, E, R>(call: Effect.Effect<A, E, R>) =>
  Effect.retry(call, { schedule: Schedule.spaced("10 millis"), times: 1_000 })

/** Repeats a commit until it was sent. */
const eventuallySends = <A, E extends { readonly _tag: string }, R>(call: Effect.Effect<A, E, R>) =>
  Effect.retry(call, {
    schedule: Schedule.spaced("10 millis"),
    times: 1_000,
    while: ({ _tag }) => _tag === "StoreUnavailable"
  })
