/**
 * The message by which miners tell relayers that a session is sealed: relayers give back what they hold of its meter. It
 * may be lost, and it drops no counter: a relayer whose view of the chain lags may serve the session still.
 */

/** Broadcast channel; the payload is `meterName`. */
export const METER_CLEANUP = "meter:cleanup"

/** Names a counter: `<session>|<supplier>`. */
export const meterName = (session: string, supplier: string): string => `${session}|${supplier}`
