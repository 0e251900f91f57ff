/** What miners tell the fleet about their suppliers, and which of them they mine by the chain's word. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Option, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as EntropySeeded from "../../../adapters/memory/EntropySeeded.ts"
import * as LeasesMemory from "../../../adapters/memory/LeasesMemory.ts"
import { makeStores, MemoryStores } from "../../../adapters/memory/MemoryStores.ts"
import * as SupplierStoreMemory from "../../../adapters/memory/SupplierStoreMemory.ts"
import { SupplierStates } from "../../../domain/cache/SupplierStates.ts"
import { defaultMinerSettings, MinerSettings } from "../../../domain/mining/MinerSettings.ts"
import { Leases } from "../../../domain/ports/Leases.ts"
import { type SharedCache, SharedCacheUnavailable } from "../../../domain/ports/SharedCache.ts"
import { StoreUnavailable, SupplierStore } from "../../../domain/ports/SupplierStore.ts"
import { SessionId, SupplierAddress } from "../../../domain/protocol/Identifiers.ts"
import { emptyDigest } from "../../../domain/smst/TrieSpec.ts"
import { makeStakeWatch } from "../../../domain/supplier/StakeWatch.ts"
import { renewOne } from "../../contract/StoreFixtures.ts"
import { testKey } from "../../support/RelayBuilder.ts"
import { aSupplier, type CacheWorld, makeWorld, portsOf, SUPPLIER } from "../cache/CacheWorld.ts"

const STATE = `supplier:${SUPPLIER}`
const LISTED = `suppliers:${SUPPLIER}`
/** Never on chain. */
const STRANGER = SupplierAddress.make(testKey("stranger").address)
const SESSION = SessionId.make("5e55")

const { ingest, submission, fleet } = defaultMinerSettings
const settings = { ingest, submission, fleet: { ...fleet, replica: "miner-1" } }

/** A watch over a world, with the stores behind it. */
const watching = Effect.fnUntraced(function* (world: CacheWorld) {
  const stores = Layer.succeed(MemoryStores, makeStores())
  const ports = yield* Layer.build(
    Layer.mergeAll(
      SupplierStates.layer,
      Layer.mergeAll(SupplierStoreMemory.layer, LeasesMemory.layer).pipe(
        Layer.provide(stores),
        Layer.provide(EntropySeeded.layer)
      )
    ).pipe(Layer.provideMerge(portsOf(world)))
  )
  const store = { ...Context.get(ports, SupplierStore) }
  const watch = yield* makeStakeWatch.pipe(
    Effect.provideService(SupplierStore, store),
    Effect.provideService(MinerSettings, settings),
    Effect.provideContext(ports)
  )
  const leases = Context.get(ports, Leases)
  const lease = Option.getOrThrow(yield* leases.acquire(SUPPLIER, "miner-1"))
  return { watch, store, leases, lease }
})

const textAt = (world: CacheWorld, key: string) =>
  Effect.map(world.cache.get(key), (bytes) =>
    Option.getOrUndefined(Option.map(bytes, (found) => new TextDecoder().decode(found)))
  )
const stateIn = (world: CacheWorld) =>
  Effect.map(textAt(world, STATE), (text) => (text === undefined ? undefined : JSON.parse(text)))

/** A session of the supplier that has begun and not ended. */
const openSession = (store: SupplierStore["Service"], lease: Parameters<SupplierStore["Service"]["commit"]>[0]) =>
  store.commit(lease, {
    session: SESSION,
    expectedVersion: 0,
    leaves: [],
    root: emptyDigest(),
    count: 0n,
    sum: 0n,
    events: [
      {
        _tag: "SessionOpened",
        supplier: SUPPLIER,
        application: "pokt1app",
        service: "anvil",
        sessionId: SESSION,
        startHeight: 91n,
        endHeight: 100n,
        computeUnitsPerRelay: 1n
      }
    ],
    checkpoint: Option.none(),
    acknowledged: []
  })

