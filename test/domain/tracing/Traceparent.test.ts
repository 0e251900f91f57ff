/** Trace context as text, after W3C Trace Context Level 1, section 3.2. */
import { assert, describe, it } from "@effect/vitest"
import { Option, Schema } from "effect"
import { formatTraceparent, parseTraceparent } from "../../../domain/tracing/Traceparent.ts"

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736"
const spanId = "00f067aa0ba902b7"

describe("a traceparent", () => {
  it.each([
    [`00-${traceId}-${spanId}-01`, true],
    [`00-${traceId}-${spanId}-00`, false],
    // Other flags than "sampled" are not ours to judge.
    [`00-${traceId}-${spanId}-03`, true],
    [`00-${traceId}-${spanId}-fe`, false],
    // A later version may have more fields.
    [`01-${traceId}-${spanId}-01`, true],
    [`cc-${traceId}-${spanId}-01-what-comes-later`, true]
  ])("%s names a span", (text, sampled) => {
    const span = Option.getOrThrow(parseTraceparent(text))
    assert.deepStrictEqual([span.traceId, span.spanId, span.sampled], [traceId, spanId, sampled])
  })

  it.each([
    undefined,
    "",
    "nonsense",
    [`00-${traceId}-${spanId}-01`, `00-${traceId}-${spanId}-01`],
    `00-${traceId}-${spanId}-01-extra`,
    `00-${traceId}-${spanId}-01-`,
    ` 00-${traceId}-${spanId}-01`,
    `01-${traceId}-${spanId}-01x`,
    `ff-${traceId}-${spanId}-01`,
    `0-${traceId}-${spanId}-01`,
    `00-${traceId.toUpperCase()}-${spanId}-01`,
    `00-${traceId.slice(1)}-${spanId}-01`,
    `00-${"0".repeat(32)}-${spanId}-01`,
    `00-${traceId}-${"0".repeat(16)}-01`,
    `00-${traceId}-${spanId}-0g`,
    `00-${traceId}-${spanId}`
  ])("%s names none", (text) => {
    assert.isTrue(Option.isNone(parseTraceparent(text)))
  })

  it.prop(
    "is read as it was written",
    {
      trace: Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: 1n, maximum: (1n << 128n) - 1n })),
      span: Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: 1n, maximum: (1n << 64n) - 1n })),
      sampled: Schema.Boolean
    },
    ({ trace, span, sampled }) => {
      const written = {
        traceId: trace.toString(16).padStart(32, "0"),
        spanId: span.toString(16).padStart(16, "0"),
        sampled
      }
      const { traceId, spanId, sampled: read } = Option.getOrThrow(parseTraceparent(formatTraceparent(written)))
      assert.deepStrictEqual({ traceId, spanId, sampled: read }, written)
    }
  )
})
