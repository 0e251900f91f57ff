/**
 * The times of a fleet, made to fit together: a lease is renewed several times in its life, its owner stops before it can
 * end, and what is free is found within seconds of that.
 */
import { Duration } from "effect"

/** Life of a lease where nothing else is said: a supplier whose owner was killed is mined again within 15 s. */
export const LEASE_TTL = Duration.seconds(12)
/** Between renewals where nothing else is said. */
export const RENEW_EVERY = Duration.seconds(3)
/** Between looks for free suppliers, at most. */
export const ORPHANS_EVERY = Duration.seconds(2)

/** Renewals in the life of a lease, at least; one may then fail. */
const RENEWALS = 3
/** The owner stops this part of a life before its end, or this long before, whichever is shorter. */
const MARGIN_PART = 0.25
const LONGEST_MARGIN = Duration.seconds(3)

/** What an operator may set. */
export interface ClaimingTimes {
  /** Life of a lease. */
  readonly ttl: Duration.Duration
  /** Between renewals. */
  readonly renewal: Duration.Duration
  /** Between looks at the share. */
  readonly rebalance: Duration.Duration
}

/** What the fleet goes by; names are those of `FleetSettings`. */
export interface FleetTimes {
  /** For the lease store. */
  readonly leaseTtl: Duration.Duration
  readonly renewEvery: Duration.Duration
  readonly orphansEvery: Duration.Duration
  readonly leaseMargin: Duration.Duration
}

/**
 * The times that follow from what is set. Renewals come at least three times in a life; free suppliers are looked for at
 * least every 2 s, so that a supplier whose owner was killed is taken within its TTL and 3 s.
 */
export const fleetTimes = ({ ttl, renewal, rebalance }: ClaimingTimes): FleetTimes => ({
  leaseTtl: ttl,
  renewEvery: Duration.min(renewal, Duration.times(ttl, 1 / RENEWALS)),
  orphansEvery: Duration.min(rebalance, ORPHANS_EVERY),
  leaseMargin: Duration.min(LONGEST_MARGIN, Duration.times(ttl, MARGIN_PART))
})
