import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option, Schema } from "effect"
import { TestClock } from "effect/testing"
import { MemoryStores } from "../../../adapters/memory/MemoryStores.ts"
import * as MeterStoreMemory from "../../../adapters/memory/MeterStoreMemory.ts"
import { ServiceFactors } from "../../../domain/cache/ServiceFactors.ts"
import { ChainUnavailable } from "../../../domain/ports/Blocks.ts"
import { MeterStore, MeterUnavailable } from "../../../domain/ports/MeterStore.ts"
import { SharedCacheUnavailable } from "../../../domain/ports/SharedCache.ts"
import type { Decimal } from "../../../domain/protocol/Decimal.ts"
import { SessionId, SupplierAddress } from "../../../domain/protocol/Identifiers.ts"
import { RelayMeter, type Reservation } from "../../../domain/relay/RelayMeter.ts"
import { SessionDirectory, type SessionFacts } from "../../../domain/relay/SessionDirectory.ts"

const SUPPLIER = "pokt1supplier"

const facts = (session: string, upokt = 10n, relays = 1): SessionFacts => ({
  header: {
    applicationAddress: "pokt1application",
    serviceId: "svc",
    sessionId: session,
    sessionStartBlockHeight: 1n,
    sessionEndBlockHeight: 6n
  },
  suppliers: new Set([SUPPLIER]),
  graceEnd: 7n,
  computeUnitsPerRelay: 1n,
  target: new Uint8Array(32),
  unit: { upokt, relays }
})

/** The chain's side of a meter: a share that a test may change, or that cannot be read. */
const directory = (state: { share: bigint | undefined }) =>
  Layer.mock(SessionDirectory, {
    peek: () => undefined,
    share: () =>
      Effect.suspend(() =>
        state.share === undefined
          ? Effect.fail(new ChainUnavailable({ operation: "share", cause: new Error("away") }))
          : Effect.succeed({ stake: 0n, share: state.share })
      )
  })

/** `replicas` meters over one store. */
const meters = (replicas: number, state: { share: bigint | undefined }, store = MeterStoreMemory.layer) =>
  Effect.gen(function* () {
    const stores = yield* Layer.build(Layer.provideMerge(store, MemoryStores.layer))
    const all = yield* Effect.forEach(Array.from({ length: replicas }), () =>
      Effect.map(
        Layer.build(
          RelayMeter.layer.pipe(Layer.provide(directory(state)), Layer.provide(Layer.succeedContext(stores)))
        ),
        (context) => Effect.provide(RelayMeter, context)
      ).pipe(Effect.flatten)
    )
    const consumed = (session: string) =>
      Effect.flatMap(MeterStore, (meter) =>
        meter.consumed({ session: SessionId.make(session), supplier: SupplierAddress.make(SUPPLIER) })
      ).pipe(Effect.provide(stores))
    return { all, consumed }
  })

const Step = Schema.Struct({
  replica: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 })),
  session: Schema.Literals(["s", "t"]),
  /** Whether the relay is answered, and how long that takes in milliseconds. */
  answered: Schema.Boolean,
  takes: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 20 }))
})

