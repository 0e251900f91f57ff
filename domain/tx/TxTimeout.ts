/**
 * Time-out of unordered transactions. With the signer it is the nonce: two transactions of one signer must not share it.
 * All times are nanoseconds since the Unix epoch, all spans nanoseconds.
 */

const SECOND = 1_000_000_000n

/** Shortest span, and the span without a known window. */
export const SHORTEST = 120n * SECOND

/** Longest span. The chain allows 600 s from block time; 10 s are left for steps of 1 ns and for a newer anchor. */
export const LONGEST = 590n * SECOND

/** Distance kept from the end of the window. */
export const MARGIN = 60n * SECOND

/** Chain limit on the distance of a time-out from block time. Source: cosmos-sdk `x/auth/ante/sigverify.go`. */
export const CHAIN_LIMIT = 600n * SECOND

/** Time left in a window: blocks from `height` to `close`, both inclusive heights, times the block time. May be negative. */
export const remainingWindow = (close: bigint, height: bigint, blockTime: bigint): bigint =>
  (close - height) * blockTime

/** Span from the anchor: 120 s if `window` is unknown or not positive, else `window` − 60 s within 120 s and 590 s. */
export const timeoutSpan = (window: bigint | undefined): bigint => {
  if (window === undefined || window <= 0n) return SHORTEST
  const span = window - MARGIN
  if (span < SHORTEST) return SHORTEST
  return span > LONGEST ? LONGEST : span
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
  window: bigint | undefined
): readonly [timeout: bigint, used: UsedTimeouts] => {
  const taken = new Set([...(used.get(signer) ?? [])].filter((timeout) => timeout >= anchor))
  let timeout = anchor + timeoutSpan(window)
  while (taken.has(timeout)) timeout += 1n
  return [timeout, new Map(used).set(signer, taken.add(timeout))]
}

/** Enters a time-out that was chosen elsewhere: a transaction found in a durable intent after a restart. */
export const rememberTimeout = (used: UsedTimeouts, signer: string, timeout: bigint): UsedTimeouts =>
  new Map(used).set(signer, new Set(used.get(signer)).add(timeout))

/** Whether a transaction that is in no block up to block time `blockTime` can still get into one. */
export const isPastTimeout = (timeout: bigint, blockTime: bigint): boolean => blockTime > timeout
