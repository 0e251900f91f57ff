/** Times of blocks and the fleet's announcements, as Go writes and reads them. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Option, Result, Schema, Stream } from "effect"
import * as BroadcastMemory from "../../../adapters/memory/BroadcastMemory.ts"
import { makeStores, MemoryStores } from "../../../adapters/memory/MemoryStores.ts"
import {
  announceBlocks,
  BLOCK_CHANNEL,
  decodeAnnouncement,
  encodeAnnouncement,
  followAnnouncements
} from "../../../domain/chain/BlockAnnouncement.ts"
import { formatBlockTime, parseBlockTime } from "../../../domain/chain/BlockTime.ts"
import { type Block, Blocks } from "../../../domain/ports/Blocks.ts"
import { Broadcast } from "../../../domain/ports/Broadcast.ts"

const hash = Uint8Array.from({ length: 32 }, (_, i) => i)
const block: Block = { height: 7n, hash, timeUnixNano: 1_700_000_000_000_000_001n }

describe("times of blocks", () => {
  it("reads none to nine fraction digits and offsets, exactly", () => {
    const cases: ReadonlyArray<readonly [string, bigint]> = [
      ["1970-01-01T00:00:00Z", 0n],
      ["2001-09-09T01:46:40Z", 1_000_000_000_000_000_000n],
      ["2001-09-09T01:46:40.5Z", 1_000_000_000_500_000_000n],
      ["2001-09-09T01:46:40.123456789Z", 1_000_000_000_123_456_789n],
      ["2001-09-09T03:46:40.000000001+02:00", 1_000_000_000_000_000_001n],
      ["1969-12-31T23:59:59.999999999Z", -1n]
    ]
    for (const [text, nanos] of cases) assert.deepStrictEqual(parseBlockTime(text), Option.some(nanos), text)
  })

  it("refuses what is no such time", () => {
    for (const text of [
      "",
      "now",
      "2001-09-09 01:46:40Z",
      "2001-09-09T01:46:40",
      "2001-02-30T00:00:00Z",
      "2001-09-09T25:00:00Z",
      "2001-09-09T01:46:40.Z",
      "2001-09-09T01:46:40.1234567890Z",
      "2001-09-09T01:46:40+24:00"
    ]) {
      assert.isTrue(Option.isNone(parseBlockTime(text)), text)
    }
  })

  it("writes the fraction without trailing zeros, as Go does", () => {
    assert.strictEqual(formatBlockTime(1_000_000_000_000_000_000n), "2001-09-09T01:46:40Z")
    assert.strictEqual(formatBlockTime(1_000_000_000_120_000_000n), "2001-09-09T01:46:40.12Z")
    assert.strictEqual(formatBlockTime(1_000_000_000_000_000_001n), "2001-09-09T01:46:40.000000001Z")
    assert.strictEqual(formatBlockTime(-1n), "1969-12-31T23:59:59.999999999Z")
  })

  it.effect.prop("is the same after writing and reading", { nanos: Schema.Int }, ({ nanos }) =>
    Effect.sync(() =>
      assert.deepStrictEqual(
        parseBlockTime(formatBlockTime(BigInt(nanos) * 1_009n)),
        Option.some(BigInt(nanos) * 1_009n)
      )
    )
  )
})

describe("announcements of blocks", () => {
  it("has the form of the Go fleet", () => {
    assert.strictEqual(
      encodeAnnouncement(block),
      '{"height":7,"hash":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=","timestamp":"2023-11-14T22:13:20.000000001Z"}'
    )
    assert.deepStrictEqual(decodeAnnouncement(encodeAnnouncement(block)), Result.succeed(block))
  })

  it("is refused with its reason when something is missing or malformed", () => {
    const good = { height: 7, hash: Buffer.from(hash).toString("base64"), timestamp: "2023-11-14T22:13:20Z" }
    const cases: ReadonlyArray<readonly [unknown, RegExp]> = [
      [{ ...good, height: "7" }, /height/],
      [{ ...good, height: 0 }, /height/],
      [{ ...good, height: 1.5 }, /height/],
      [{ ...good, height: 2 ** 53 }, /height/],
      [{ ...good, hash: "AAEC" }, /3 bytes instead of 32/],
      [{ ...good, hash: "not base64!" }, /hash/],
      [{ ...good, timestamp: "yesterday" }, /timestamp/],
      [{ height: 7 }, /hash/],
      [[], /./],
      [null, /./],
      [{ ...good, more: "x".repeat(2_000) }, /too many/]
    ]
    for (const [json, reason] of cases) {
      const decoded = decodeAnnouncement(JSON.stringify(json))
      assert.isTrue(Result.isFailure(decoded), JSON.stringify(json))
      if (Result.isFailure(decoded)) assert.match(decoded.failure.message, reason)
    }
    assert.isTrue(Result.isFailure(decodeAnnouncement("{")))
  })

  it.effect("reach those who follow, malformed ones do not stop them", () =>
    Effect.gen(function* () {
      const broadcast = yield* Broadcast
      const heard = yield* Deferred.make<Block>()
      const following = yield* Effect.forkChild(followAnnouncements((announced) => Deferred.succeed(heard, announced)))
      yield* Effect.yieldNow
      yield* broadcast.publish(BLOCK_CHANNEL, "garbage")
      const blocks = Blocks.of({
        latest: Effect.succeed(block),
        peek: () => block,
        at: () => Effect.succeed(Option.none()),
        changes: Stream.make(block)
      })
      yield* announceBlocks(blocks)
      assert.deepStrictEqual(yield* Deferred.await(heard), block)
      yield* Fiber.interrupt(following)
    }).pipe(Effect.provide(BroadcastMemory.layer.pipe(Layer.provide(Layer.sync(MemoryStores, makeStores)))))
  )
})
