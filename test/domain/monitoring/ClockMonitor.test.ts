/** A machine's clock beside the times of blocks. Times by hand, in seconds. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Layer, Logger, Queue, Stream } from "effect"
import { TestClock } from "effect/testing"
import { type Arrival, clockOffset, watchClock } from "../../../domain/monitoring/ClockMonitor.ts"
import { type Block, Blocks } from "../../../domain/ports/Blocks.ts"

const SECOND = 1_000_000_000n
/** Blocks of 30 s that come `late` s after their time by a clock that is `ahead`; one value for each of them. */
const arrivals = (late: ReadonlyArray<number>, ahead = 0): ReadonlyArray<Arrival> =>
  late.map((seconds, index) => ({
    blockTime: BigInt(30 * index) * SECOND,
    wallTime: BigInt(30 * index + seconds + ahead) * SECOND,
    monotonic: BigInt(30 * index + seconds) * SECOND
  }))
const offset = (seen: ReadonlyArray<Arrival>) => clockOffset(seen, 30n * SECOND) / SECOND

describe("the machine's clock", () => {
  it("is ahead or behind by what the last blocks agree about", () => {
    assert.strictEqual(offset(arrivals([30, 31, 35, 33], 300)), 331n)
    assert.strictEqual(offset(arrivals([30, 31, 35, 33], -300)), -265n)
  })

  it("is right where a block has its usual way, or comes late", () => {
    assert.strictEqual(offset(arrivals([30, 31, 35, 33])), 0n)
    assert.strictEqual(offset(arrivals([1, 2, 2, 200])), 0n)
    assert.strictEqual(offset(arrivals([30, 600, 31, 33])), 0n)
  })

  it("is not judged by few blocks, nor by those that came in a rush", () => {
    assert.strictEqual(offset(arrivals([31, 35, 33], 300)), 0n)
    // Six blocks within a second, after nodes were away.
    assert.strictEqual(offset(arrivals([1_000, 970, 940, 910])), 0n)
  })

  it.effect("is named while it is wrong, once in the log", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => {
        lines.push(`${logLevel} ${String(Array.isArray(message) ? message[0] : message)}`)
      })
      const blocks = yield* Queue.unbounded<Block>()
      const reasons = yield* watchClock(Duration.seconds(30)).pipe(
        Effect.provide(
          Layer.merge(
            Layer.mock(Blocks, { peek: () => undefined, changes: Stream.fromQueue(blocks) }),
            Logger.layer([logger])
          )
        )
      )
      let height = 0n
      const next = Effect.fnUntraced(function* (ahead: bigint, count: number) {
        for (let made = 0; made < count; made++) {
          yield* TestClock.adjust(Duration.seconds(30))
          const timeUnixNano = (yield* Clock.currentTimeNanos) - ahead * SECOND
          yield* Queue.offer(blocks, { height: ++height, hash: new Uint8Array(32), timeUnixNano })
          yield* TestClock.adjust(Duration.zero)
        }
      })
      yield* next(2n, 5)
      assert.deepStrictEqual(yield* reasons, [])
      yield* next(-300n, 4)
      const behind = "this machine's clock is 300 s behind the times of new blocks: set it by NTP"
      assert.deepStrictEqual(yield* reasons, [{ text: behind, isBlocking: false }])
      yield* next(2n, 3)
      assert.deepStrictEqual(yield* reasons, [])
      yield* next(300n, 6)
      const ahead = "this machine's clock is 300 s ahead of the times of new blocks: set it by NTP"
      assert.deepStrictEqual(yield* reasons, [{ text: ahead, isBlocking: false }])
      assert.deepStrictEqual(lines, [
        `Warn ${behind}`,
        "Info this machine's clock agrees with the chain's",
        `Warn ${ahead}`
      ])
    })
  )
})
