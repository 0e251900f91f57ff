/** Log lines as a process writes them: fields, levels, secrets, the bounded buffer and sampling. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Redacted } from "effect"
import { TestClock } from "effect/testing"
import * as LogLines from "../../../adapters/console/LogLines.ts"

const collect = () => {
  const written: Array<string> = []
  return { written, output: { write: (text: string) => written.push(text) } }
}
const objects = (written: ReadonlyArray<string>): ReadonlyArray<unknown> =>
  written.flatMap((text) => text.trimEnd().split("\n")).map((line) => JSON.parse(line))

describe("LogLines", () => {
  it.effect("writes one JSON object for each line, with annotations as fields and without secrets", () =>
    Effect.gen(function* () {
      const { written, output } = collect()
      yield* Effect.logWarning("no answer").pipe(
        Effect.annotateLogs({ supplier: "pokt1abc", token: Redacted.make("s3cret"), level: "mine" }),
        Effect.provide(LogLines.layer({ level: "info", format: "json" }, output))
      )
      const [line] = objects(written)
      assert.deepInclude(line, { level: "warn", message: "no answer", supplier: "pokt1abc" })
      assert.strictEqual(written.length, 1)
      assert.notInclude(written.join(), "s3cret")
    })
  )

  it.effect("writes heights and amounts as numbers, where JSON can hold them", () =>
    Effect.gen(function* () {
      const { written, output } = collect()
      yield* Effect.logInfo("block").pipe(
        Effect.annotateLogs({ height: 10n, amount: 2n ** 60n }),
        Effect.provide(LogLines.layer({ level: "info", format: "json" }, output))
      )
      assert.deepInclude(objects(written)[0], { height: 10, amount: "1152921504606846976" })
    })
  )

  it.effect("names the cause of a failure in error", () =>
    Effect.gen(function* () {
      const { written, output } = collect()
      yield* Effect.die(new Error("boom")).pipe(
        Effect.tapCause((cause) => Effect.logError("it broke", cause)),
        Effect.exit,
        Effect.provide(LogLines.layer({ level: "info", format: "json" }, output))
      )
      assert.include(written.join(), '"message":"it broke"')
      assert.include(written.join(), "boom")
    })
  )

  it.effect("leaves out what is below its level, and writes text where text is asked for", () =>
    Effect.gen(function* () {
      const { written, output } = collect()
      yield* Effect.logInfo("quiet").pipe(
        Effect.andThen(Effect.logError("loud")),
        Effect.provide(LogLines.layer({ level: "warn", format: "text" }, output))
      )
      assert.strictEqual(written.length, 1)
      assert.include(written[0], "message=loud")
    })
  )

  it.effect("buffers lines, drops what finds the buffer full and says how many, and writes the rest at the end", () =>
    Effect.gen(function* () {
      const { written, output } = collect()
      const buffer = { lines: 3, flushEvery: Duration.millis(100) }
      yield* Effect.gen(function* () {
        for (let line = 0; line < 5; line++) yield* Effect.logInfo(`line ${line}`)
        assert.deepStrictEqual(written, [])
        yield* TestClock.adjust("100 millis")
        assert.deepInclude(objects(written)[3], { level: "warn", dropped: 2 })
        yield* Effect.logInfo("last")
      }).pipe(Effect.provide(LogLines.layer({ level: "info", format: "json", buffer }, output)))
      assert.deepInclude(objects(written)[4], { message: "last" })
    })
  )

  it.effect("samples equal lines of a second, and begins anew with the next", () =>
    Effect.gen(function* () {
      const { written, output } = collect()
      const sampling = { initial: 2, thereafter: 3 }
      yield* Effect.gen(function* () {
        for (let line = 0; line < 8; line++) yield* Effect.logInfo("same")
        yield* Effect.logInfo("other")
        assert.strictEqual(written.length, 2 + 2 + 1)
        yield* TestClock.adjust("1 second")
        yield* Effect.logInfo("same")
        assert.strictEqual(written.length, 6)
      }).pipe(Effect.provide(LogLines.layer({ level: "info", format: "json", sampling }, output)))
    })
  )
})