describe("a supplier that is taken", () => {
  it.effect("has its state written and stands in the list as Go writes it, with a message", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const { watch, lease } = yield* watching(world)
      const heard = yield* Effect.forkChild(
        Stream.runCollect(Stream.take(world.bus.subscribe("events:supplier_update"), 2))
      )
      yield* TestClock.setTime(1_700_000_000_000)
      yield* watch.taken(lease)
      assert.deepInclude(yield* stateIn(world), { status: "active", staked: true, services: ["anvil"] })
      assert.strictEqual(
        yield* textAt(world, LISTED),
        `{"operator_addr":"${SUPPLIER}","services":["anvil"],"status":"active","updated_at":1700000000}`
      )
      assert.deepStrictEqual(yield* world.cache.members("suppliers:index"), [SUPPLIER])
      yield* watch.leaving(SUPPLIER, "rebalance")
      assert.strictEqual(
        yield* textAt(world, LISTED),
        `{"operator_addr":"${SUPPLIER}","services":null,"status":"draining","updated_at":1700000000}`
      )
      // Another replica goes on with it.
      assert.deepInclude(yield* stateIn(world), { status: "active" })
      assert.deepStrictEqual(yield* Fiber.join(heard), [
        `{"action":"add","operator_addr":"${SUPPLIER}","services":["anvil"]}`,
        `{"action":"draining","operator_addr":"${SUPPLIER}","reason":"rebalance_release"}`
      ])
    })
  )

  it.effect("is listed although the chain does not answer, and its state is left as it is", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const { watch, lease } = yield* watching(world)
      world.chain.away = true
      yield* watch.taken(lease)
      assert.isUndefined(yield* textAt(world, STATE))
      assert.include(yield* textAt(world, LISTED), `"services":null,"status":"active"`)
      world.chain.away = false
      yield* watch.reconcile([SUPPLIER], [SUPPLIER])
      assert.include(yield* textAt(world, LISTED), `"services":["anvil"]`)
      assert.deepInclude(yield* stateIn(world), { status: "active" })
    })
  )
})

describe("a list that cannot be written", () => {
  it.effect("is written at the next look", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      let isAway = true
      const cache: SharedCache["Service"] = {
        ...world.cache,
        set: (key, value, life) =>
          Effect.suspend(() =>
            isAway
              ? Effect.fail(new SharedCacheUnavailable({ operation: "set", cause: "away" }))
              : world.cache.set(key, value, life)
          )
      }
      const { watch, lease } = yield* watching({ ...world, cache })
      yield* watch.taken(lease)
      assert.isUndefined(yield* textAt(world, LISTED))
      isAway = false
      yield* watch.reconcile([SUPPLIER], [SUPPLIER])
      assert.include(yield* textAt(world, LISTED), `"services":["anvil"],"status":"active"`)
      assert.deepStrictEqual(yield* world.cache.members("suppliers:index"), [SUPPLIER])
    })
  )
})

describe("a supplier that is handed over", () => {
  it.effect("is unstaking while it drains, and forgotten when nobody takes it", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const { watch, lease, leases } = yield* watching(world)
      yield* watch.taken(lease)
      yield* watch.leaving(SUPPLIER, "key_removal")
      assert.deepInclude(yield* stateIn(world), { status: "unstaking", staked: true, services: ["anvil"] })
      yield* leases.release(lease)
      const left = yield* Effect.forkChild(watch.left(SUPPLIER, "key_removal"))
      // Others have the time in which they adopt what nobody mines.
      yield* TestClock.adjust("12 seconds")
      assert.isDefined(yield* textAt(world, STATE))
      yield* TestClock.adjust("6 seconds")
      yield* Fiber.join(left)
      assert.isUndefined(yield* textAt(world, STATE))
      assert.isUndefined(yield* textAt(world, LISTED))
      assert.deepStrictEqual(yield* world.cache.members("suppliers:index"), [])
      // And free again for whoever wants it.
      assert.isTrue(Option.isSome(yield* leases.acquire(SUPPLIER, "miner-2")))
    })
  )

  it.effect("stays as its next owner says", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const first = yield* watching(world)
      yield* first.watch.taken(first.lease)
      yield* first.watch.leaving(SUPPLIER, "shutdown")
      yield* first.leases.release(first.lease)
      const next = Option.getOrThrow(yield* first.leases.acquire(SUPPLIER, "miner-2"))
      yield* first.watch.taken(next)
      const left = yield* Effect.forkChild(first.watch.left(SUPPLIER, "shutdown"))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(left)
      assert.deepInclude(yield* stateIn(world), { status: "active" })
      assert.include(yield* textAt(world, LISTED), `"status":"active"`)
      yield* renewOne(first.leases, next)
    })
  )
})

