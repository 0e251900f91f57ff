/** W3C trace context of an incoming request (Trace Context Level 1, §3.2), as an external parent span. */
import { Option, Tracer } from "effect"

/** Version, 16-byte trace id, 8-byte parent id, flags; all-zero ids are invalid. */
const TRACEPARENT = /^[\da-f]{2}-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-([\da-f]{2})(?:-.*)?$/

/** The caller's span; none when the header is absent or malformed. */
export const parseTraceparent = (
  header: string | ReadonlyArray<string> | undefined
): Option.Option<Tracer.ExternalSpan> => {
  const match = typeof header === "string" ? TRACEPARENT.exec(header) : null
  const [, traceId, spanId, flags] = match ?? []
  return traceId === undefined || spanId === undefined || flags === undefined
    ? Option.none()
    : Option.some(Tracer.externalSpan({ traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 }))
}

/** The header for a span. */
export const formatTraceparent = (span: Tracer.ExternalSpan): string =>
  `00-${span.traceId}-${span.spanId}-${span.sampled ? "01" : "00"}`
