/** Replicas that share suppliers: fair shares, hand-over, take-over, and stopping in time. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, type Layer, Redacted, Scope, Stream, SubscriptionRef } from "effect"
import { TestClock } from "effect/testing"
import * as LeasesMemory from "../../../adapters/memory/LeasesMemory.ts"
import * as SupplierKeysMemory from "../../../adapters/memory/SupplierKeysMemory.ts"
import { MemoryStores } from "../../../adapters/memory/MemoryStores.ts"
import { makeKeyRing } from "../../../domain/keys/KeyRing.ts"
import { runMiner, startMiner } from "../../../domain/mining/Miner.ts"
import { defaultMinerSettings, type FleetSettings, MinerSettings } from "../../../domain/mining/MinerSettings.ts"
import { Broadcast } from "../../../domain/ports/Broadcast.ts"
import { Leases, LeasesUnavailable } from "../../../domain/ports/Leases.ts"
import { SupplierStore } from "../../../domain/ports/SupplierStore.ts"
import { testKey } from "../../support/RelayBuilder.ts"
import {
  append,
  headerAt,
  inWorld,
  type layerWorld,
  relaysOf,
  runBlocks,
  stateOf,
  supplier,
  testSettings
} from "../mining/MinerWorld.ts"

const keys = Array.from({ length: 4 }, (_, index) => testKey(`fleet ${index}`))
const ringOf = (names: ReadonlyArray<{ readonly privateKey: Uint8Array }>) =>
  makeKeyRing(names.map(({ privateKey }) => Redacted.make(privateKey)))

/** Starts a replica with these keys in a scope of its own. */
const replica = Effect.fnUntraced(function* (
  name: string,
  held: ReadonlyArray<{ readonly privateKey: Uint8Array }>,
  fleet: FleetSettings = { ...testSettings.fleet, handOverPause: Duration.seconds(5) }
) {
  const scope = yield* Scope.make()
  const ring = yield* SubscriptionRef.make(ringOf(held))
  const miner = yield* startMiner.pipe(
    Effect.provide(SupplierKeysMemory.layerRing(ring)),
    Effect.provideService(MinerSettings, {
      ingest: testSettings.ingest,
      submission: testSettings.submission,
      fleet: { ...fleet, replica: name }
    }),
    Scope.provide(scope)
  )
  return { miner, ring, crash: Scope.close(scope, Exit.void) }
})

const lostLeases = (leases: Leases["Service"], isLost: () => boolean): Leases["Service"] => ({
  ...leases,
  renew: (held) =>
    Effect.suspend(() =>
      isLost() ? Effect.fail(new LeasesUnavailable({ operation: "renew", cause: "away" })) : leases.renew(held)
    )
})

