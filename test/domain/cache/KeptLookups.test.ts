import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { makeKeptLookups } from "../../../domain/cache/KeptLookups.ts"

/** Look-ups that count, over an answer that a test changes. */
const counting = (capacity = 10) =>
  Effect.gen(function* () {
    const state = { calls: 0, answer: Effect.succeed("value") as Effect.Effect<string, "absent" | "away"> }
    const lookups = yield* makeKeptLookups<string, "absent" | "away">(
      () =>
        Effect.suspend(() => {
          state.calls++
          return state.answer
        }),
      { capacity, success: () => 1_000, failure: (error) => (error === "absent" ? 100 : 0) }
    )
    const peek = (key: string) => Effect.map(Clock.currentTimeMillis, (now) => lookups.peek(key, now))
    return { state, lookups, peek }
  })

describe("kept look-ups", () => {
  it.effect("are made once and kept for their time", () =>
    Effect.gen(function* () {
      const { state, lookups, peek } = yield* counting()
      assert.isUndefined(yield* peek("a"))
      assert.strictEqual(yield* lookups.get("a"), "value")
      assert.strictEqual(yield* peek("a"), "value")
      yield* TestClock.adjust(999)
      assert.strictEqual(yield* lookups.get("a"), "value")
      assert.strictEqual(state.calls, 1)
      yield* TestClock.adjust(1)
      assert.isUndefined(yield* peek("a"))
      yield* lookups.get("a")
      assert.strictEqual(state.calls, 2)
    })
  )

  it.effect("keep failures for their own time, or not at all", () =>
    Effect.gen(function* () {
      const { state, lookups, peek } = yield* counting()
      state.answer = Effect.fail("absent")
      for (let i = 0; i < 3; i++) assert.strictEqual(yield* Effect.flip(lookups.get("a")), "absent")
      assert.strictEqual(state.calls, 1)
      assert.isUndefined(yield* peek("a"))
      yield* TestClock.adjust(100)
      state.answer = Effect.fail("away")
      for (let i = 0; i < 3; i++) assert.strictEqual(yield* Effect.flip(lookups.get("a")), "away")
      assert.strictEqual(state.calls, 4)
    })
  )

  it.effect("are shared by those who ask at the same time, and go on when one of them leaves", () =>
    Effect.gen(function* () {
      const { state, lookups } = yield* counting()
      const gate = yield* Deferred.make<string>()
      state.answer = Deferred.await(gate)
      const [first, second] = [
        yield* Effect.forkChild(lookups.get("a"), { startImmediately: true }),
        yield* Effect.forkChild(lookups.get("a"), { startImmediately: true })
      ]
      yield* Fiber.interrupt(first)
      yield* Deferred.succeed(gate, "late")
      assert.strictEqual(yield* Fiber.join(second), "late")
      assert.strictEqual(state.calls, 1)
    })
  )

  it.effect("that nobody waits for are interrupted and not kept", () =>
    Effect.gen(function* () {
      const { state, lookups } = yield* counting()
      state.answer = Effect.never
      yield* Fiber.interrupt(yield* Effect.forkChild(lookups.get("a"), { startImmediately: true }))
      state.answer = Effect.succeed("value")
      assert.strictEqual(yield* lookups.get("a"), "value")
      assert.strictEqual(state.calls, 2)
    })
  )

  it.effect("push out the one used longest ago beyond their capacity", () =>
    Effect.gen(function* () {
      const { lookups, peek } = yield* counting(2)
      yield* lookups.get("a")
      yield* lookups.get("b")
      yield* peek("a")
      yield* lookups.get("c")
      assert.strictEqual(lookups.size(), 2)
      assert.strictEqual(yield* peek("a"), "value")
      assert.isUndefined(yield* peek("b"))
    })
  )

  it.effect("made again replace what is kept only if they succeed", () =>
    Effect.gen(function* () {
      const { state, lookups, peek } = yield* counting()
      yield* lookups.get("a")
      state.answer = Effect.fail("away")
      assert.strictEqual(yield* Effect.flip(lookups.refresh("a")), "away")
      assert.strictEqual(yield* peek("a"), "value")
      state.answer = Effect.succeed("new")
      assert.strictEqual(yield* lookups.refresh("a"), "new")
      assert.strictEqual(yield* peek("a"), "new")
    })
  )

  it.effect("that are invalidated are made again, and those under way are neither kept nor joined", () =>
    Effect.gen(function* () {
      const { state, lookups, peek } = yield* counting()
      assert.isFalse(yield* lookups.invalidate("a"))
      yield* lookups.get("a")
      yield* lookups.get("b")
      assert.isTrue(yield* lookups.invalidate("a"))
      assert.isUndefined(yield* peek("a"))
      assert.strictEqual(yield* peek("b"), "value")
      const old = yield* Deferred.make<string>()
      state.answer = Deferred.await(old)
      const early = yield* Effect.forkChild(lookups.get("a"), { startImmediately: true })
      yield* lookups.invalidate("a")
      state.answer = Effect.succeed("new")
      assert.strictEqual(yield* lookups.get("a"), "new")
      yield* Deferred.succeed(old, "old")
      assert.strictEqual(yield* Fiber.join(early), "old")
      assert.strictEqual(yield* peek("a"), "new")
      yield* lookups.clear
      assert.strictEqual(lookups.size(), 0)
    })
  )

  it.effect("that are cleared do not come back with what was under way", () =>
    Effect.gen(function* () {
      const { state, lookups } = yield* counting()
      const old = yield* Deferred.make<string>()
      state.answer = Deferred.await(old)
      const early = yield* Effect.forkChild(lookups.get("a"), { startImmediately: true })
      const refreshing = yield* Effect.forkChild(lookups.refresh("b"), { startImmediately: true })
      yield* lookups.clear
      yield* Deferred.succeed(old, "old")
      assert.deepStrictEqual([yield* Fiber.join(early), yield* Fiber.join(refreshing)], ["old", "old"])
      assert.strictEqual(lookups.size(), 0)
    })
  )

  it.effect("that began before a refresh do not replace what it found", () =>
    Effect.gen(function* () {
      const { state, lookups, peek } = yield* counting()
      const old = yield* Deferred.make<string>()
      state.answer = Deferred.await(old)
      const early = yield* Effect.forkChild(lookups.get("a"), { startImmediately: true })
      const earlier = yield* Effect.forkChild(lookups.refresh("a"), { startImmediately: true })
      assert.strictEqual(yield* lookups.refreshWith("a", () => Effect.succeed("new")), "new")
      yield* Deferred.succeed(old, "old")
      assert.deepStrictEqual([yield* Fiber.join(early), yield* Fiber.join(earlier)], ["old", "old"])
      assert.strictEqual(yield* peek("a"), "new")
    })
  )

  it.effect("that fail are answered by what was kept before, within its bound, and not made again at once", () =>
    Effect.gen(function* () {
      const state = { calls: 0, answer: Effect.succeed("value") as Effect.Effect<string, "away"> }
      const lookups = yield* makeKeptLookups<string, "away">(
        () =>
          Effect.suspend(() => {
            state.calls++
            return state.answer
          }),
        { capacity: 10, success: () => 1_000, failure: () => 100, stale: 5_000 }
      )
      yield* lookups.get("a")
      state.answer = Effect.fail("away")
      assert.strictEqual(yield* Effect.flip(lookups.get("b")), "away")
      yield* TestClock.adjust(1_000)
      for (let n = 0; n < 3; n++) assert.strictEqual(yield* lookups.get("a"), "value")
      assert.strictEqual(state.calls, 3)
      yield* TestClock.adjust(100)
      assert.strictEqual(yield* lookups.get("a"), "value")
      assert.strictEqual(state.calls, 4)
      yield* TestClock.adjust(4_899)
      assert.strictEqual(yield* lookups.get("a"), "value")
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* Effect.flip(lookups.get("a")), "away")
      state.answer = Effect.succeed("value")
      yield* TestClock.adjust(100)
      yield* lookups.get("a")
      state.answer = Effect.fail("away")
      yield* lookups.invalidate("a")
      assert.strictEqual(yield* Effect.flip(lookups.get("a")), "away")
    })
  )
})
