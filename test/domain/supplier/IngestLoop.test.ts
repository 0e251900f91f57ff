/** How often an idle supplier is looked after, and how soon after something went wrong or came in. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect } from "effect"
import { startMiner } from "../../../domain/mining/Miner.ts"
import { defaultMinerSettings, type MinerSettings } from "../../../domain/mining/MinerSettings.ts"
import { StoreUnavailable, SupplierStore } from "../../../domain/ports/SupplierStore.ts"
import { append, headerAt, inWorld, relaysOf, runBlocks, supplierAddress, testSettings } from "../mining/MinerWorld.ts"

const settings: MinerSettings = {
  ingest: defaultMinerSettings.ingest,
  submission: testSettings.submission,
  fleet: testSettings.fleet
}
const { deliveryWait, redeliverEvery } = settings.ingest

/** A store that notes when lost deliveries are asked for; a read fails when it is told to. */
const watched = (store: SupplierStore["Service"]) => {
  const asked: Array<number> = []
  const reading = { fails: false }
  const noted: SupplierStore["Service"] = {
    ...store,
    redeliver: (lease) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        if (lease.supplier === supplierAddress) asked.push(now)
        return store.redeliver(lease)
      }),
    deliveries: (lease, max, wait) =>
      Effect.suspend(() => {
        if (!reading.fails) return store.deliveries(lease, max, wait)
        reading.fails = false
        return Effect.fail(new StoreUnavailable({ operation: "deliveries", cause: "away" }))
      })
  }
  const pauses = () => asked.slice(1).map((at, index) => at - (asked[index] ?? 0))
  return { noted, pauses, asked, reading }
}

const seconds = (...all: ReadonlyArray<number>) => all.map((each) => each * 1_000)

describe("the ingest loop of an idle supplier", () => {
  it.effect("asks for lost deliveries ever less often, up to the longest wait", () =>
    Effect.gen(function* () {
      const { noted, pauses } = watched(yield* SupplierStore)
      yield* startMiner.pipe(Effect.provideService(SupplierStore, noted))
      yield* runBlocks(120)
      assert.deepStrictEqual(pauses().slice(0, 4), seconds(10, 15, 15, 15))
      assert.strictEqual(Duration.toMillis(deliveryWait), 15_000)
    }).pipe(inWorld({ settings }))
  )

  it.effect("asks often again after a delivery", () =>
    Effect.gen(function* () {
      const header = yield* headerAt(1n)
      const { asked, noted } = watched(yield* SupplierStore)
      yield* startMiner.pipe(Effect.provideService(SupplierStore, noted))
      yield* runBlocks(60)
      yield* append(header, relaysOf(header, 1))
      const before = asked.length
      const at = yield* Clock.currentTimeMillis
      yield* runBlocks(Duration.toSeconds(redeliverEvery) + 1)
      assert.isAbove(asked.length, before)
      assert.isAtMost((asked[before] ?? Infinity) - at, Duration.toMillis(redeliverEvery))
    }).pipe(inWorld({ settings }))
  )

  it.effect("asks at once after a read that failed, which may have taken something", () =>
    Effect.gen(function* () {
      const header = yield* headerAt(1n)
      const { asked, noted, reading } = watched(yield* SupplierStore)
      yield* startMiner.pipe(Effect.provideService(SupplierStore, noted))
      yield* runBlocks(60)
      reading.fails = true
      // Ends the wait that is under way, so that the next read begins.
      yield* append(header, relaysOf(header, 1))
      const before = asked.length
      yield* runBlocks(2)
      assert.isAbove(asked.length, before)
    }).pipe(inWorld({ settings }))
  )
})
