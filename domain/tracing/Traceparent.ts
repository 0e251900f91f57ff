/** W3C trace context as text: how a span's name is kept in a session's events. Source: W3C Trace Context, section 3.2. */
import { Option, Tracer } from "effect"

/** `00-<32 hex trace id>-<16 hex span id>-<01 sampled, 00 not>`. */
export const formatTraceparent = (span: {
  readonly traceId: string
  readonly spanId: string
  readonly sampled: boolean
}): string => `00-${span.traceId}-${span.spanId}-${span.sampled ? "01" : "00"}`

/** The span that a text names; none for anything that is not version 00. */
export const parseTraceparent = (text: string): Option.Option<Tracer.ExternalSpan> => {
  const [, traceId, spanId, flags] = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(text) ?? []
  if (traceId === undefined || spanId === undefined || flags === undefined) return Option.none()
  return Option.some(Tracer.externalSpan({ traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 }))
}
