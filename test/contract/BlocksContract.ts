/** What every `Blocks` must do: a newest block that never goes back, blocks by height, and a stream of newer ones. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, type Layer, Option, Result, Stream } from "effect"
import { type Block, Blocks } from "../../domain/ports/Blocks.ts"
import { ChainWorld } from "./ChainWorld.ts"

/** Registers the suite; `layer` builds a fresh chain for each test. */
export const blocksContract = (name: string, layer: () => Layer.Layer<Blocks | ChainWorld>): void => {
  const test = <A, E>(title: string, body: Effect.Effect<A, E, Blocks | ChainWorld>) =>
    it.effect(title, () => body.pipe(Effect.provide(layer())))

  describe(`Blocks, ${name}`, () => {
    test(
      "shows a block with a hash of 32 bytes, the same by height",
      Effect.gen(function* () {
        const blocks = yield* Blocks
        const latest = yield* blocks.latest
        assert.isTrue(latest.height >= 1n)
        assert.strictEqual(latest.hash.length, 32)
        assert.deepStrictEqual(blocks.peek(), latest)
        assert.deepStrictEqual(yield* blocks.at(latest.height), Option.some(latest))
      })
    )

    test(
      "has no block above the latest, below the first or at a negative height",
      Effect.gen(function* () {
        const blocks = yield* Blocks
        const { height } = yield* blocks.latest
        for (const absent of [height + 1n, 0n, -1n]) assert.isTrue(Option.isNone(yield* blocks.at(absent)))
      })
    )

    test(
      "moves on with the chain: heights by one, times and hashes differ, old blocks stay",
      Effect.gen(function* () {
        const blocks = yield* Blocks
        const { nextBlock } = yield* ChainWorld
        const seen: Array<Block> = [yield* blocks.latest]
        for (let count = 0; count < 3; count++) {
          yield* nextBlock
          seen.push(yield* blocks.latest)
          assert.deepStrictEqual(blocks.peek(), seen.at(-1))
        }
        for (const [index, block] of seen.entries()) {
          assert.deepStrictEqual(yield* blocks.at(block.height), Option.some(block))
          const before = seen[index - 1]
          if (before === undefined) continue
          assert.strictEqual(block.height, before.height + 1n)
          assert.isTrue(block.timeUnixNano > before.timeUnixNano)
          assert.notDeepEqual(block.hash, before.hash)
        }
      })
    )

    test(
      "streams the newest block first, then newer ones, strictly increasing",
      Effect.gen(function* () {
        const blocks = yield* Blocks
        const { nextBlock } = yield* ChainWorld
        yield* nextBlock
        const { height } = yield* blocks.latest
        const fiber = yield* Effect.forkChild(
          blocks.changes.pipe(
            Stream.takeUntil((block) => block.height >= height + 3n),
            Stream.runCollect
          )
        )
        yield* Effect.yieldNow
        for (let count = 0; count < 3; count++) {
          yield* nextBlock
          yield* Effect.yieldNow
        }
        const heights = (yield* Fiber.join(fiber)).map((block) => block.height)
        assert.isTrue(heights[0]! >= height)
        assert.strictEqual(heights.at(-1), height + 3n)
        for (let index = 1; index < heights.length; index++) assert.isTrue(heights[index]! > heights[index - 1]!)
      })
    )

    test(
      "starts the stream with the newest block, also for a late reader",
      Effect.gen(function* () {
        const blocks = yield* Blocks
        const { nextBlock } = yield* ChainWorld
        for (let count = 0; count < 40; count++) yield* nextBlock
        const first = yield* blocks.changes.pipe(Stream.take(1), Stream.runCollect)
        assert.deepStrictEqual(first, [yield* blocks.latest])
      })
    )

    test(
      "fails to read while the chain does not answer, but keeps the latest block",
      Effect.gen(function* () {
        const blocks = yield* Blocks
        const { setReadsBroken } = yield* ChainWorld
        const latest = yield* blocks.latest
        yield* setReadsBroken(true)
        const read = yield* Effect.result(blocks.at(latest.height - 1n))
        assert.isTrue(Result.isFailure(read) && read.failure._tag === "ChainUnavailable")
        assert.deepStrictEqual(yield* blocks.latest, latest)
        yield* setReadsBroken(false)
        assert.isTrue(Option.isSome(yield* blocks.at(latest.height)))
      })
    )
  })
}
