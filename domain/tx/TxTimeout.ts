/**
 * Time-out of unordered transactions. With the signer it is the nonce: two transactions of one signer must not share it.
 * All times are nanoseconds since the Unix epoch, all spans nanoseconds.
 */

const SECOND = 1_000_000_000n

/** How a time-out follows from the time left in a window; spans in nanoseconds. */
export interface TimeoutBounds {
  /** Shortest span with a known window. */
  readonly shortest: bigint
  /** Longest span. The chain allows 600 s from block time; less leaves room for steps of 1 ns and for a newer anchor. */
  readonly longest: bigint
  /** Span where no window is known, or it is over. */
  readonly unknown: bigint
  /** Distance kept from the end of the window. */
  readonly margin: bigint
}

/** Those of a configuration that says nothing: 120 s to 590 s, 120 s without a window, 60 s before its end. */
export const defaultTimeoutBounds: TimeoutBounds = {
  shortest: 120n * SECOND,
  longest: 590n * SECOND,
  unknown: 120n * SECOND,
  margin: 60n * SECOND
}

/** Chain limit on the distance of a time-out from block time. Source: cosmos-sdk `x/auth/ante/sigverify.go`. */
export const CHAIN_LIMIT = 600n * SECOND

/** Time left in a window: blocks from `height` to `close`, both inclusive heights, times the block time. May be negative. */
export const remainingWindow = (close: bigint, height: bigint, blockTime: bigint): bigint =>
  (close - height) * blockTime

/** Span from the anchor: `unknown` if `window` is not known or not positive, else `window` − `margin` within the bounds. */
export const timeoutSpan = (window: bigint | undefined, bounds: TimeoutBounds = defaultTimeoutBounds): bigint => {
  if (window === undefined || window <= 0n) return bounds.unknown
  const span = window - bounds.margin
  if (span < bounds.shortest) return bounds.shortest
  return span > bounds.longest ? bounds.longest : span
}

/** Time-outs in use by signer address. A value leaves once block time has passed it. */
export type UsedTimeouts = ReadonlyMap<string, ReadonlySet<bigint>>

/** Nothing in use. */
export const noTimeouts: UsedTimeouts = new Map()

/**
 * Picks a time-out for a signer: `anchor` (header time of the newest block) plus the span, moved on by 1 ns until no
 * transaction of this signer has it. Returns it with the grown record, from which passed values are dropped: the chain
 * keeps each until block time reaches it, so the record is bounded by what was sent within 10 minutes.
 */
export const reserveTimeout = (
  used: UsedTimeouts,
  signer: string,
  anchor: bigint,
  window: bigint | undefined,
  bounds: TimeoutBounds = defaultTimeoutBounds
): readonly [timeout: bigint, used: UsedTimeouts] => {
  const taken = new Set([...(used.get(signer) ?? [])].filter((timeout) => timeout >= anchor))
  let timeout = anchor + timeoutSpan(window, bounds)
  while (taken.has(timeout)) timeout += 1n
  return [timeout, new Map(used).set(signer, taken.add(timeout))]
}

/** Enters a time-out that was chosen elsewhere: a transaction found in a durable intent after a restart. */
export const rememberTimeout = (used: UsedTimeouts, signer: string, timeout: bigint): UsedTimeouts =>
  new Map(used).set(signer, new Set(used.get(signer)).add(timeout))

/** Whether a transaction that is in no block up to block time `blockTime` can still get into one. */
export const isPastTimeout = (timeout: bigint, blockTime: bigint): boolean => blockTime > timeout
