/** Span attributes that lead from a relay to its session, its claim and its settlement: the same names on all of them. */
import type { SessionHeader } from "../relay/SessionHeader.ts"

/** Longest value; real ones have at most 64 characters, but a span may be about a request that nobody has verified. */
const MAX_LENGTH = 128

/** Session, service and application as the header names them. `supplier` is the operator address. */
export const sessionAttributes = (header: SessionHeader, supplier: string) => ({
  "relaymill.session": bounded(header.sessionId),
  "relaymill.session.end_height": Number(header.sessionEndBlockHeight),
  "relaymill.service": bounded(header.serviceId),
  "relaymill.application": bounded(header.applicationAddress),
  "relaymill.supplier": bounded(supplier)
})

const bounded = (value: string): string => value.slice(0, MAX_LENGTH)
