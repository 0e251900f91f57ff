/** A crash is not an interruption: what a shut gate lets through, and what was sent before. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { type Directive, type GateKeeper, IncarnationGate } from "./Gate.ts"

/** A port that counts what takes effect. */
const counter = () => {
  let effects = 0
  return {
    port: { add: (amount: number) => Effect.sync(() => (effects += amount)), name: "counter" },
    effects: () => effects
  }
}

const gateWith = (directive: Directive) =>
  Effect.gen(function* () {
    const context = yield* Effect.context<never>()
    const clock = yield* TestClock.testClockWith(Effect.succeed)
    const crashed: Array<string> = []
    const keeper: GateKeeper = {
      begin: () => directive,
      entering: () => {},
      effected: () => {},
      crashed: (replica) => crashed.push(replica),
      now: () => clock.currentTimeMillisUnsafe(),
      detach: (effect) => void Effect.runForkWith(context)(Effect.ignore(effect))
    }
    return { gate: new IncarnationGate("miner-1", 1, keeper), crashed }
  })

describe("the gate of an incarnation", () => {
  it.effect("lets calls, effects and values through while it is open", () =>
    Effect.gen(function* () {
      const { port, effects } = counter()
      const { gate } = yield* gateWith({})
      const gated = gate.wrap("Counter", port)
      assert.strictEqual(yield* gated.add(3), 3)
      assert.strictEqual(gated.name, "counter")
      assert.strictEqual(effects(), 3)
    })
  )

  it.effect("does nothing and never returns once it is shut, finalizers included", () =>
    Effect.gen(function* () {
      const { port, effects } = counter()
      const { gate } = yield* gateWith({})
      const gated = gate.wrap("Counter", port)
      let isFinalized = false
      const fiber = yield* Effect.never.pipe(
        Effect.ensuring(
          Effect.andThen(
            gated.add(1),
            Effect.sync(() => void (isFinalized = true))
          )
        ),
        Effect.forkDetach({ startImmediately: true })
      )
      gate.shut()
      fiber.interruptUnsafe()
      yield* TestClock.adjust("1 hour")
      assert.isUndefined(fiber.pollUnsafe())
      assert.isFalse(isFinalized)
      assert.strictEqual(effects(), 0)
    })
  )

  for (const moment of ["before", "after"] as const) {
    it.effect(`shuts ${moment} a call took effect, and the caller hears nothing`, () =>
      Effect.gen(function* () {
        const { port, effects } = counter()
        const { gate, crashed } = yield* gateWith({ crash: { moment, restartAfter: 0 } })
        const fiber = yield* Effect.forkDetach(gate.wrap("Counter", port).add(1), { startImmediately: true })
        yield* TestClock.adjust("1 hour")
        assert.isUndefined(fiber.pollUnsafe())
        assert.isTrue(gate.isShut)
        assert.deepStrictEqual(crashed, ["miner-1"])
        assert.strictEqual(effects(), moment === "before" ? 0 : 1)
      })
    )
  }

  it.effect("loses an answer that is under way when it shuts; the call itself was sent", () =>
    Effect.gen(function* () {
      const { port, effects } = counter()
      const { gate } = yield* gateWith({ delayBefore: 100 })
      const fiber = yield* Effect.forkDetach(gate.wrap("Counter", port).add(1), { startImmediately: true })
      yield* TestClock.adjust("50 millis")
      gate.shut()
      fiber.interruptUnsafe()
      yield* TestClock.adjust("1 hour")
      assert.isUndefined(fiber.pollUnsafe())
      assert.strictEqual(effects(), 1)
    })
  )

  it.effect("recalls an interrupted call only where that can be done", () =>
    Effect.gen(function* () {
      for (const recallable of [true, false]) {
        const { port, effects } = counter()
        const { gate } = yield* gateWith({ delayBefore: 100, recallable })
        const fiber = yield* Effect.forkDetach(gate.wrap("Counter", port).add(1), { startImmediately: true })
        yield* Effect.yieldNow
        yield* Fiber.interrupt(fiber)
        yield* TestClock.adjust("1 second")
        assert.strictEqual(effects(), recallable ? 0 : 1)
      }
    })
  )

  it.effect("fails a call without its effect, with it, or before it", () =>
    Effect.gen(function* () {
      for (const [effect, at0, later] of [
        ["none", 0, 0],
        ["done", 1, 1],
        [200, 0, 1]
      ] as const) {
        const { port, effects } = counter()
        const { gate } = yield* gateWith({ failure: { error: "away", effect } })
        assert.isTrue(Exit.isFailure(yield* Effect.exit(gate.wrap("Counter", port).add(1))))
        assert.strictEqual(effects(), at0)
        yield* TestClock.adjust("1 second")
        assert.strictEqual(effects(), later)
      }
    })
  )
})
