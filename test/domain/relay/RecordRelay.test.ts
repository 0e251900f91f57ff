import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Fiber, Layer, Logger, Metric, Option, References } from "effect"
import { TestClock } from "effect/testing"
import * as RelaySpoolMemory from "../../../adapters/memory/RelaySpoolMemory.ts"
import { drain, unfinished } from "../../../domain/lifecycle/Drain.ts"
import { RelayLog, type RelayLogEntry, RelayLogFull, RelayLogUnavailable } from "../../../domain/ports/RelayLog.ts"
import { RelaySpool, SpoolUnavailable } from "../../../domain/ports/RelaySpool.ts"
import { RecordRelay } from "../../../domain/relay/RecordRelay.ts"
import { defaultRelayPolicy, RelayPolicyRef } from "../../../domain/relay/RelayPolicy.ts"

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
  return { state, layer, provided }
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

  it.effect("announces again within a batch, before the announcement can expire", () => {
    const sent: Array<readonly [at: number, what: string]> = []
    let away = true
    const slow = Layer.succeed(RelayLog, {
      append: () =>
        Effect.gen(function* () {
          if (away) return yield* new RelayLogUnavailable({ operation: "append", cause: new Error("away") })
          sent.push([yield* Clock.currentTimeMillis, "append"])
          yield* Effect.sleep("900 millis")
          return "1-0"
        }),
      announceSpool: () =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          sent.push([now, "announce"])
        })
    })
    return Effect.gen(function* () {
      const recorder = yield* RecordRelay
      for (let i = 0; i < 32; i++) yield* recorder.record(entry(String(i)))
      away = false
      const replaying = yield* Effect.forkChild(recorder.replay)
      yield* TestClock.adjust("1 minute")
      assert.isTrue(yield* Fiber.join(replaying))
      let announcedAt = Number.NEGATIVE_INFINITY
      for (const [at, what] of sent) {
        if (what === "announce") announcedAt = at
        else assert.isAtMost(at - announcedAt, 5_000)
      }
    }).pipe(
      Effect.provide(
        RecordRelay.layer.pipe(
          Layer.provideMerge(RelaySpoolMemory.layer),
          Layer.provide(slow),
          Layer.provide(Layer.succeed(RelayPolicyRef, { ...defaultRelayPolicy, appendTimeout: Duration.seconds(1) }))
        )
      )
    )
  })

  it.effect("appends nothing of a session that was spooled while a later one was announced", () => {
    const done: Array<string> = []
    let away = true
    let onAnnounce: Effect.Effect<void> = Effect.void
    const log = Layer.succeed(RelayLog, {
      append: ({ relay }) =>
        Effect.suspend(() => {
          if (away) return Effect.fail(new RelayLogUnavailable({ operation: "append", cause: new Error("away") }))
          done.push(String(relay.sessionEndHeight))
          return Effect.succeed("1-0")
        }),
      announceSpool: (_, lowest) =>
        Effect.suspend(() => {
          done.push(`announce ${Option.getOrElse(lowest, () => "none")}`)
          return onAnnounce
        })
    })
    return Effect.gen(function* () {
      const recorder = yield* RecordRelay
      const spool = yield* RelaySpool
      yield* recorder.record(entry("1", "a", 6n))
      away = false
      onAnnounce = Effect.suspend(() => {
        onAnnounce = Effect.void
        return Effect.orDie(spool.offer(entry("2", "a", 3n)))
      })
      assert.isTrue(yield* recorder.replay)
      assert.deepStrictEqual(done, ["announce 6", "6", "announce 3", "3", "announce none"])
    }).pipe(Effect.provide(RecordRelay.layer.pipe(Layer.provideMerge(RelaySpoolMemory.layer), Layer.provide(log))))
  })

  it.effect("tells the operator how many relays are left in the spool when the drain runs out of time", () => {
    const { state, provided } = scripted()
    const errors: Array<readonly [unknown, unknown]> = []
    const logger = Logger.make(({ fiber, logLevel, message }) => {
      if (logLevel === "Error") errors.push([message, fiber.getRef(References.CurrentLogAnnotations)["entries"]])
    })
    return Effect.gen(function* () {
      const recorder = yield* RecordRelay
      state.away = true
      yield* recorder.record(entry("1"))
      yield* recorder.record(entry("2"))
      const draining = yield* Effect.forkChild(
        drain([{ name: "flushed the spool", run: recorder.flush }], Duration.seconds(3))
      )
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(unfinished(yield* Fiber.join(draining)), ["flushed the spool"])
      assert.deepStrictEqual(errors, [[["mined relays are left in the spool"], 2]])
    }).pipe(Effect.provide(Layer.merge(provided, Logger.layer([logger]))))
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
      yield* TestClock.adjust("4 seconds")
      assert.isFalse(yield* Fiber.join(replaying))
    }).pipe(Effect.provide(RecordRelay.layer.pipe(Layer.provideMerge(RelaySpoolMemory.layer), Layer.provide(hanging))))
  })

  it.effect("goes on replaying after a replay that failed by a defect", () => {
    const { state, layer } = scripted()
    let broken = true
    const moody = Layer.effect(
      RelaySpool,
      Effect.map(RelaySpool, (spool) => ({
        ...spool,
        peek: (max: number) => Effect.suspend(() => (broken ? Effect.die(new Error("broken")) : spool.peek(max)))
      }))
    ).pipe(Layer.provide(RelaySpoolMemory.layer))
    return Effect.gen(function* () {
      const recorder = yield* RecordRelay
      state.away = true
      yield* recorder.record(entry("1"))
      state.away = false
      const house = yield* Effect.forkChild(recorder.keepReplaying)
      yield* TestClock.adjust("1 second")
      broken = false
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(state.done, ["announce 6", "1", "announce none"])
      yield* Fiber.interrupt(house)
    }).pipe(Effect.provide(RecordRelay.layer.pipe(Layer.provide(moody), Layer.provide(layer))))
  })

  it.effect("does not wait for ever for a spool that hangs", () => {
    const { state, layer } = scripted()
    let hangs = true
    const hanging = Layer.effect(
      RelaySpool,
      Effect.map(RelaySpool, (spool) => ({
        ...spool,
        peek: (max: number) => Effect.suspend(() => (hangs ? Effect.never : spool.peek(max)))
      }))
    ).pipe(Layer.provide(RelaySpoolMemory.layer))
    return Effect.gen(function* () {
      const recorder = yield* RecordRelay
      state.away = true
      yield* recorder.record(entry("1"))
      state.away = false
      const replaying = yield* Effect.forkChild(recorder.replay)
      yield* TestClock.adjust("5 seconds")
      assert.isFalse(yield* Fiber.join(replaying))
      hangs = false
      assert.isTrue(yield* recorder.replay)
    }).pipe(Effect.provide(RecordRelay.layer.pipe(Layer.provide(hanging), Layer.provide(layer))))
  })

  /** A log at the end of a long line: each call takes its time, however many are under way. */
  const distant = (state: { away: boolean }, appended: Array<string>, trip: Duration.Input = "200 millis") =>
    Layer.succeed(RelayLog, {
      append: ({ relay }) =>
        Effect.gen(function* () {
          if (state.away) return yield* new RelayLogUnavailable({ operation: "append", cause: new Error("away") })
          const arrives = Effect.sync(() => void appended.push(new TextDecoder().decode(relay.relayBytes)))
          // What was sent arrives, whoever waits for the answer.
          yield* Effect.forkDetach(Effect.andThen(Effect.sleep(trip), arrives), { startImmediately: true })
          yield* Effect.sleep(trip)
          return "1-0"
        }),
      announceSpool: () => Effect.sleep(trip)
    })

  it.effect("replays over a long line faster than one relay for each round trip, in order", () => {
    const [state, appended] = [{ away: true }, new Array<string>()]
    return Effect.gen(function* () {
      const recorder = yield* RecordRelay
      for (let i = 0; i < 64; i++) yield* recorder.record(entry(String(i)))
      state.away = false
      const replaying = yield* Effect.forkChild(recorder.replay)
      yield* TestClock.adjust("2 seconds")
      assert.isTrue(yield* Fiber.join(replaying))
      assert.deepStrictEqual(
        appended,
        Array.from({ length: 64 }, (_, i) => String(i))
      )
      assert.strictEqual(yield* (yield* RelaySpool).size, 0)
    }).pipe(
      Effect.provide(
        RecordRelay.layer.pipe(Layer.provideMerge(RelaySpoolMemory.layer), Layer.provide(distant(state, appended)))
      )
    )
  })

  it.effect("empties the spool once, without doubles, into a log that confirms later than a relay waits for it", () => {
    const [state, appended] = [{ away: true }, new Array<string>()]
    return Effect.gen(function* () {
      const recorder = yield* RecordRelay
      for (let i = 0; i < 64; i++) yield* recorder.record(entry(String(i)))
      state.away = false
      const house = yield* Effect.forkChild(recorder.keepReplaying)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* (yield* RelaySpool).size, 0)
      assert.lengthOf(appended, 64)
      yield* Fiber.interrupt(house)
    }).pipe(
      Effect.provide(
        RecordRelay.layer.pipe(
          Layer.provideMerge(RelaySpoolMemory.layer),
          Layer.provide(distant(state, appended, "400 millis"))
        )
      )
    )
  })

  it.effect("looks again within a second after a long replay that left nothing", () => {
    const [state, appended] = [{ away: true }, new Array<string>()]
    return Effect.gen(function* () {
      const recorder = yield* RecordRelay
      for (let i = 0; i < 640; i++) yield* recorder.record(entry(String(i)))
      state.away = false
      const house = yield* Effect.forkChild(recorder.keepReplaying)
      while (appended.length < 640) yield* TestClock.adjust("100 millis")
      yield* TestClock.adjust("300 millis")
      state.away = true
      yield* recorder.record(entry("late"))
      state.away = false
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(appended.at(-1), "late")
      yield* Fiber.interrupt(house)
    }).pipe(
      Effect.provide(
        RecordRelay.layer.pipe(Layer.provideMerge(RelaySpoolMemory.layer), Layer.provide(distant(state, appended)))
      )
    )
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

  it.effect("does not wait in a replay for an append that cannot be interrupted, nor when the replay is", () => {
    let stuck = false
    const log = Layer.succeed(RelayLog, {
      append: () =>
        Effect.suspend(() =>
          stuck
            ? Effect.uninterruptible(Effect.never)
            : Effect.fail(new RelayLogUnavailable({ operation: "append", cause: new Error("away") }))
        ),
      announceSpool: () => Effect.void
    })
    return Effect.gen(function* () {
      const recorder = yield* RecordRelay
      yield* recorder.record(entry("1"))
      stuck = true
      const replaying = yield* Effect.forkChild(recorder.replay)
      yield* TestClock.adjust("4 seconds")
      assert.isFalse(yield* Fiber.join(replaying))
      const again = yield* Effect.forkChild(recorder.replay)
      yield* TestClock.adjust("100 millis")
      yield* Fiber.interrupt(again)
      assert.strictEqual(yield* (yield* RelaySpool).size, 1)
    }).pipe(Effect.provide(RecordRelay.layer.pipe(Layer.provideMerge(RelaySpoolMemory.layer), Layer.provide(log))))
  })

  it.effect("lets one relay a second find out whether a silent log is back; the others do not wait for it", () => {
    let silent = true
    let asked = 0
    const log = Layer.succeed(RelayLog, {
      append: () =>
        Effect.suspend(() => {
          asked++
          return silent ? Effect.never : Effect.succeed("1-0")
        }),
      announceSpool: () => (silent ? Effect.never : Effect.void)
    })
    return Effect.gen(function* () {
      const recorder = yield* RecordRelay
      const spool = yield* RelaySpool
      /** Records one relay each 10 ms for 5 s; how many were not done at once. */
      let waited = 0
      for (let n = 0; n < 500; n++) {
        const recording = yield* Effect.forkChild(recorder.record(entry(String(n))), { startImmediately: true })
        if (recording.pollUnsafe() === undefined) waited++
        yield* TestClock.adjust("10 millis")
      }
      assert.isAtMost(waited, 40)
      assert.isAtMost(asked, 40)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* spool.size, 500)
      silent = false
      assert.isTrue(yield* recorder.replay)
      const before = asked
      yield* recorder.record(entry("back"))
      assert.deepStrictEqual([asked - before, yield* spool.size], [1, 0])
    }).pipe(Effect.provide(RecordRelay.layer.pipe(Layer.provideMerge(RelaySpoolMemory.layer), Layer.provide(log))))
  })

  it.effect("refuses, typed, what a broken spool does not take, and says so until relays can be recorded again", () => {
    const { layer, state } = scripted()
    let broken: "disk" | "hangs" | undefined
    const moody = Layer.effect(
      RelaySpool,
      Effect.map(RelaySpool, (spool) => ({
        ...spool,
        offer: (one: RelayLogEntry) =>
          Effect.suspend(() =>
            broken === "disk"
              ? Effect.fail(new SpoolUnavailable({ operation: "offer", code: "ENOSPC", cause: new Error("full") }))
              : broken === "hangs"
                ? Effect.uninterruptible(Effect.never)
                : spool.offer(one)
          )
      }))
    ).pipe(Layer.provide(RelaySpoolMemory.layer))
    return Effect.gen(function* () {
      const recorder = yield* RecordRelay
      const names = Effect.map(recorder.reasons, (reasons) =>
        reasons.map(({ isBlocking, name }) => (isBlocking ? `${name}!` : name))
      )
      assert.deepStrictEqual(yield* names, [])
      state.away = true
      broken = "disk"
      assert.deepInclude(yield* Effect.flip(recorder.record(entry("1"))), { _tag: "SpoolUnavailable", code: "ENOSPC" })
      assert.deepStrictEqual(yield* names, ["not_recordable!"])
      assert.include((yield* recorder.reasons)[0]!.text, "the disk is full")
      broken = undefined
      yield* recorder.record(entry("2"))
      assert.deepStrictEqual(yield* names, ["spooling"])
      broken = "hangs"
      const hanging = yield* Effect.forkChild(Effect.flip(recorder.record(entry("3"))))
      yield* TestClock.adjust("5 seconds")
      assert.deepInclude(yield* Fiber.join(hanging), { _tag: "SpoolUnavailable", code: "TIMEOUT" })
      assert.deepStrictEqual(yield* names, ["not_recordable!", "spooling"])
      // Nothing can be offered, so it is the log by which it is seen that relays can be recorded again.
      state.away = false
      assert.isTrue(yield* recorder.replay)
      assert.deepStrictEqual(yield* names, [])
    }).pipe(Effect.provide(RecordRelay.layer.pipe(Layer.provide(moody), Layer.provide(layer))))
  })

  it.effect("is ready again, with nothing spooled and no relay coming, once the log answers", () => {
    const { layer, state } = scripted()
    const full = RelaySpoolMemory.layerWith(new Map(), 0)
    return Effect.gen(function* () {
      const recorder = yield* RecordRelay
      state.away = true
      state.announceable = false
      yield* Effect.flip(recorder.record(entry("1")))
      yield* recorder.replay
      assert.strictEqual((yield* recorder.reasons).length, 1)
      state.announceable = true
      yield* recorder.replay
      assert.deepStrictEqual(yield* recorder.reasons, [])
    }).pipe(Effect.provide(RecordRelay.layer.pipe(Layer.provide(full), Layer.provide(layer))))
  })

  it.effect("tells how old the oldest spooled relay is", () => {
    const { provided, state } = scripted()
    const age = Effect.map(
      Metric.snapshot,
      (all) => all.flatMap(({ id, state: value }) => (id === "ha_relayer_spool_oldest_seconds" ? [value] : []))[0]
    )
    return Effect.gen(function* () {
      const recorder = yield* RecordRelay
      state.away = true
      const now = yield* Clock.currentTimeNanos
      for (const [n, seconds] of [5n, 0n].entries()) {
        const one = entry(String(n))
        yield* recorder.record({
          ...one,
          relay: { ...one.relay, publishedAtUnixNano: now - seconds * 1_000_000_000n }
        })
      }
      yield* TestClock.adjust("60 seconds")
      assert.deepInclude(yield* age, { value: 65 })
      state.away = false
      yield* recorder.replay
      assert.deepInclude(yield* age, { value: 0 })
    }).pipe(Effect.provide(provided))
  })
})
