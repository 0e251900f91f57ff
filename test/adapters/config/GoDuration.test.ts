import { assert, describe, it } from "@effect/vitest"
import { Duration, Result, Schema } from "effect"
import { formatGoDuration, parseGoDuration } from "../../../adapters/config/GoDuration.ts"

const millis = (text: string) => Result.map(parseGoDuration(text), Duration.toMillis)

describe("GoDuration", () => {
  it("reads what Go's time.ParseDuration reads", () => {
    const cases: ReadonlyArray<readonly [string, number]> = [
      ["0", 0],
      ["0s", 0],
      ["5s", 5000],
      ["+5s", 5000],
      ["1478s", 1_478_000],
      ["5.0s", 5000],
      ["5.6s", 5600],
      [".5s", 500],
      ["5.s", 5000],
      ["1h30m", 5_400_000],
      ["2h", 7_200_000],
      ["90m", 5_400_000],
      ["500ms", 500],
      ["10.5s4m", 250_500],
      ["1h2m3s4ms", 3_723_004],
      ["1500us", 1.5],
      ["1500µs", 1.5],
      ["1500μs", 1.5],
      ["2000000ns", 2],
      ["0.100000000000000000000h", 360_000],
      ["  2h ", 7_200_000]
    ]
    for (const [text, expected] of cases) assert.deepStrictEqual(millis(text), Result.succeed(expected), text)
  })

  it("refuses what Go refuses, and negative durations", () => {
    for (const text of ["", "3", "-", "s", ".", "-.", ".s", "+.s", "1d", "1 h", "h1", "1h-2m", "-5s", "9223372037s"]) {
      assert.isTrue(Result.isFailure(parseGoDuration(text)), text)
    }
  })

  it("says what to write for a number without unit", () => {
    assert.deepStrictEqual(
      parseGoDuration("7200"),
      Result.fail(
        'expected a duration with its unit, found "7200"; write 7200s for seconds, or another unit such as 30m or 2h'
      )
    )
  })

  it.prop(
    "reads back every duration it writes",
    { millis: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1e12 })) },
    ({ millis }) => {
      const written = formatGoDuration(Duration.millis(millis))
      assert.deepStrictEqual(Result.map(parseGoDuration(written), Duration.toMillis), Result.succeed(millis))
    }
  )
})
