/**
 * One endpoint of a backend at work, with its breaker: failures in a row make it rest, a single trial ends the rest.
 * What counts as a failure: no answer, a broken one, one too late, and a status of 500 or more.
 */
import { Duration, type Redacted } from "effect"
import type { Pool } from "undici"
import { makeRequestTarget } from "./BackendUrl.ts"

/** One endpoint of a backend as configured. */
export interface BackendEndpoint {
  /** As metrics and logs call it, unique within its backend; host and port of the URL if left out. */
  readonly name?: string
  readonly url: URL
  /** Replaces the URL's path as prefix of every request. */
  readonly basePath: string | undefined
  /** Added to every request, over those of the relay. */
  readonly headers: Readonly<Record<string, string>>
  /** Value of `Authorization`. */
  readonly authorization: Redacted.Redacted | undefined
}

/** When an endpoint rests and how long. */
export interface BreakerOptions {
  /** Failures in a row after which an endpoint rests. */
  readonly failureThreshold: number
  /** How long it rests until a single request tries it; zero: it never rests. */
  readonly recovery: Duration.Duration
}

/** An endpoint at work. Times are milliseconds of Effect's clock. */
export interface Target {
  readonly name: string
  readonly endpoint: BackendEndpoint
  readonly pool: Pool
  /** Path and query for a signed URL. */
  readonly pathOf: ReturnType<typeof makeRequestTarget>
  failures: number
  /** It is not asked before; 0 while it is up. */
  restsUntil: number
  /** When it went down; `undefined` while it is up. */
  downSince: number | undefined
  /** Probes in a row, and whether they say that it is not well. */
  probeFailures: number
  probeSuccesses: number
  isProbedDown: boolean
}

/** An endpoint that has not been asked yet. */
export const makeTarget = (endpoint: BackendEndpoint, pool: Pool): Target => ({
  name: endpoint.name ?? endpoint.url.host,
  endpoint,
  pool,
  pathOf: makeRequestTarget(endpoint.url, endpoint.basePath),
  failures: 0,
  restsUntil: 0,
  downSince: undefined,
  probeFailures: 0,
  probeSuccesses: 0,
  isProbedDown: false
})

/** Whether neither its traffic nor its probes say otherwise. */
export const isUp = ({ downSince, isProbedDown }: Target): boolean => downSince === undefined && !isProbedDown

/** May it be asked at `now`? */
export const isAvailable = (target: Target, now: number): boolean => !target.isProbedDown && target.restsUntil <= now

/** Notes that it is asked: the first request after a rest is the trial, others stay away until its outcome is known. */
export const noteAsked = (target: Target, now: number, { recovery }: BreakerOptions): void => {
  if (target.downSince !== undefined) target.restsUntil = now + Duration.toMillis(recovery)
}

/** Notes a success. Returns how long it was down in milliseconds if this brought it up again. */
export const noteSuccess = (target: Target, now: number): number | undefined => {
  const { downSince } = target
  target.failures = 0
  target.restsUntil = 0
  target.downSince = undefined
  return downSince === undefined ? undefined : now - downSince
}

/** Notes a failure. Returns whether this took it down. */
export const noteFailure = (target: Target, now: number, options: BreakerOptions): boolean => {
  target.failures++
  if (target.failures < options.failureThreshold || Duration.isZero(options.recovery)) return false
  const wasUp = target.downSince === undefined
  target.downSince ??= now
  target.restsUntil = now + Duration.toMillis(options.recovery)
  return wasUp
}

/** The next endpoint to ask: available, not among `asked`, from index `start` on and around. */
export const chooseTarget = (
  targets: ReadonlyArray<Target>,
  start: number,
  now: number,
  asked: ReadonlyArray<Target>
): Target | undefined => {
  for (let i = 0; i < targets.length; i++) {
    const target = targets[(start + i) % targets.length]
    if (target !== undefined && isAvailable(target, now) && !asked.includes(target)) return target
  }
  return undefined
}