describe("the meter", () => {
  it.effect.prop(
    "charges exactly the answered relays, and never more than the share, with replicas and concurrency",
    {
      steps: Schema.Array(Step).check(Schema.isMaxLength(120)),
      share: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 700 })),
      unit: Schema.Literals([1, 7])
    },
    ({ share, steps, unit }) =>
      Effect.gen(function* () {
        const { all, consumed } = yield* meters(3, { share: BigInt(share) })
        const answered = { s: 0, t: 0 }
        const serving = yield* Effect.forkChild(
          Effect.forEach(
            steps,
            (step) =>
              Effect.gen(function* () {
                const meter = all[step.replica]!
                const reservation = yield* meter.reserve(facts(step.session, 10n, unit), SUPPLIER)
                if (reservation === undefined) return
                yield* Effect.sleep(step.takes)
                if (!step.answered) return reservation.release()
                reservation.keep()
                answered[step.session]++
              }),
            { concurrency: 16, discard: true }
          )
        )
        for (let i = 0; i < 100 && serving.pollUnsafe() === undefined; i++) {
          yield* TestClock.adjust(20)
          for (const session of ["s", "t"]) assert.isTrue((yield* consumed(session)) <= BigInt(share))
        }
        yield* Fiber.join(serving)
        yield* Effect.forEach(all, (meter) => meter.drain)
        for (const session of ["s", "t"] as const) {
          const charged = yield* consumed(session)
          // Exact for whole units; where a unit pays for several relays, each replica rounds up its last one.
          const least = BigInt(Math.ceil(answered[session] / unit)) * 10n
          const most = least + (unit === 1 ? 0n : 20n)
          assert.isTrue(charged >= least && charged <= most, `${charged} for ${answered[session]}`)
        }
      }).pipe(Effect.scoped),
    { arbitrary: { runs: 60, seed: 11 } }
  )

  it.effect("serves everything that the share pays for, in one replica", () =>
    Effect.gen(function* () {
      const { all, consumed } = yield* meters(1, { share: 1_009n })
      let granted = 0
      for (let i = 0; i < 150; i++) if ((yield* all[0]!.reserve(facts("s"), SUPPLIER)) !== undefined) granted++
      assert.strictEqual(granted, 100)
      assert.strictEqual(yield* consumed("s"), 1_000n)
    }).pipe(Effect.scoped)
  )

  it.effect("asks a consumed share again after a second, and then follows a stake that grew", () =>
    Effect.gen(function* () {
      const state: { share: bigint | undefined } = { share: 10n }
      const { all } = yield* meters(1, state)
      assert.isDefined(yield* all[0]!.reserve(facts("s"), SUPPLIER))
      assert.isUndefined(yield* all[0]!.reserve(facts("s"), SUPPLIER))
      state.share = 20n
      assert.isUndefined(yield* all[0]!.reserve(facts("s"), SUPPLIER))
      yield* TestClock.adjust("1 second")
      assert.isDefined(yield* all[0]!.reserve(facts("s"), SUPPLIER))
    }).pipe(Effect.scoped)
  )

  it.effect("goes on with the limit that it knew while the chain is away, and fails without one", () =>
    Effect.gen(function* () {
      const state: { share: bigint | undefined } = { share: 640n }
      const { all } = yield* meters(1, state)
      yield* all[0]!.reserve(facts("s"), SUPPLIER)
      state.share = undefined
      for (let i = 1; i < 64; i++) assert.isDefined(yield* all[0]!.reserve(facts("s"), SUPPLIER))
      const failed = yield* Effect.flip(all[0]!.reserve(facts("t"), SUPPLIER))
      assert.strictEqual(failed._tag, "ChainUnavailable")
    }).pipe(Effect.scoped)
  )

  it.effect("asks a store that is away once in a second, not once for each relay", () =>
    Effect.gen(function* () {
      let asked = 0
      const away = Layer.mock(MeterStore, {
        take: () =>
          Effect.suspend(() => {
            asked++
            return Effect.andThen(
              Effect.sleep(100),
              Effect.fail(new MeterUnavailable({ operation: "take", cause: new Error("away") }))
            )
          })
      })
      const { all } = yield* meters(1, { share: 1_000n }, away)
      const failures = yield* Effect.forkChild(
        Effect.forEach(Array.from({ length: 50 }), () => Effect.flip(all[0]!.reserve(facts("s"), SUPPLIER)), {
          concurrency: "unbounded"
        })
      )
      yield* TestClock.adjust(100)
      assert.strictEqual((yield* Fiber.join(failures)).length, 50)
      assert.strictEqual(asked, 1)
    }).pipe(Effect.scoped)
  )

  it.effect("gives back at the end of a session, what is released later too", () =>
    Effect.gen(function* () {
      const { all, consumed } = yield* meters(1, { share: 6_400n })
      const meter = all[0]!
      const kept: Array<Reservation> = []
      for (let i = 0; i < 3; i++) kept.push((yield* meter.reserve(facts("s"), SUPPLIER))!)
      assert.isTrue((yield* consumed("s")) > 30n)
      yield* meter.settle(7n)
      assert.isTrue((yield* consumed("s")) > 30n)
      yield* meter.settle(8n)
      assert.strictEqual(yield* consumed("s"), 30n)
      kept[0]!.keep()
      kept[1]!.release()
      kept[2]!.keep()
      yield* meter.settle(9n)
      assert.strictEqual(yield* consumed("s"), 20n)
    }).pipe(Effect.scoped)
  )

  it.effect("gives back a chunk that was asked for before the session's end and came after it", () =>
    Effect.gen(function* () {
      const slow = Layer.effect(
        MeterStore,
        Effect.map(MeterStore, (store) => ({
          ...store,
          take: (request: Parameters<typeof store.take>[0]) => Effect.delay(store.take(request), "200 millis")
        }))
      ).pipe(Layer.provide(MeterStoreMemory.layer))
      const { all, consumed } = yield* meters(1, { share: 10_000n }, slow)
      const [meter] = all
      const reserving = yield* Effect.forkChild(meter!.reserve(facts("s"), SUPPLIER))
      yield* TestClock.adjust("100 millis")
      yield* meter!.settle(8n)
      yield* TestClock.adjust("100 millis")
      ;(yield* Fiber.join(reserving))?.keep()
      yield* meter!.settle(9n)
      assert.strictEqual(yield* consumed("s"), 10n)
    })
  )

  it.effect("drops a counter a hundred blocks after its session's grace, and never before", () =>
    Effect.gen(function* () {
      const { all, consumed } = yield* meters(2, { share: 640n })
      const [first, lagging] = all
      for (let i = 0; i < 64; i++) (yield* first!.reserve(facts("s"), SUPPLIER))!.keep()
      for (const height of [8n, 9n, 50n, 107n]) {
        yield* first!.settle(height)
        assert.isUndefined(yield* lagging!.reserve(facts("s"), SUPPLIER))
        yield* TestClock.adjust("1 second")
      }
      assert.strictEqual(yield* consumed("s"), 640n)
      yield* first!.settle(108n)
      assert.strictEqual(yield* consumed("s"), 0n)
    }).pipe(Effect.scoped)
  )

  it.effect("drops a counter at a later block when the store was away", () =>
    Effect.gen(function* () {
      let away = true
      const moody = Layer.effect(
        MeterStore,
        Effect.map(MeterStore, (store) => ({
          ...store,
          drop: (key: Parameters<typeof store.drop>[0]) => Effect.suspend(() => (away ? Effect.never : store.drop(key)))
        }))
      ).pipe(Layer.provide(MeterStoreMemory.layer))
      const { all, consumed } = yield* meters(1, { share: 640n }, moody)
      const [meter] = all
      ;(yield* meter!.reserve(facts("s"), SUPPLIER))!.keep()
      yield* meter!.settle(8n)
      const settling = yield* Effect.forkChild(meter!.settle(108n))
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(settling)
      assert.strictEqual(yield* consumed("s"), 10n)
      away = false
      yield* meter!.settle(109n)
      assert.strictEqual(yield* consumed("s"), 0n)
    }).pipe(Effect.scoped)
  )

  it.effect("does not wait for ever for a give-back, and leaves the others to the next block", () =>
    Effect.gen(function* () {
      let hangs = true
      const hanging = Layer.effect(
        MeterStore,
        Effect.map(MeterStore, (store) => ({
          ...store,
          giveBack: (...args: Parameters<typeof store.giveBack>) =>
            Effect.suspend(() => (hangs ? Effect.never : store.giveBack(...args)))
        }))
      ).pipe(Layer.provide(MeterStoreMemory.layer))
      const { all, consumed } = yield* meters(1, { share: 6_400n }, hanging)
      const [meter] = all
      ;(yield* meter!.reserve(facts("s"), SUPPLIER))!.keep()
      ;(yield* meter!.reserve(facts("t"), SUPPLIER))!.keep()
      const settling = yield* Effect.forkChild(meter!.settle(8n))
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(settling)
      hangs = false
      yield* meter!.settle(9n)
      // Whether the first was given back is not known: it stays charged.
      assert.isTrue((yield* consumed("s")) > 10n)
      assert.strictEqual(yield* consumed("t"), 10n)
    }).pipe(Effect.scoped)
  )

  it.effect("does not make room with an allowance whose chunk is under way", () =>
    Effect.gen(function* () {
      const slow = Layer.effect(
        MeterStore,
        Effect.map(MeterStore, (store) => ({
          ...store,
          take: (request: Parameters<typeof store.take>[0]) =>
            request.key.session === "first" ? Effect.delay(store.take(request), "200 millis") : store.take(request)
        }))
      ).pipe(Layer.provide(MeterStoreMemory.layer))
      const { all, consumed } = yield* meters(1, { share: 10_000n }, slow)
      const [meter] = all
      const reserving = yield* Effect.forkChild(meter!.reserve(facts("first"), SUPPLIER), { startImmediately: true })
      for (let i = 0; i <= 50_000; i++) (yield* meter!.reserve(facts(String(i)), SUPPLIER))!.keep()
      // The oldest idle one made room.
      assert.strictEqual(yield* consumed("0"), 10n)
      yield* TestClock.adjust("200 millis")
      ;(yield* Fiber.join(reserving))!.keep()
      yield* meter!.settle(8n)
      assert.strictEqual(yield* consumed("first"), 10n)
    }).pipe(Effect.scoped)
  )

  /** A store whose takes last as a test says, and are counted; what they take is what the store below gives. */
  const counting = (state: { millis: number | "for ever"; takes: number; largest: bigint }) =>
    Layer.effect(
      MeterStore,
      Effect.map(MeterStore, (store) => ({
        ...store,
        take: (request: Parameters<typeof store.take>[0]) =>
          Effect.suspend(() => {
            state.takes++
            if (request.wanted > state.largest) state.largest = request.wanted
            return state.millis === "for ever" ? Effect.never : Effect.delay(store.take(request), state.millis)
          })
      }))
    ).pipe(Layer.provide(MeterStoreMemory.layer))

  it.effect("lets no relay of a steady stream wait for the store, but the first of its session", () =>
    Effect.gen(function* () {
      const state = { millis: 20, takes: 0, largest: 0n }
      const { all, consumed } = yield* meters(1, { share: 100_000n }, counting(state))
      const [meter] = all
      const first = yield* Effect.forkChild(meter!.reserve(facts("s"), SUPPLIER))
      yield* TestClock.adjust(20)
      ;(yield* Fiber.join(first))!.keep()
      let waited = 0
      // One each millisecond; the share pays for 10 000, a chunk for 100.
      for (let i = 1; i < 5_000; i++) {
        const reserving = yield* Effect.forkChild(meter!.reserve(facts("s"), SUPPLIER), { startImmediately: true })
        if (reserving.pollUnsafe() === undefined) waited++
        yield* TestClock.adjust(1)
        ;(yield* Fiber.join(reserving))!.keep()
        // What a crash would lose now.
        assert.isTrue((yield* consumed("s")) - BigInt(i + 1) * 10n <= 1_000n)
      }
      assert.strictEqual(waited, 0)
      assert.isAtLeast(state.takes, 50)
      assert.isAtMost(state.takes, 120)
      assert.isTrue(state.largest <= 1_010n)
      yield* meter!.drain
      assert.strictEqual(yield* consumed("s"), 50_000n)
    }).pipe(Effect.scoped)
  )

  it.effect("serves many that come at once from one take", () =>
    Effect.gen(function* () {
      const state = { millis: 20, takes: 0, largest: 0n }
      const { all, consumed } = yield* meters(1, { share: 100_000n }, counting(state))
      const [meter] = all
      const burst = yield* Effect.forkChild(
        Effect.forEach(Array.from({ length: 500 }), () => meter!.reserve(facts("s"), SUPPLIER), {
          concurrency: "unbounded"
        })
      )
      yield* TestClock.adjust(60)
      const reservations = yield* Fiber.join(burst)
      assert.isTrue(reservations.every((reservation) => reservation !== undefined))
      assert.isAtMost(state.takes, 3)
      for (const reservation of reservations) reservation!.keep()
      yield* meter!.drain
      assert.strictEqual(yield* consumed("s"), 5_000n)
    }).pipe(Effect.scoped)
  )

  it.effect("waits a quarter of a second for a store that does not answer, then says so, and to others at once", () =>
    Effect.gen(function* () {
      const state: { millis: number | "for ever"; takes: number; largest: bigint } = {
        millis: "for ever",
        takes: 0,
        largest: 0n
      }
      const { all } = yield* meters(1, { share: 100_000n }, counting(state))
      const [meter] = all
      const reserving = yield* Effect.forkChild(
        Effect.forEach([1, 2, 3], () => Effect.flip(meter!.reserve(facts("s"), SUPPLIER)), { concurrency: 3 })
      )
      yield* TestClock.adjust(250)
      for (const error of yield* Fiber.join(reserving)) assert.strictEqual(error._tag, "MeterUnavailable")
      assert.strictEqual((yield* Effect.flip(meter!.reserve(facts("s"), SUPPLIER)))._tag, "MeterUnavailable")
      assert.strictEqual(state.takes, 1)
      // The store is back; the take that hangs is in nobody's way.
      state.millis = 0
      yield* TestClock.adjust("1 second")
      const again = yield* Effect.forkChild(meter!.reserve(facts("s"), SUPPLIER))
      yield* TestClock.adjust(1)
      assert.isDefined(yield* Fiber.join(again))
      assert.strictEqual(state.takes, 2)
    }).pipe(Effect.scoped)
  )

  it.effect("holds a chunk that comes after its relay gave up waiting, and charges what it pays for", () =>
    Effect.gen(function* () {
      const state = { millis: 400, takes: 0, largest: 0n }
      const { all, consumed } = yield* meters(1, { share: 100_000n }, counting(state))
      const [meter] = all
      const reserving = yield* Effect.forkChild(Effect.flip(meter!.reserve(facts("s"), SUPPLIER)))
      yield* TestClock.adjust(250)
      assert.strictEqual((yield* Fiber.join(reserving))._tag, "MeterUnavailable")
      yield* TestClock.adjust(150)
      ;(yield* meter!.reserve(facts("s"), SUPPLIER))!.keep()
      assert.strictEqual(state.takes, 1)
      yield* meter!.drain
      assert.strictEqual(yield* consumed("s"), 10n)
    }).pipe(Effect.scoped)
  )

  it.effect("gives back at the drain a chunk that is under way, also one that comes after it", () =>
    Effect.gen(function* () {
      for (const millis of [1_000, 5_000]) {
        const state = { millis: 1, takes: 0, largest: 0n }
        const { all, consumed } = yield* meters(1, { share: 100_000n }, counting(state))
        const [meter] = all
        const first = yield* Effect.forkChild(meter!.reserve(facts("s"), SUPPLIER))
        yield* TestClock.adjust(1)
        ;(yield* Fiber.join(first))!.keep()
        state.millis = millis
        for (let i = 0; i < 60; i++) (yield* meter!.reserve(facts("s"), SUPPLIER))!.keep()
        assert.strictEqual(state.takes, 2)
        const draining = yield* Effect.forkChild(meter!.drain)
        yield* TestClock.adjust("2 seconds")
        yield* Fiber.join(draining)
        yield* TestClock.adjust("3 seconds")
        assert.strictEqual(yield* consumed("s"), 610n, `after ${millis} ms`)
      }
    }).pipe(Effect.scoped)
  )

  it.effect("charges relays that cost a fraction of a uPOKT", () =>
    Effect.gen(function* () {
      const { all, consumed } = yield* meters(1, { share: 3n })
      let granted = 0
      for (let i = 0; i < 50; i++) {
        const reservation = yield* all[0]!.reserve(facts("s", 1n, 10), SUPPLIER)
        if (reservation === undefined) continue
        granted++
        reservation.keep()
      }
      assert.strictEqual(granted, 30)
      assert.strictEqual(yield* consumed("s"), 3n)
    }).pipe(Effect.scoped)
  )

  it.effect("keeps to the factor that the miners' leader publishes, and to the share while it cannot be read", () =>
    Effect.gen(function* () {
      let published: Effect.Effect<Option.Option<Decimal>, SharedCacheUnavailable> = Effect.succeed(
        Option.some({ numerator: 5n, denominator: 100n })
      )
      const factors = Layer.mock(ServiceFactors, { factor: () => Effect.suspend(() => published) })
      const chain = Layer.mock(SessionDirectory, {
        peek: () => undefined,
        share: () => Effect.succeed({ stake: 1_000n, share: 80n })
      })
      const meter = yield* Effect.provide(
        RelayMeter,
        RelayMeter.layer.pipe(
          Layer.provide([MeterStoreMemory.layer, chain, factors]),
          Layer.provide(MemoryStores.layer)
        )
      )
      const servedOf = (session: string) =>
        Effect.gen(function* () {
          let served = 0
          for (; served < 100 && (yield* meter.reserve(facts(session), SUPPLIER)) !== undefined; served++);
          return served
        })
      // 5 % of a stake of 1 000 pays for 5 relays of 10, the share for 8.
      assert.strictEqual(yield* servedOf("by factor"), 5)
      published = Effect.fail(new SharedCacheUnavailable({ operation: "get", cause: new Error("away") }))
      assert.strictEqual(yield* servedOf("unreadable"), 8)
      published = Effect.succeed(Option.none())
      assert.strictEqual(yield* servedOf("unpublished"), 8)
    }).pipe(Effect.scoped)
  )
})