describe("the fleet", () => {
  it.effect("shares suppliers between replicas and takes over from one that drains", () =>
    Effect.gen(function* () {
      const a = yield* replica("a", keys)
      yield* runBlocks(1)
      assert.lengthOf(yield* a.miner.suppliers, 4)
      const b = yield* replica("b", keys)
      yield* runBlocks(8)
      assert.lengthOf(yield* a.miner.suppliers, 2)
      assert.lengthOf(yield* b.miner.suppliers, 2)
      yield* a.miner.drain
      yield* a.crash
      yield* runBlocks(14)
      assert.lengthOf(yield* b.miner.suppliers, 4)
    }).pipe(inWorld())
  )

  it.effect("takes over from a replica that crashed when its leases have run out", () =>
    Effect.gen(function* () {
      const a = yield* replica("a", keys)
      yield* runBlocks(1)
      const b = yield* replica("b", keys)
      yield* a.crash
      // Leases and announcements last 10 s here.
      yield* runBlocks(5)
      assert.lengthOf(yield* b.miner.suppliers, 0)
      yield* runBlocks(7)
      assert.lengthOf(yield* b.miner.suppliers, 4)
    }).pipe(inWorld())
  )

  it.effect("keeps suppliers beyond its share that nobody else has keys for", () =>
    Effect.gen(function* () {
      const a = yield* replica("a", keys.slice(0, 3))
      const b = yield* replica("b", keys.slice(3))
      yield* runBlocks(40)
      assert.lengthOf(yield* a.miner.suppliers, 3)
      assert.lengthOf(yield* b.miner.suppliers, 1)
      yield* runBlocks(20)
      assert.lengthOf(yield* a.miner.suppliers, 3)
    }).pipe(inWorld())
  )

  it.effect("starts and hands over suppliers as keys come and go", () =>
    Effect.gen(function* () {
      const a = yield* replica("a", keys.slice(0, 1))
      yield* runBlocks(1)
      yield* SubscriptionRef.set(a.ring, ringOf(keys.slice(1, 4)))
      yield* runBlocks(3)
      const owned: ReadonlyArray<string> = yield* a.miner.suppliers
      assert.sameMembers(
        [...owned],
        keys.slice(1, 4).map(({ address }) => address)
      )
      const stores = yield* MemoryStores
      assert.isUndefined(stores.supplier(keys[0]!.address).fence)
    }).pipe(inWorld())
  )

  it.effect("stops a supplier before its lease can end when renewals are not confirmed", () =>
    Effect.gen(function* () {
      let isLost = false
      const a = yield* replica("a", keys.slice(0, 1)).pipe(
        Effect.provideService(
          Leases,
          lostLeases(yield* Leases, () => isLost)
        )
      )
      yield* runBlocks(2)
      assert.lengthOf(yield* a.miner.suppliers, 1)
      isLost = true
      // Leases last 10 s here, the margin is 5 s; the last renewal was at most 1 s ago.
      yield* TestClock.adjust("3900 millis")
      assert.lengthOf(yield* a.miner.suppliers, 1)
      yield* TestClock.adjust("1200 millis")
      assert.lengthOf(yield* a.miner.suppliers, 0)
    }).pipe(inWorld())
  )

  it.effect("stops at once when its lease is somebody else's", () =>
    Effect.gen(function* () {
      const a = yield* replica("a", keys.slice(0, 1))
      yield* runBlocks(2)
      const stores = yield* MemoryStores
      stores.supplier(keys[0]!.address).fence = { nonce: "x", owner: "b", epoch: 9, expiresAt: Number.MAX_SAFE_INTEGER }
      yield* runBlocks(2)
      assert.lengthOf(yield* a.miner.suppliers, 0)
    }).pipe(inWorld())
  )

  it.effect("gives up a supplier whose acquisition was under way when the drain began", () =>
    Effect.gen(function* () {
      const leases = yield* Leases
      const slow: Leases["Service"] = {
        ...leases,
        acquire: (address, owner) => Effect.delay(leases.acquire(address, owner), "500 millis")
      }
      const a = yield* replica("a", keys.slice(0, 1)).pipe(Effect.provideService(Leases, slow))
      yield* TestClock.adjust("100 millis")
      const draining = yield* Effect.forkChild(a.miner.drain)
      yield* TestClock.adjust("1 second")
      assert.isDefined(draining.pollUnsafe())
      assert.lengthOf(yield* a.miner.suppliers, 0)
      assert.isUndefined((yield* MemoryStores).supplier(keys[0]!.address).fence)
    }).pipe(inWorld())
  )

  it.effect("drains when it is interrupted", () =>
    Effect.gen(function* () {
      const header = yield* headerAt(1n)
      const fiber = yield* Effect.forkChild(runMiner)
      yield* append(header, relaysOf(header, 5))
      yield* runBlocks(2)
      yield* Fiber.interrupt(fiber)
      const stored = (yield* MemoryStores).supplier(supplier.address)
      assert.isUndefined(stored.fence)
      assert.strictEqual(stored.sessions.get(header.sessionId)?.tail.length, 0)
      assert.strictEqual((yield* stateOf(header)).accepted.count, 5n)
    }).pipe(inWorld())
  )

  it.effect("gives its leases up at the drain deadline when the store does not answer", () =>
    Effect.gen(function* () {
      const header = yield* headerAt(1n)
      const store = yield* SupplierStore
      const fiber = yield* Effect.forkChild(
        runMiner.pipe(Effect.provideService(SupplierStore, { ...store, writeNodes: () => Effect.never }))
      )
      yield* append(header, relaysOf(header, 5))
      yield* runBlocks(2)
      const stopping = yield* Effect.forkChild(Fiber.interrupt(fiber))
      yield* runBlocks(19)
      assert.isDefined((yield* MemoryStores).supplier(supplier.address).fence)
      yield* runBlocks(2)
      assert.isUndefined((yield* MemoryStores).supplier(supplier.address).fence)
      yield* Fiber.join(stopping)
    }).pipe(inWorld())
  )

  it.effect("does not start a supplier whose acquisition was answered too late", () =>
    Effect.gen(function* () {
      const leases = yield* Leases
      let isSlow = true
      const a = yield* replica("a", keys.slice(0, 1)).pipe(
        Effect.provideService(Leases, {
          ...leases,
          acquire: (supplier, owner) =>
            Effect.tap(leases.acquire(supplier, owner), () => (isSlow ? Effect.sleep("4500 millis") : Effect.void))
        })
      )
      // Leases last 10 s here and the margin is 5 s: what is left would not reach to the first renewal.
      yield* TestClock.adjust("4600 millis")
      assert.lengthOf(yield* a.miner.suppliers, 0)
      isSlow = false
      yield* runBlocks(12)
      assert.lengthOf(yield* a.miner.suppliers, 1)
    }).pipe(inWorld())
  )
})

/** Suppliers beyond what is tried in one quiet round. */
const many = Array.from({ length: 40 }, (_, index) => testKey(`many ${index}`))
const operation = defaultMinerSettings.fleet

/** With leases as in operation: 12 s, renewed every 3 s, free suppliers looked for every 2 s. */
const inOperation = <A, E>(test: Effect.Effect<A, E, Layer.Success<ReturnType<typeof layerWorld>> | Scope.Scope>) =>
  test.pipe(Effect.provide(LeasesMemory.layer), inWorld())

