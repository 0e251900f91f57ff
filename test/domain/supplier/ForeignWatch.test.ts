/** Go miners beside us: nothing is taken while they are alive, and what is said about it is said once. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger } from "effect"
import { ForeignMiners, ForeignMinersUnknown } from "../../../domain/ports/ForeignMiners.ts"
import { makeForeignWatch } from "../../../domain/supplier/ForeignWatch.ts"

const unknown = Effect.fail(new ForeignMinersUnknown({ cause: "away" }))

/** A watch over answers that the test sets, with what it logged at error level. */
const watching = Effect.fnUntraced(function* (disjointKeys: boolean) {
  const state: { answer: ForeignMiners["Service"]["alive"] } = { answer: unknown }
  const errors: Array<string> = []
  const watch = yield* makeForeignWatch(disjointKeys).pipe(
    Effect.provideService(ForeignMiners, { alive: Effect.suspend(() => state.answer) })
  )
  const logger = Logger.make(({ logLevel, message }) => {
    if (logLevel === "Error") errors.push(String(message))
  })
  const logged = Logger.layer([logger])
  return { state, errors, watch: { ...watch, mayTake: Effect.provide(watch.mayTake, logged) } }
})

describe("the watch for Go miners", () => {
  it.effect("takes nothing before it knows, while one is alive, and when the answer fails afterwards", () =>
    Effect.gen(function* () {
      const { state, watch } = yield* watching(false)
      assert.isFalse(yield* watch.mayTake)
      assert.isUndefined(yield* watch.known)
      state.answer = Effect.succeed(["go-1"])
      assert.isFalse(yield* watch.mayTake)
      state.answer = unknown
      assert.isFalse(yield* watch.mayTake)
      assert.deepStrictEqual(yield* watch.known, ["go-1"])
      state.answer = Effect.succeed([])
      assert.isTrue(yield* watch.mayTake)
      state.answer = unknown
      assert.isTrue(yield* watch.mayTake)
    })
  )

  it.effect("names them once for each change", () =>
    Effect.gen(function* () {
      const { state, errors, watch } = yield* watching(false)
      state.answer = Effect.succeed(["go-1"])
      for (let look = 0; look < 5; look++) yield* watch.mayTake
      assert.lengthOf(errors, 1)
      assert.include(errors[0], "supplier_claiming.beside_go_miners")
      state.answer = Effect.succeed(["go-1", "go-2"])
      yield* watch.mayTake
      state.answer = Effect.succeed([])
      yield* watch.mayTake
      state.answer = Effect.succeed(["go-2"])
      yield* watch.mayTake
      assert.lengthOf(errors, 3)
    })
  )

  it.effect("takes all the same where the operator says that keys are disjoint", () =>
    Effect.gen(function* () {
      const { state, errors, watch } = yield* watching(true)
      assert.isTrue(yield* watch.mayTake)
      state.answer = Effect.succeed(["go-1"])
      assert.isTrue(yield* watch.mayTake)
      assert.deepStrictEqual(yield* watch.known, ["go-1"])
      assert.lengthOf(errors, 0)
    })
  )
})
