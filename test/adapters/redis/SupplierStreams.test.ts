/** Streams: two of them on a cluster, many idle ones over one connection, spools before marks. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Option } from "effect"
import { singleStream, twoStreams } from "../../../adapters/redis/DeliveryIds.ts"
import { RedisConnections } from "../../../adapters/redis/RedisConnections.ts"
import { joinPositions } from "../../../adapters/redis/StreamBacklog.ts"
import { compareLogId, SupplierStore } from "../../../domain/ports/SupplierStore.ts"
import { RelayLog } from "../../../domain/ports/RelayLog.ts"
import { SupplierAddress } from "../../../domain/protocol/Identifiers.ts"
import { encodeMinedRelay } from "../../../domain/relay/MinedRelay.ts"
import { alice, anEntry, aRelay } from "../../contract/StoreFixtures.ts"
import {
  acquire,
  append,
  commit,
  handOver,
  idsOf,
  StoreInspector,
  takeAll,
  takeNow
} from "../../contract/SupplierStoreWorld.ts"
import { onEveryRedis, onEveryStandalone } from "../../support/EveryRedis.ts"
import { storeLayer } from "./StoreWorld.ts"

type Ports = Layer.Success<ReturnType<typeof storeLayer>>

const command = (name: string, ...args: ReadonlyArray<string | Uint8Array>) =>
  RedisConnections.use(({ commands }) => commands.call(name, ...args))

describe("DeliveryIds", () => {
  it("of one stream are its entries' ids", () => {
    assert.strictEqual(singleStream.encode("own", "5-3"), "5-3")
    assert.deepStrictEqual(singleStream.decode("5-3"), { origin: "own", entryId: "5-3" })
  })

  it("of two streams keep both apart, their order, and the time between them", () => {
    const own = ["5-0", "5-1", "6-0"].map((id) => twoStreams.encode("own", id))
    const go = ["5-0", "5-1", "6-0"].map((id) => twoStreams.encode("go", id))
    assert.strictEqual(new Set([...own, ...go]).size, 6)
    assert.deepStrictEqual(own.toSorted(compareLogId), own)
    assert.deepStrictEqual(go.toSorted(compareLogId), go)
    assert.isBelow(compareLogId(go[1]!, own[2]!), 0)
    assert.deepStrictEqual(go.map(twoStreams.decode), [
      { origin: "go", entryId: "5-0" },
      { origin: "go", entryId: "5-1" },
      { origin: "go", entryId: "6-0" }
    ])
    assert.strictEqual(twoStreams.encode("own", "0-0"), "0-0")
  })

  it("decode sequences beyond the safe integers", () => {
    const id = twoStreams.encode("go", "5-18446744073709551615")
    assert.deepStrictEqual(twoStreams.decode(id), { origin: "go", entryId: "5-18446744073709551615" })
  })
})

describe("joinPositions", () => {
  it("is the one stream's own", () => {
    const position = { generated: "9-0", delivered: "7-0" }
    assert.deepStrictEqual(joinPositions([position]), { lastGenerated: "9-0", lastDelivered: "7-0" })
  })

  const cases: ReadonlyArray<readonly [string, ReadonlyArray<readonly [string, string]>, string, string]> = [
    [
      "the latest when all is delivered",
      [
        ["9-0", "9-0"],
        ["5-1", "5-1"]
      ],
      "9-0",
      "9-0"
    ],
    [
      "held back by a stream that is behind",
      [
        ["9-0", "9-0"],
        ["5-1", "3-1"]
      ],
      "9-0",
      "3-1"
    ],
    [
      "held back by the one furthest behind",
      [
        ["9-0", "8-0"],
        ["5-1", "3-1"]
      ],
      "9-0",
      "3-1"
    ],
    [
      "0-0 when nothing was ever there",
      [
        ["0-0", "0-0"],
        ["0-0", "0-0"]
      ],
      "0-0",
      "0-0"
    ]
  ]
  for (const [what, positions, lastGenerated, lastDelivered] of cases) {
    it(`is ${what}`, () =>
      assert.deepStrictEqual(joinPositions(positions.map(([generated, delivered]) => ({ generated, delivered }))), {
        lastGenerated,
        lastDelivered
      }))
  }
})

onEveryRedis("SupplierStoreRedis, streams", (redis) => {
  const test = <E>(name: string, body: () => Effect.Effect<void, E, Ports>) =>
    it.live(name, () =>
      Effect.provide(
        Effect.suspend(body),
        Layer.suspend(() => storeLayer(redis.settings()))
      )
    )

  test("many idle suppliers are woken each by its own relay, at once, over one connection", () =>
    Effect.gen(function* () {
      const store = yield* SupplierStore
      const log = yield* RelayLog
      const suppliers = Array.from({ length: 60 }, (_, n) => SupplierAddress.make(`pokt1idle${n}`))
      const leases = yield* Effect.forEach(suppliers, (supplier) => acquire(supplier), { concurrency: 20 })
      yield* Effect.forEach(leases, (lease) => takeNow(lease), { concurrency: 20 })
      const waiting = yield* Effect.forEach(leases, (lease) =>
        Effect.forkChild(store.deliveries(lease, 10, Duration.millis(2_500)))
      )
      yield* Effect.sleep("200 millis")
      const chosen = [3, 17, 42]
      const from = Date.now()
      const ids = yield* Effect.forEach(chosen, (n) =>
        log.append(anEntry(n, { supplierOperatorAddress: suppliers[n]! }))
      )
      const taken = yield* Effect.forEach(chosen, (n) => Fiber.join(waiting[n]!))
      assert.isBelow(Date.now() - from, 1_000)
      assert.deepStrictEqual(
        taken.map(idsOf),
        ids.map((id) => [id])
      )
      assert.lengthOf(
        waiting.filter((fiber) => fiber.pollUnsafe() === undefined),
        57
      )
      if (redis.topology === "standalone") {
        const clients = String(yield* command("client", "list"))
        assert.isAtMost(clients.match(/cmd=xread /g)?.length ?? 0, 1)
      }
    }))

  test("a spool that was announced shows its lowest session end, until the announcement is gone", () =>
    Effect.gen(function* () {
      const store = yield* SupplierStore
      const { names } = yield* RedisConnections
      const lease = yield* acquire()
      const lowest = Effect.map(store.backlog(lease), (backlog) => backlog.lowestSpooledSessionEnd)
      for (const [relayer, end] of [
        ["relayer-1", "50"],
        ["relayer-2", "40"],
        ["relayer-3", "x"]
      ] as const) {
        yield* command("set", names.spool(relayer), end)
        yield* command("zadd", names.spools, "9999999999999", relayer)
      }
      assert.deepStrictEqual(yield* lowest, Option.some(40n))
      yield* command("del", names.spool("relayer-2"))
      assert.deepStrictEqual(yield* lowest, Option.some(50n))
      yield* command("del", names.spool("relayer-1"))
      assert.deepStrictEqual(yield* lowest, Option.none())
    }))

  if (redis.topology === "cluster") {
    const appendGo = (from: number, to: number) =>
      Effect.gen(function* () {
        const { names } = yield* RedisConnections
        return yield* Effect.forEach(
          Array.from({ length: to - from }, (_, n) => from + n),
          (n) => Effect.map(command("xadd", names.stream(alice), "*", "data", encodeMinedRelay(aRelay(n))), String)
        )
      })

    test("what Go's relayers append on a cluster is delivered, settled and handed over like the rest", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const { names } = yield* RedisConnections
        const { setAside } = yield* StoreInspector
        const lease = yield* acquire()
        const own = yield* append(0, 2)
        const go = (yield* appendGo(2, 5)).map((id) => twoStreams.encode("go", id))
        const taken = yield* takeAll(lease)
        assert.sameMembers([...idsOf(taken)], [...own, ...go])
        const marks = yield* store.backlog(lease)
        assert.strictEqual(marks.lastDelivered, marks.lastGenerated)
        assert.deepStrictEqual(marks.oldestPending, Option.some([...own, ...go].sort(compareLogId)[0]!))

        yield* commit(lease, { acknowledged: [own[0]!, go[0]!] })
        yield* store.setAside(
          lease,
          taken.filter(({ id }) => id === go[1]),
          "wire"
        )
        yield* store.setAside(
          lease,
          taken.filter(({ id }) => id === go[1]),
          "wire"
        )
        assert.deepStrictEqual(yield* setAside(alice), [{ id: go[1]!, reason: "wire" }])
        const next = yield* handOver(lease)
        assert.sameMembers([...idsOf(yield* takeAll(next))], [own[1]!, go[2]!])
        yield* commit(next, { expectedVersion: 1, acknowledged: [own[1]!, go[2]!] })
        assert.isTrue(Option.isNone((yield* store.backlog(next)).oldestPending))
        assert.strictEqual(yield* command("xlen", names.stream(alice)), 0)
        assert.strictEqual(yield* command("xlen", names.relays(alice)), 0)
      }))

    test("a relay of Go's wakes a supplier that waits within about a second, without a hint", () =>
      Effect.gen(function* () {
        const store = yield* SupplierStore
        const lease = yield* acquire()
        yield* takeNow(lease)
        const waiting = yield* Effect.forkChild(store.deliveries(lease, 10, Duration.millis(2_800)))
        yield* Effect.sleep("100 millis")
        yield* appendGo(0, 1)
        assert.lengthOf(yield* Fiber.join(waiting), 1)
      }))
  }
})

onEveryStandalone("SupplierStoreRedis, read-ahead", (redis) => {
  it.live("large batches are read ahead; nothing is lost or doubled by redelivery and takeover", () =>
    Effect.gen(function* () {
      const store = yield* SupplierStore
      const { commands, names } = yield* RedisConnections
      const lease = yield* acquire()
      yield* commands.pipeline(
        Array.from({ length: 2_000 }, (_, n) => ({ name: "xadd", args: [names.relays(alice), "*", "data", `${n}`] }))
      )
      const texts = (deliveries: ReadonlyArray<{ readonly data: Uint8Array }>) =>
        deliveries.map(({ data }) => Number(Buffer.from(data).toString()))
      const range = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => from + n)
      assert.deepStrictEqual(texts(yield* takeNow(lease, 300)), range(0, 300))
      const second = yield* takeNow(lease, 300)
      assert.deepStrictEqual(texts(second), range(300, 600))
      yield* commit(lease, { acknowledged: idsOf(second) })
      yield* store.redeliver(lease)
      assert.deepStrictEqual(texts(yield* takeNow(lease, 300)), range(0, 300))
      assert.deepStrictEqual(texts(yield* takeNow(lease, 300)), range(600, 900))
      const next = yield* handOver(lease)
      assert.strictEqual((yield* Effect.flip(takeNow(lease, 300)))._tag, "LeaseLost")
      const all: Array<number> = []
      for (;;) {
        const taken = texts(yield* takeNow(next, 300))
        if (taken.length === 0) break
        all.push(...taken)
      }
      assert.deepStrictEqual(all, [...range(0, 300), ...range(600, 2_000)])
    }).pipe(Effect.provide(Layer.suspend(() => storeLayer(redis.settings()))))
  )
})
