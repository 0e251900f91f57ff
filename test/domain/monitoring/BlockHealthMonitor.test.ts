/** Times between blocks. Heights and times by hand. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Logger, Stream } from "effect"
import { slowAfter, watchBlockHealth } from "../../../domain/monitoring/BlockHealthMonitor.ts"
import { makeNotices } from "../../../domain/monitoring/Notices.ts"
import { Blocks } from "../../../domain/ports/Blocks.ts"

const at = (height: number, seconds: number) => ({
  height: BigInt(height),
  timeUnixNano: BigInt(seconds) * 1_000_000_000n,
  hash: new Uint8Array(32)
})
const limit = Duration.seconds(45)

describe("slow blocks", () => {
  it("are counted in a row, those that were jumped over with the mean of their time", () => {
    assert.strictEqual(slowAfter(0, at(10, 0), at(11, 46), limit), 1)
    assert.strictEqual(slowAfter(1, at(10, 0), at(11, 45), limit), 0)
    assert.strictEqual(slowAfter(1, at(10, 0), at(13, 136), limit), 4)
    assert.strictEqual(slowAfter(4, at(10, 0), at(13, 135), limit), 0)
    assert.strictEqual(slowAfter(2, at(10, 0), at(10, 500), limit), 2)
  })

  it.effect("are said once at three in a row, and when they are over", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => {
        lines.push(`${logLevel} ${String(Array.isArray(message) ? message[0] : message)}`)
      })
      const notices = makeNotices()
      const seen: Array<number> = []
      const times = [0, 50, 100, 130, 180, 230, 280, 330, 360]
      const changes = Stream.fromIterable(times.map((seconds, index) => at(index + 1, seconds))).pipe(
        Stream.tap(() => Effect.map(notices.all, (all) => seen.push(all.length)))
      )
      const watching = yield* watchBlockHealth({ slowAfter: limit }, notices).pipe(
        Effect.provide(Layer.merge(Layer.mock(Blocks, { peek: () => undefined, changes }), Logger.layer([logger]))),
        Effect.forkChild
      )
      yield* Fiber.join(watching)
      assert.deepStrictEqual(lines, [
        "Warn blocks come slowly, 3 in a row took more than 45 s",
        "Info blocks come in time again"
      ])
      // Before each block: there is a notice from the third slow one in a row to the first in time.
      assert.deepStrictEqual(seen, [0, 0, 0, 0, 0, 0, 0, 1, 1])
    })
  )
})
