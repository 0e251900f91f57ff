import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option } from "effect"
import { TestClock } from "effect/testing"
import * as RelaySpoolMemory from "../../../adapters/memory/RelaySpoolMemory.ts"
import { RelayLog, type RelayLogEntry, RelayLogFull, RelayLogUnavailable } from "../../../domain/ports/RelayLog.ts"
import { RelaySpool } from "../../../domain/ports/RelaySpool.ts"
import { RecordRelay } from "../../../domain/relay/RecordRelay.ts"

const entry = (name: string, supplier = "a", sessionEndHeight = 6n): RelayLogEntry => ({
  trace: Option.none(),
  relay: {
    relayHash: new Uint8Array(32),
    relayBytes: new TextEncoder().encode(name),
    computeUnitsPerRelay: 1n,
    sessionId: "s",
    sessionEndHeight,
    supplierOperatorAddress: supplier,
    serviceId: "svc",
    applicationAddress: "pokt1application",
    arrivalBlockHeight: 1n,
    publishedAtUnixNano: 0n,
    sessionStartHeight: 1n
  }
})

/** A log that does what a test says, with everything that was done to it in order. */
const scripted = () => {
  const state = { done: [] as Array<string>, full: new Set<string>(), away: false, announceable: true }
  const layer = Layer.succeed(RelayLog, {
    append: ({ relay }) =>
      Effect.suspend((): Effect.Effect<string, RelayLogFull | RelayLogUnavailable> => {
        const name = new TextDecoder().decode(relay.relayBytes)
        if (state.away) return Effect.fail(new RelayLogUnavailable({ operation: "append", cause: new Error("away") }))
        if (state.full.has(relay.supplierOperatorAddress)) {
          return Effect.fail(
            new RelayLogFull({
              supplier: relay.supplierOperatorAddress,
              entries: 1,
              limit: 1,
              bytes: 1,
              bytesLimit: 1
            })
          )
        }
        state.done.push(name)
        return Effect.succeed("1-0")
      }),
    announceSpool: (_, lowest) =>
      Effect.suspend(() => {
        if (!state.announceable) {
          return Effect.fail(new RelayLogUnavailable({ operation: "announce", cause: new Error("away") }))
        }
        state.done.push(`announce ${Option.getOrElse(lowest, () => "none")}`)
        return Effect.void
      })
  })
  const provided = RecordRelay.layer.pipe(Layer.provideMerge(RelaySpoolMemory.layer), Layer.provide(layer))
  return { state, provided }
}

describe("recording a relay", () => {
  it.effect("keeps the order of the spool and announces it before the first append of each batch", () => {
    const { state, provided } = scripted()
    return Effect.gen(function* () {
      const recorder = yield* RecordRelay
      state.away = true
      for (let i = 0; i < 150; i++) yield* recorder.record(entry(String(i), "a", i === 140 ? 3n : 6n))
      state.away = false
      assert.isTrue(yield* recorder.replay)
      assert.deepStrictEqual(
        state.done.filter((done) => !done.startsWith("announce")),
        Array.from({ length: 150 }, (_, i) => String(i))
      )
      // At 250 ms an append, no more than 15 s of them fit between two announcements.
      const between = state.done.join(" ").split("announce 3")
      assert.isTrue(between.every((part) => part.trim().split(" ").length < 15_000 / 250))
      assert.strictEqual(state.done[0], "announce 3")
      assert.strictEqual(state.done.at(-1), "announce none")
    }).pipe(Effect.provide(provided))
  })

  it.effect("appends nothing while the spool cannot be announced", () => {
    const { state, provided } = scripted()
    return Effect.gen(function* () {
      const recorder = yield* RecordRelay
      state.away = true
      yield* recorder.record(entry("1"))
      state.away = false
      state.announceable = false
      assert.isFalse(yield* recorder.replay)
      assert.deepStrictEqual(state.done, [])
    }).pipe(Effect.provide(provided))
  })

  it.effect("flushes as long as it takes the log to come back", () => {
    const { state, provided } = scripted()
    return Effect.gen(function* () {
      const recorder = yield* RecordRelay
      const spool = yield* RelaySpool
      state.away = true
      yield* recorder.record(entry("1"))
      const flushing = yield* Effect.forkChild(recorder.flush)
      yield* TestClock.adjust("1 second")
      assert.isUndefined(flushing.pollUnsafe())
      state.away = false
      yield* TestClock.adjust("100 millis")
      yield* Fiber.join(flushing)
      assert.strictEqual(yield* spool.size, 0)
    }).pipe(Effect.provide(provided))
  })

  it.effect("does not wait for ever for an announcement that hangs", () => {
    const hanging = Layer.succeed(RelayLog, {
      append: () => Effect.fail(new RelayLogUnavailable({ operation: "append", cause: new Error("away") })),
      announceSpool: () => Effect.never
    })
    return Effect.gen(function* () {
      const recorder = yield* RecordRelay
      yield* recorder.record(entry("1"))
      const replaying = yield* Effect.forkChild(recorder.replay)
      yield* TestClock.adjust("1 second")
      assert.isFalse(yield* Fiber.join(replaying))
    }).pipe(Effect.provide(RecordRelay.layer.pipe(Layer.provideMerge(RelaySpoolMemory.layer), Layer.provide(hanging))))
  })

  it.effect("does not let one supplier's full log hold up the others", () => {
    const { state, provided } = scripted()
    return Effect.gen(function* () {
      const recorder = yield* RecordRelay
      const spool = yield* RelaySpool
      state.full.add("a").add("b")
      for (let i = 0; i < 250; i++) yield* recorder.record(entry(`a${i}`, "a"))
      for (let i = 0; i < 3; i++) yield* recorder.record(entry(`b${i}`, "b"))
      state.full.delete("b")
      assert.isFalse(yield* recorder.replay)
      assert.deepStrictEqual(
        state.done.filter((done) => !done.startsWith("announce")),
        ["b0", "b1", "b2"]
      )
      assert.strictEqual(yield* spool.size, 250)
      state.full.delete("a")
      assert.isTrue(yield* recorder.replay)
      assert.strictEqual(yield* spool.size, 0)
    }).pipe(Effect.provide(provided))
  })

  it.effect("passes a defect of the log on instead of spooling behind it", () => {
    const dying = Layer.mock(RelayLog, { append: () => Effect.die(new Error("broken")) })
    return Effect.gen(function* () {
      const recorder = yield* RecordRelay
      const exit = yield* Effect.exit(recorder.record(entry("1")))
      assert.strictEqual(exit._tag, "Failure")
      assert.strictEqual(yield* (yield* RelaySpool).size, 0)
    }).pipe(Effect.provide(RecordRelay.layer.pipe(Layer.provideMerge(RelaySpoolMemory.layer), Layer.provide(dying))))
  })

  it.effect("does not wait for an append that cannot be interrupted", () => {
    const stuck = Layer.mock(RelayLog, { append: () => Effect.uninterruptible(Effect.never) })
    return Effect.gen(function* () {
      const recorder = yield* RecordRelay
      const recording = yield* Effect.forkChild(recorder.record(entry("1")))
      yield* TestClock.adjust("250 millis")
      yield* Fiber.join(recording)
      assert.strictEqual(yield* (yield* RelaySpool).size, 1)
    }).pipe(Effect.provide(RecordRelay.layer.pipe(Layer.provideMerge(RelaySpoolMemory.layer), Layer.provide(stuck))))
  })
})
