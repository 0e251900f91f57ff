/** Replicas that share suppliers: fair shares, hand-over, take-over, and stopping in time. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Redacted, Scope, SubscriptionRef } from "effect"
import { TestClock } from "effect/testing"
import * as SupplierKeysMemory from "../../../adapters/memory/SupplierKeysMemory.ts"
import { MemoryStores } from "../../../adapters/memory/MemoryStores.ts"
import { makeKeyRing } from "../../../domain/keys/KeyRing.ts"
import { runMiner, startMiner } from "../../../domain/mining/Miner.ts"
import { MinerSettings } from "../../../domain/mining/MinerSettings.ts"
import { Leases, LeasesUnavailable } from "../../../domain/ports/Leases.ts"
import { SupplierStore } from "../../../domain/ports/SupplierStore.ts"
import { testKey } from "../../support/RelayBuilder.ts"
import {
  append,
  headerAt,
  inWorld,
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
const replica = Effect.fnUntraced(function* (name: string, held: ReadonlyArray<{ readonly privateKey: Uint8Array }>) {
  const scope = yield* Scope.make()
  const ring = yield* SubscriptionRef.make(ringOf(held))
  const miner = yield* startMiner.pipe(
    Effect.provide(SupplierKeysMemory.layerRing(ring)),
    Effect.provideService(MinerSettings, {
      ingest: testSettings.ingest,
      submission: testSettings.submission,
      fleet: { ...testSettings.fleet, replica: name, handOverPause: Duration.seconds(5) }
    }),
    Scope.provide(scope)
  )
  return { miner, ring, crash: Scope.close(scope, Exit.void) }
})

const lostLeases = (leases: Leases["Service"], isLost: () => boolean): Leases["Service"] => ({
  ...leases,
  renew: (lease) =>
    Effect.suspend(() =>
      isLost() ? Effect.fail(new LeasesUnavailable({ operation: "renew", cause: "away" })) : leases.renew(lease)
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
      yield* runBlocks(5)
      assert.lengthOf(yield* b.miner.suppliers, 0)
      yield* runBlocks(12)
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
