import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { drain, type DrainPhase, unfinished } from "../../../domain/lifecycle/Drain.ts"

/** A drain under virtual time, which is let on in steps so that what sleeps wakes up in order. */
const drained = (phases: ReadonlyArray<DrainPhase>, deadline: Duration.Duration) =>
  Effect.gen(function* () {
    const started = yield* Clock.currentTimeMillis
    const draining = yield* Effect.forkChild(drain(phases, deadline))
    for (let passed = 0; passed < 60_000 && draining.pollUnsafe() === undefined; passed += 50) {
      yield* TestClock.adjust(50)
    }
    const reports = yield* Fiber.join(draining)
    return { reports, took: (yield* Clock.currentTimeMillis) - started }
  })

const takes = (name: string, millis: number, done?: () => void): DrainPhase => ({
  name,
  run: Effect.andThen(
    Effect.sleep(millis),
    Effect.sync(() => done?.())
  )
})
const hangs = (name: string): DrainPhase => ({ name, run: Effect.never })

describe("a drain", () => {
  it.effect("runs its phases in order and reports each", () =>
    Effect.gen(function* () {
      const order: Array<string> = []
      const { reports } = yield* drained(
        ["a", "b", "c"].map((name) => takes(name, 100, () => order.push(name))),
        Duration.seconds(10)
      )
      assert.deepStrictEqual(order, ["a", "b", "c"])
      assert.deepStrictEqual(
        reports.map(({ name, outcome, reason, took }) => [name, outcome, reason, Duration.toMillis(took)]),
        order.map((name) => [name, "done", "", 100])
      )
      assert.deepStrictEqual(unfinished(reports), [])
    })
  )

  it.effect("keeps time for the phases behind one that hangs", () =>
    Effect.gen(function* () {
      // The log stays away, so the spool is never empty; committing needs a second, releasing another.
      const { reports, took } = yield* drained(
        [hangs("spool flushed"), takes("committed", 1_500), takes("leases released", 1_500)],
        Duration.seconds(10)
      )
      assert.deepStrictEqual(unfinished(reports), ["spool flushed"])
      assert.deepInclude(reports[0], { outcome: "cut" })
      assert.match(reports[0]!.reason, /^not done within \d+ ms$/)
      assert.isAtMost(took, 10_000)
      // It had what the others did not keep for themselves.
      assert.isAtLeast(Duration.toMillis(reports[0]!.took), 6_000)
    })
  )

  it.effect("hands what a phase leaves of its time to the next", () =>
    Effect.gen(function* () {
      const { reports } = yield* drained([takes("quick", 50), takes("long", 8_000)], Duration.seconds(10))
      assert.deepStrictEqual(unfinished(reports), [])
    })
  )

  it.effect("ends by its deadline although every phase hangs", () =>
    Effect.gen(function* () {
      const { reports, took } = yield* drained(["a", "b", "c", "d"].map(hangs), Duration.seconds(8))
      assert.deepStrictEqual(unfinished(reports), ["a", "b", "c", "d"])
      assert.isAtMost(took, 8_000)
      for (const report of reports) assert.isAtLeast(Duration.toMillis(report.took), 900)
    })
  )

  it.effect("goes on behind a phase that cannot be interrupted, and says so", () =>
    Effect.gen(function* () {
      let released = false
      const { reports, took } = yield* drained(
        [{ name: "stuck", run: Effect.uninterruptible(Effect.never) }, takes("released", 10, () => (released = true))],
        Duration.seconds(4)
      )
      assert.isTrue(released)
      assert.isAtMost(took, 4_000)
      assert.match(reports[0]!.reason, /goes on after its interruption$/)
    })
  )

  it.effect("lets a phase that is cut do what it does when it is interrupted", () =>
    Effect.gen(function* () {
      let cleaned = false
      const cleans = Effect.andThen(
        Effect.sleep(100),
        Effect.sync(() => void (cleaned = true))
      )
      yield* drained([{ name: "cut", run: Effect.onInterrupt(Effect.never, () => cleans) }], Duration.seconds(4))
      assert.isTrue(cleaned)
    })
  )

  it.effect("goes on behind a phase that fails, by an error or a defect, and tells why", () =>
    Effect.gen(function* () {
      let last = false
      const { reports } = yield* drained(
        [
          { name: "refused", run: Effect.fail("no room") },
          { name: "broken", run: Effect.die(new Error("a defect")) },
          takes("last", 0, () => (last = true))
        ],
        Duration.seconds(1)
      )
      assert.isTrue(last)
      assert.deepStrictEqual(unfinished(reports), ["refused", "broken"])
      assert.include(reports[0]!.reason, "no room")
      assert.include(reports[1]!.reason, "a defect")
    })
  )

  it.effect("tells a phase its time, within which it may end by itself", () =>
    Effect.gen(function* () {
      let budget = Duration.zero
      const { reports } = yield* drained(
        [{ name: "cuts itself", run: (time) => Effect.sleep((budget = time)) }, takes("next", 1_000)],
        Duration.seconds(8)
      )
      assert.deepStrictEqual(unfinished(reports), [])
      assert.isAtLeast(Duration.toMillis(budget), 5_000)
    })
  )

  it.effect("gives every phase a quarter of a second where the deadline is nothing", () =>
    Effect.gen(function* () {
      const { reports } = yield* drained([hangs("a"), takes("b", 200), takes("c", 200)], Duration.zero)
      assert.deepStrictEqual(unfinished(reports), ["a"])
    })
  )
})