const pass = (millis: number) =>
  Effect.forEach(Array.from({ length: millis / 100 }), () => TestClock.adjust("100 millis"), { discard: true })

describe("a fleet with the times of operation", () => {
  it.effect("takes over everything within 15 s from a replica that was killed", () =>
    Effect.gen(function* () {
      const a = yield* replica("a", many, operation)
      yield* pass(2_000)
      const b = yield* replica("b", many, operation)
      yield* pass(8_000)
      assert.lengthOf(yield* a.miner.suppliers, 20)
      assert.lengthOf(yield* b.miner.suppliers, 20)
      yield* a.crash
      yield* pass(15_000)
      assert.lengthOf(yield* b.miner.suppliers, 40)
    }).pipe(inOperation)
  )

  it.effect("takes over everything within a second from a replica that stops in order", () =>
    Effect.gen(function* () {
      const a = yield* replica("a", many, operation)
      yield* pass(2_000)
      const b = yield* replica("b", many, operation)
      yield* pass(8_000)
      const draining = yield* Effect.forkChild(a.miner.drain)
      yield* pass(900)
      assert.isDefined(draining.pollUnsafe())
      assert.lengthOf(yield* b.miner.suppliers, 40)
    }).pipe(inOperation)
  )

  it.effect("takes a supplier over again when the replica that it was handed to is killed", () =>
    Effect.gen(function* () {
      const a = yield* replica("a", keys, operation)
      yield* pass(2_000)
      const b = yield* replica("b", keys, operation)
      yield* pass(5_000)
      assert.lengthOf(yield* b.miner.suppliers, 2)
      yield* b.crash
      yield* pass(15_000)
      assert.lengthOf(yield* a.miner.suppliers, 4)
    }).pipe(inOperation)
  )

  it.effect("leaves suppliers where they are as far as the share allows", () =>
    Effect.gen(function* () {
      const nine = many.slice(0, 9)
      const a = yield* replica("a", nine, operation)
      yield* pass(2_000)
      const b = yield* replica("b", nine, operation)
      yield* pass(6_000)
      const [ofA, ofB] = [yield* a.miner.suppliers, yield* b.miner.suppliers]
      assert.deepStrictEqual([ofA.length, ofB.length], [5, 4])
      const c = yield* replica("c", nine, operation)
      yield* pass(6_000)
      const [thenA, thenB] = [yield* a.miner.suppliers, yield* b.miner.suppliers]
      assert.deepStrictEqual([thenA.length, thenB.length, (yield* c.miner.suppliers).length], [3, 3, 3])
      assert.includeMembers([...ofA], [...thenA])
      assert.includeMembers([...ofB], [...thenB])
      yield* c.miner.drain
      yield* c.crash
      yield* pass(3_000)
      assert.includeMembers([...(yield* a.miner.suppliers)], [...thenA])
      assert.includeMembers([...(yield* b.miner.suppliers)], [...thenB])
      assert.strictEqual((yield* a.miner.suppliers).length + (yield* b.miner.suppliers).length, 9)
    }).pipe(inOperation)
  )

  it.effect("gives back what it adopted when somebody comes who wants it", () =>
    Effect.gen(function* () {
      const a = yield* replica("a", keys, operation)
      const b = yield* replica("b", keys.slice(0, 1), operation)
      yield* pass(30_000)
      // Beyond the share of two, since nobody else has these keys.
      assert.isAtLeast((yield* a.miner.suppliers).length, 3)
      assert.strictEqual((yield* a.miner.suppliers).length + (yield* b.miner.suppliers).length, 4)
      const c = yield* replica("c", keys, operation)
      yield* pass(6_000)
      assert.isAtMost((yield* a.miner.suppliers).length, 2)
      assert.isAtLeast((yield* c.miner.suppliers).length, 1)
    }).pipe(inOperation)
  )

  it.effect("keeps what it adopted when somebody goes", () =>
    Effect.gen(function* () {
      const a = yield* replica("a", keys, operation)
      yield* replica("b", keys.slice(0, 1), operation)
      const c = yield* replica("c", keys.slice(0, 1), operation)
      yield* pass(40_000)
      const owned = yield* a.miner.suppliers
      assert.isAtLeast(owned.length, 3)
      yield* c.miner.drain
      yield* c.crash
      for (let second = 0; second < 20; second++) {
        yield* pass(1_000)
        assert.includeMembers([...(yield* a.miner.suppliers)], [...owned])
      }
    }).pipe(inOperation)
  )

  it.effect("hears nothing of hand-overs where messages are lost, and finds what is free all the same", () =>
    Effect.gen(function* () {
      const broadcast = yield* Broadcast
      const deaf = { ...broadcast, subscribe: () => Stream.never }
      const a = yield* replica("a", keys, operation)
      yield* pass(2_000)
      const b = yield* replica("b", keys, operation).pipe(Effect.provideService(Broadcast, deaf))
      yield* pass(6_000)
      yield* a.miner.drain
      yield* a.crash
      yield* pass(3_000)
      assert.lengthOf(yield* b.miner.suppliers, 4)
    }).pipe(inOperation)
  )
})
