/** What the memory stores add to their ports: fill, bounds, snapshots that cost nothing, ids under a clock that goes back. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Metric, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as BroadcastMemory from "../../../adapters/memory/BroadcastMemory.ts"
import { MemoryLog } from "../../../adapters/memory/MemoryLog.ts"
import { MemoryStores } from "../../../adapters/memory/MemoryStores.ts"
import * as MeterStoreMemory from "../../../adapters/memory/MeterStoreMemory.ts"
import * as RelayLogMemory from "../../../adapters/memory/RelayLogMemory.ts"
import * as RelaySpoolMemory from "../../../adapters/memory/RelaySpoolMemory.ts"
import { Broadcast } from "../../../domain/ports/Broadcast.ts"
import { MeterStore } from "../../../domain/ports/MeterStore.ts"
import { RelayLog, type RelayLogEntry } from "../../../domain/ports/RelayLog.ts"
import { RelaySpool } from "../../../domain/ports/RelaySpool.ts"
import { SessionId } from "../../../domain/protocol/Identifiers.ts"
import { aLeaf, alice, anEntry, aTally } from "../../contract/StoreFixtures.ts"
import { acquire, append, commit, load, takeNow } from "../../contract/SupplierStoreWorld.ts"
import { freshStores, storePorts, storePortsWith } from "./MemoryWorld.ts"

const anEntryOf = (bytes: number): RelayLogEntry => anEntry(1, { relayBytes: new Uint8Array(bytes) })

describe("MemoryStores", () => {
  it.effect("report how full they are, by store", () =>
    Effect.gen(function* () {
      const lease = yield* acquire()
      const ids = yield* append(0, 5)
      yield* takeNow(lease, 3)
      yield* commit(lease, { leaves: [aLeaf(1), aLeaf(2)], ...aTally(2), acknowledged: ids.slice(0, 1) })
      const fill = yield* fillByStore
      assert.deepInclude(fill, { suppliers: 1, log: 4, log_pending: 2, sessions: 1, nodes: 2, intents: 0, cache: 0 })
      assert.isAbove(fill["log_bytes"] ?? 0, 4 * 32)
    }).pipe(Effect.provide(storePorts))
  )

  it.effect("hand out the same arrays until the next commit", () =>
    Effect.gen(function* () {
      const lease = yield* acquire()
      yield* commit(lease, { leaves: [aLeaf(1)], ...aTally(1) })
      const before = yield* load()
      assert.strictEqual((yield* load()).tail, before.tail)
      yield* commit(lease, { expectedVersion: 1, leaves: [aLeaf(2)], ...aTally(2) })
      assert.lengthOf(before.tail, 1)
      assert.lengthOf((yield* load()).tail, 2)
    }).pipe(Effect.provide(storePorts))
  )
})

describe("MemoryLog", () => {
  it("orders ids also when the clock stands still or goes back", () => {
    const log = new MemoryLog()
    const entry = { data: new Uint8Array(1), trace: anEntry(1).trace }
    assert.deepStrictEqual(
      [5, 5, 3, 6, 0].map((now) => log.append(entry, now)),
      ["5-0", "5-1", "5-2", "6-0", "6-1"]
    )
  })
})

describe("RelayLogMemory", () => {
  it.effect("refuses beyond its bytes and says so", () =>
    Effect.gen(function* () {
      const log = yield* RelayLog
      yield* log.append(anEntryOf(400))
      yield* log.append(anEntryOf(900))
      const error = yield* Effect.flip(log.append(anEntryOf(1)))
      assert.deepInclude(error, { _tag: "RelayLogFull", entries: 2, limit: 100, bytesLimit: 1_000 })
      assert.match(error.message, /holds 2 entries of 100 and \d+ bytes of 1000/)
    }).pipe(Effect.provide(storePortsWith(RelayLogMemory.layerWith(100, 1_000))))
  )
})

describe("RelaySpoolMemory", () => {
  it.effect("refuses beyond its bytes, and takes a smaller one that fits", () =>
    Effect.gen(function* () {
      const spool = yield* RelaySpool
      yield* spool.offer(anEntryOf(600))
      const error = yield* Effect.flip(spool.offer(anEntryOf(401)))
      assert.deepInclude(error, { _tag: "SpoolFull", entries: 1, limit: 10, bytes: 600, bytesLimit: 1_000 })
      yield* spool.offer(anEntryOf(400))
      yield* spool.remove([1])
      yield* spool.offer(anEntryOf(600))
    }).pipe(Effect.provide(RelaySpoolMemory.layerWith(new Map(), 10, 1_000)))
  )

  it.effect("goes on with what an earlier one kept: order, bounds and lowest session end", () =>
    Effect.gen(function* () {
      const kept = new Map<number, RelayLogEntry>()
      const spooled = RelaySpool.use((spool) =>
        Effect.gen(function* () {
          yield* spool.offer(anEntry(1, { sessionEndHeight: 30n }))
          yield* spool.offer(anEntry(2, { sessionEndHeight: 40n }))
        })
      )
      yield* spooled.pipe(Effect.provide(RelaySpoolMemory.layerWith(kept, 3)))
      yield* RelaySpool.use((spool) =>
        Effect.gen(function* () {
          assert.deepInclude(yield* spool.lowestSessionEnd, { value: 30n })
          yield* spool.offer(anEntry(3))
          assert.deepInclude(yield* Effect.flip(spool.offer(anEntry(4))), { _tag: "SpoolFull", entries: 3 })
          const order = (yield* spool.peek(9)).map(({ entry }) => entry.relay.publishedAtUnixNano)
          assert.deepStrictEqual(
            order,
            [1, 2, 3].map((n) => anEntry(n).relay.publishedAtUnixNano)
          )
        })
      ).pipe(Effect.provide(RelaySpoolMemory.layerWith(kept, 3)))
    })
  )
})

describe("MeterStoreMemory", () => {
  it.effect("holds at most its capacity; the counter begun longest ago goes", () =>
    Effect.gen(function* () {
      const meter = yield* MeterStore
      const keyOf = (n: number) => ({ session: SessionId.make(`session ${n}`), supplier: alice })
      for (let n = 0; n < 6; n++) {
        yield* meter.take({ key: keyOf(n), unit: 1n, wanted: 1n, limit: 9n, sessionEnd: 40n })
      }
      const consumed = yield* Effect.forEach([0, 1, 2, 3, 4, 5], (n) => meter.consumed(keyOf(n)))
      assert.deepStrictEqual(consumed, [0n, 1n, 1n, 1n, 1n, 1n])
    }).pipe(Effect.provide(Layer.provide(MeterStoreMemory.layerWith(5), freshStores)))
  )

  it.effect("makes room with a counter of the session that ends first, not with the one begun first", () =>
    Effect.gen(function* () {
      const meter = yield* MeterStore
      const keyOf = (n: number) => ({ session: SessionId.make(`session ${n}`), supplier: alice })
      const ends = [40n, 60n, 40n, 50n, 60n, 70n]
      for (const [n, sessionEnd] of ends.entries()) {
        yield* meter.take({ key: keyOf(n), unit: 1n, wanted: 10n, limit: 100n, sessionEnd })
      }
      const left = () => Effect.forEach(ends, (_, n) => meter.consumed(keyOf(n)))
      assert.deepStrictEqual(yield* left(), [0n, 10n, 0n, 0n, 10n, 10n])
      yield* meter.drop(keyOf(1))
      yield* meter.take({ key: keyOf(6), unit: 1n, wanted: 10n, limit: 100n, sessionEnd: 30n })
      yield* meter.take({ key: keyOf(7), unit: 1n, wanted: 10n, limit: 100n, sessionEnd: 90n })
      assert.deepStrictEqual(yield* left(), [0n, 0n, 0n, 0n, 10n, 10n])
      assert.strictEqual(yield* meter.consumed(keyOf(6)), 0n)
      assert.strictEqual(yield* meter.consumed(keyOf(7)), 10n)
    }).pipe(Effect.provide(Layer.provide(MeterStoreMemory.layerWith(3), freshStores)))
  )

  it.effect("keeps no counter for what took nothing or came back after the drop", () =>
    Effect.gen(function* () {
      const meter = yield* MeterStore
      const { meters } = yield* MemoryStores
      const key = { session: SessionId.make("session"), supplier: alice }
      yield* meter.take({ key, unit: 5n, wanted: 5n, limit: 4n, sessionEnd: 40n })
      yield* meter.giveBack(key, 5n)
      assert.strictEqual(meters.size, 0)
    }).pipe(Effect.provide(Layer.provideMerge(MeterStoreMemory.layer, freshStores)))
  )
})

describe("BroadcastMemory", () => {
  it.effect("keeps a channel only while somebody listens", () =>
    Effect.gen(function* () {
      const bus = yield* Broadcast
      const { channels } = yield* MemoryStores
      yield* bus.publish("blocks", "1")
      assert.strictEqual(channels.size, 0)
      const listening = Stream.runDrain(bus.subscribe("blocks"))
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* Effect.forkScoped(listening)
          yield* Effect.forkScoped(listening)
          yield* TestClock.adjust("1 millis")
          assert.strictEqual(channels.size, 1)
        })
      )
      assert.strictEqual(channels.size, 0)
    }).pipe(Effect.provide(Layer.provideMerge(BroadcastMemory.layer, freshStores)))
  )

  it.effect("drops the oldest messages of a subscriber that lags behind", () =>
    Effect.gen(function* () {
      const bus = yield* Broadcast
      const heard: Array<string> = []
      yield* Effect.forkScoped(
        Stream.runForEach(bus.subscribe("blocks"), (message) =>
          Effect.andThen(
            Effect.sleep("1 seconds"),
            Effect.sync(() => void heard.push(message))
          )
        )
      )
      yield* TestClock.adjust("1 millis")
      const most = 3 * BroadcastMemory.CHANNEL_BUFFER
      for (let n = 0; n < most; n++) yield* bus.publish("blocks", `${n}`)
      yield* TestClock.adjust("2 hours")
      assert.isBelow(heard.length, most)
      assert.strictEqual(heard.at(-1), `${most - 1}`)
      assert.deepStrictEqual(
        heard,
        heard.toSorted((a, b) => Number(a) - Number(b))
      )
    }).pipe(Effect.provide(Layer.provide(BroadcastMemory.layer, freshStores)))
  )
})

/** The gauge as a collector sees it. */
const fillByStore = Effect.map(Metric.snapshot, (snapshots) =>
  Object.fromEntries(
    snapshots
      .filter(({ id }) => id === "relaymill_memory_entries")
      .flatMap((snapshot) =>
        snapshot.type === "Gauge" ? [[snapshot.attributes?.["store"] ?? "", Number(snapshot.state.value)]] : []
      )
  )
)
