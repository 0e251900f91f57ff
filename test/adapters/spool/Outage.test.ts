/** A log that is away for minutes, over a spool on disk: what was recorded comes out, in order, once it is back. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option, Schedule } from "effect"
import { RelayLog, RelayLogUnavailable } from "../../../domain/ports/RelayLog.ts"
import { RelaySpool } from "../../../domain/ports/RelaySpool.ts"
import { RecordRelay } from "../../../domain/relay/RecordRelay.ts"
import { anEntry } from "../../contract/StoreFixtures.ts"
import { freshDir, segmentsOf, spoolAt } from "./SpoolWorld.ts"

/** A log that may be away, or take what it does not confirm; with all that was done to it. */
const makeLog = () => {
  const state = { away: false, loseAnswers: false, appended: [] as Array<number>, done: [] as Array<string> }
  const unavailable = (operation: "append" | "announce") =>
    Effect.fail(new RelayLogUnavailable({ operation, cause: new Error("away") }))
  const layer = Layer.succeed(RelayLog, {
    append: ({ relay }) =>
      Effect.suspend(() => {
        if (state.away) return unavailable("append")
        state.appended.push(Number(relay.publishedAtUnixNano - 1_700_000_000_000_000_000n))
        state.done.push("append")
        return state.loseAnswers ? unavailable("append") : Effect.succeed("1-0")
      }),
    announceSpool: (_, lowest) =>
      Effect.suspend(() => {
        if (state.away) return unavailable("announce")
        state.done.push(`announce ${Option.getOrElse(lowest, () => "none")}`)
        return Effect.void
      })
  })
  return { state, layer }
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => from + n)

describe("a log that is away, with the spool on disk", () => {
  it.live("costs no relay and doubles none, also over a restart of the relayer meanwhile", () =>
    Effect.gen(function* () {
      const dir = yield* freshDir
      const { layer, state } = makeLog()
      const process = <A, E>(use: Effect.Effect<A, E, RecordRelay | RelaySpool>) =>
        Effect.provide(use, RecordRelay.layer.pipe(Layer.provideMerge(spoolAt(dir)), Layer.provide(layer)), {
          local: true
        })
      const record = (from: number, to: number) =>
        RecordRelay.use((recorder) =>
          Effect.forEach(
            range(from, to),
            (n) => recorder.record(anEntry(n, { sessionEndHeight: n === 150 ? 30n : 40n })),
            { concurrency: 20, discard: true }
          )
        )
      yield* process(record(0, 10))
      state.away = true
      yield* process(
        Effect.gen(function* () {
          yield* record(10, 300)
          const recorder = yield* RecordRelay
          assert.isFalse(yield* recorder.replay)
          assert.strictEqual((yield* recorder.reasons)[0]?.name, "spooling")
        })
      )
      yield* process(
        Effect.gen(function* () {
          const recorder = yield* RecordRelay
          const spool = yield* RelaySpool
          assert.strictEqual(yield* spool.size, 290)
          yield* record(300, 400)
          const house = yield* Effect.forkChild(recorder.keepReplaying)
          state.away = false
          state.done = []
          // New relays come while the old ones are replayed.
          yield* record(400, 450)
          yield* Effect.repeat(Effect.andThen(Effect.sleep(5), spool.size), {
            until: (size) => size === 0,
            schedule: Schedule.recurs(10_000)
          })
          yield* Fiber.interrupt(house)
          assert.deepStrictEqual(yield* recorder.reasons, [])
        })
      )
      assert.deepStrictEqual(
        state.appended.toSorted((a, b) => a - b),
        range(0, 450)
      )
      const replayed = state.appended.filter((n) => n >= 10 && n < 400)
      assert.deepStrictEqual(replayed.length, 390)
      // Relays that were recorded together may stand in any order among themselves.
      for (const [place, n] of replayed.entries()) assert.isAtMost(Math.abs(place + 10 - n), 20)
      const firstReplayed = state.done.indexOf("announce 30")
      assert.isAtLeast(firstReplayed, 0)
      assert.isAtMost(state.done.slice(0, firstReplayed).filter((done) => done === "append").length, 50)
      assert.strictEqual(state.done.at(-1), "announce none")
      assert.deepStrictEqual(segmentsOf(dir), [])
    })
  )

  it.live("that lost its answers only may get entries again, never fewer", () =>
    Effect.gen(function* () {
      const dir = yield* freshDir
      const { layer, state } = makeLog()
      state.loseAnswers = true
      yield* Effect.gen(function* () {
        const recorder = yield* RecordRelay
        yield* Effect.forEach(range(0, 50), (n) => recorder.record(anEntry(n)), { concurrency: 10 })
        state.loseAnswers = false
        assert.isTrue(yield* recorder.replay)
      }).pipe(Effect.provide(RecordRelay.layer.pipe(Layer.provide(spoolAt(dir)), Layer.provide(layer))))
      assert.deepStrictEqual(
        [...new Set(state.appended)].sort((a, b) => a - b),
        range(0, 50)
      )
    })
  )
})
