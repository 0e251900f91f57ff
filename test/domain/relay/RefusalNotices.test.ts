import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger } from "effect"
import { TestClock } from "effect/testing"
import { makeRefusalNotices, QUIET_MILLIS } from "../../../domain/relay/RefusalNotices.ts"

const SECOND = 1_000

describe("refusals for an operator", () => {
  it.effect("are said once for each reason, and kept while they go on", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.make(
        ({ message }) => void lines.push(String(Array.isArray(message) ? message[0] : message))
      )
      const notices = yield* makeRefusalNotices
      const note = (detail: string) =>
        Effect.provide(notices.note({ reason: "ring_signature", detail }), Logger.layer([logger]))
      const text = "relay signature does not match the ring of the application"
      assert.deepStrictEqual(yield* notices.recent, [])
      for (const detail of ["one", "two\nlines", "three"]) {
        yield* note(detail)
        yield* TestClock.adjust(20 * SECOND)
      }
      assert.deepStrictEqual(yield* notices.recent, [`3 relays were refused: ${text} (three)`])
      yield* note("with\na break")
      assert.deepStrictEqual(yield* notices.recent, [`4 relays were refused: ${text} (with?a break)`])
      yield* TestClock.adjust(QUIET_MILLIS + SECOND)
      assert.deepStrictEqual(yield* notices.recent, [])
      yield* note("again")
      assert.deepStrictEqual(yield* notices.recent, [`1 relay was refused: ${text} (again)`])
      assert.deepStrictEqual(lines, [`relays are refused: ${text} (one)`, `relays are refused: ${text} (again)`])
    })
  )

  it.effect("of several reasons stand beside each other", () =>
    Effect.gen(function* () {
      const notices = yield* makeRefusalNotices
      yield* notices.note({ reason: "service_not_offered", detail: "other" })
      yield* notices.note({ reason: "service_body_too_large", detail: "x".repeat(500), limit: 10 })
      assert.deepStrictEqual(yield* notices.recent, [
        "1 relay was refused: service is not offered here (other)",
        `1 relay was refused: request body is larger than 10 bytes (${"x".repeat(200)})`
      ])
    })
  )
})
