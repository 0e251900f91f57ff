/** W3C trace context as text: in an HTTP header, in an entry of the relay log, in a session's events. */
import { Option, Tracer } from "effect"

/**
 * Version, 16-byte trace id, 8-byte parent id, flags, all lower-case hex; all-zero ids and version ff are invalid, a
 * version after 00 may have more fields. Source: W3C Trace Context Level 1, section 3.2.
 */
const TRACEPARENT = /^(?!ff)[\da-f]{2}-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-([\da-f]{2})(?:-|$)/
const LENGTH_OF_VERSION_00 = 55

/** `00-<32 hex trace id>-<16 hex span id>-<01 sampled, 00 not>`. */
export const formatTraceparent = (span: {
  readonly traceId: string
  readonly spanId: string
  readonly sampled: boolean
}): string => `00-${span.traceId}-${span.spanId}-${span.sampled ? "01" : "00"}`

/** The span that a text names; none for what is absent, given twice or malformed. */
export const parseTraceparent = (
  text: string | ReadonlyArray<string> | undefined
): Option.Option<Tracer.ExternalSpan> => {
  if (typeof text !== "string" || (text.startsWith("00") && text.length !== LENGTH_OF_VERSION_00)) return Option.none()
  const [, traceId, spanId, flags] = TRACEPARENT.exec(text) ?? []
  if (traceId === undefined || spanId === undefined || flags === undefined) return Option.none()
  return Option.some(Tracer.externalSpan({ traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 }))
}
