/** When a process is held to a small heap. What V8 makes of it is measured by `npm run bench:chain`. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as CalmHeap from "../../../adapters/process/CalmHeap.ts"

describe("CalmHeap", () => {
  it.effect(
    "keeps the heap small from the start until the process was busy for a minute, and again once it is calm",
    () =>
      Effect.gen(function* () {
        const process = { cpu: 5_000_000, growth: -1 }
        const scope = yield* Scope.make()
        yield* Layer.buildWithScope(
          CalmHeap.layerOf({
            cpuMicros: () => process.cpu,
            setGrowth: (percent) => {
              process.growth = percent
            }
          }),
          scope
        )
        const after = (seconds: number, share: number) =>
          Effect.gen(function* () {
            const seen: Array<number> = []
            for (let second = 0; second < seconds; second += 10) {
              process.cpu += share * 1e7
              yield* TestClock.adjust("10 seconds")
              seen.push(process.growth)
            }
            return seen
          })
        assert.strictEqual(process.growth, 50)
        assert.deepStrictEqual(yield* after(20, 0.2), [50, 50])
        assert.deepStrictEqual(yield* after(70, 0.3), [50, 50, 50, 50, 50, 0, 0])
        assert.deepStrictEqual(yield* after(10, 0.1), [50])
        assert.deepStrictEqual(yield* after(60, 1.5), [50, 50, 50, 50, 50, 0])
        yield* after(10, 0)
        assert.strictEqual(process.growth, 50)
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual(process.growth, 0)
      })
  )
})