describe("the look at stakes", () => {
  it.effect("leaves out what the chain does not know, once its sessions have ended", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const { watch } = yield* watching(world)
      assert.deepStrictEqual(yield* watch.mined([SUPPLIER, STRANGER]), [SUPPLIER])
      assert.include(yield* textAt(world, `supplier:${STRANGER}`), `"status":"not_staked"`)
      world.chain.supplierRecord = Option.none()
      assert.isTrue(yield* watch.reconcile([SUPPLIER, STRANGER], [SUPPLIER]))
      assert.deepStrictEqual(yield* watch.mined([SUPPLIER, STRANGER]), [])
      assert.deepInclude(yield* stateIn(world), { status: "not_staked", staked: false })
      world.chain.supplierRecord = Option.some(aSupplier)
      assert.isTrue(yield* watch.reconcile([SUPPLIER, STRANGER], []))
      assert.deepStrictEqual(yield* watch.mined([SUPPLIER, STRANGER]), [SUPPLIER])
    })
  )

  it.effect("keeps a supplier that is staked no more while it has a session, or one that cannot be read", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const { watch, store, lease } = yield* watching(world)
      yield* openSession(store, lease)
      world.chain.supplierRecord = Option.none()
      yield* watch.reconcile([SUPPLIER], [SUPPLIER])
      assert.deepStrictEqual(yield* watch.mined([SUPPLIER]), [SUPPLIER])
      // Told to relayers all the same.
      assert.deepInclude(yield* stateIn(world), { status: "not_staked" })
      store.load = () => Effect.fail(new StoreUnavailable({ operation: "load", cause: "away" }))
      yield* watch.reconcile([SUPPLIER], [SUPPLIER])
      assert.deepStrictEqual(yield* watch.mined([SUPPLIER]), [SUPPLIER])
    })
  )

  it.effect("changes nothing when the chain does not answer, whatever it said before", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const { watch } = yield* watching(world)
      yield* watch.mined([SUPPLIER, STRANGER])
      const before = yield* textAt(world, `supplier:${STRANGER}`)
      world.chain.away = true
      assert.isFalse(yield* watch.reconcile([SUPPLIER, STRANGER], [SUPPLIER]))
      assert.deepStrictEqual(yield* watch.mined([SUPPLIER, STRANGER]), [SUPPLIER])
      assert.strictEqual(yield* textAt(world, `supplier:${STRANGER}`), before)
      assert.isUndefined(yield* textAt(world, STATE))
    })
  )

  it.effect("mines everything where it never answered, without waiting for it for long", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const { watch } = yield* watching(world)
      world.chain.during = Effect.never
      const held = Array.from({ length: 100 }, (_, n) => SupplierAddress.make(testKey(`held ${n}`).address))
      const mined = yield* Effect.forkChild(watch.mined(held))
      yield* TestClock.adjust("5100 millis")
      assert.deepStrictEqual(yield* Fiber.join(mined), held)
      assert.deepStrictEqual(yield* watch.mined(held), held)
    })
  )
})
