/**
 * What is known of one endpoint: a circuit breaker over failures in a row, a score of recent failures and of speed, and
 * facts that somebody who compares endpoints found out. Pure state; times are monotonic milliseconds.
 */
import { type Clock, Duration } from "effect"
import { monotonicMillisOf } from "../../domain/lifecycle/MonotonicTime.ts"
import type { FailureKind } from "./EndpointFailed.ts"

/**
 * What is wrong with an endpoint that answers. `wrong_chain` and `forked` ones are not asked at all; those that are behind
 * (`lagging`) or see no new block (`stalled`) only when no other is left.
 */
export type EndpointFault = "wrong_chain" | "forked" | "stalled" | "lagging"

/** When an endpoint rests and how long. */
export interface BreakerSettings {
  /** Failures in a row after which an endpoint rests. */
  readonly failureThreshold: number
  /** How long it rests until a single call tries it. */
  readonly recovery: Duration.Duration
}

/** Weight of the newest observation in score and speed. */
const NEWEST = 0.2

/** Time in which the memory of failures halves. */
const HALF_LIFE_MILLIS = 30_000

/** Steps of the score: endpoints within one step count as equal, so that the first of the configuration is asked. */
const STEP = 0.1

/** Milliseconds of a usual answer above which an endpoint counts as slow, and how much that weighs. */
const SLOW_MILLIS = 1_000
const SLOW_SCORE = 0.3

/** Failures that may be of what was asked: one odd record must not keep every other read from an endpoint. */
const ANSWERED: ReadonlySet<FailureKind> = new Set(["internal", "stale", "undecodable"])

/** What somebody who compares endpoints found out about one of them. Mutable; one for all pools that call the endpoint. */
export class EndpointFaults {
  readonly #byKind = new Map<EndpointFault, string>()

  /** What was reported and not cleared. */
  get details(): ReadonlyArray<string> {
    return [...this.#byKind.values()]
  }

  /** Answers must not be believed. */
  get isRefused(): boolean {
    return this.#byKind.has("wrong_chain") || this.#byKind.has("forked")
  }

  /** Sets a fault or, without a detail, clears it. Returns whether that is news. */
  report(fault: EndpointFault, detail: string | undefined): boolean {
    if (detail === undefined) return this.#byKind.delete(fault)
    const isNews = !this.#byKind.has(fault)
    this.#byKind.set(fault, detail)
    return isNews
  }
}

/** Mutable health of one endpoint. */
export class EndpointHealth {
  readonly #clock: Clock.Clock
  readonly #breaker: BreakerSettings
  readonly faults: EndpointFaults
  #inARow = 0
  #restsUntil = 0
  #down: string | undefined
  #score = 0
  #scoredAt = 0
  #millis = 0

  constructor(clock: Clock.Clock, breaker: BreakerSettings, faults: EndpointFaults) {
    this.faults = faults
    this.#clock = clock
    this.#breaker = breaker
  }

  /** Last failure while it rests or waits for its trial; undefined while it is up. */
  get down(): string | undefined {
    return this.#down
  }

  /** May be asked now. */
  get isAvailable(): boolean {
    return !this.faults.isRefused && this.#restsUntil <= monotonicMillisOf(this.#clock)
  }

  /** Smaller is better: whole steps. Every endpoint that is behind comes after all that are not. */
  get rank(): number {
    const age = monotonicMillisOf(this.#clock) - this.#scoredAt
    const failing = this.#score * 2 ** (-age / HALF_LIFE_MILLIS)
    const slow = this.#millis > SLOW_MILLIS ? SLOW_SCORE : 0
    const behind = this.faults.details.length > 0 ? 100 : 0
    return behind + Math.round((failing + slow) / STEP)
  }

  /** It is asked now: after a rest this call is the trial, others stay away until its outcome is known. */
  noteAsked(): void {
    if (this.#down !== undefined)
      this.#restsUntil = monotonicMillisOf(this.#clock) + Duration.toMillis(this.#breaker.recovery)
  }

  /** It answered within `millis`. Returns whether this brought it up again. */
  noteAnswer(millis: number): boolean {
    const wasDown = this.#down !== undefined
    this.#inARow = 0
    this.#restsUntil = 0
    this.#down = undefined
    this.#millis += NEWEST * (millis - this.#millis)
    this.#observe(0)
    return wasDown
  }

  /** It failed. Returns whether this took it down. An endpoint that said something is there and does not rest. */
  noteFailure(kind: FailureKind, detail: string): boolean {
    if (kind === "unimplemented") return false
    this.#observe(1)
    if (ANSWERED.has(kind)) return false
    this.#inARow++
    if (this.#inARow < this.#breaker.failureThreshold) return false
    const wasUp = this.#down === undefined
    this.#down = detail
    this.#restsUntil = monotonicMillisOf(this.#clock) + Duration.toMillis(this.#breaker.recovery)
    return wasUp
  }

  #observe(failure: 0 | 1): void {
    const now = monotonicMillisOf(this.#clock)
    this.#score *= 2 ** (-(now - this.#scoredAt) / HALF_LIFE_MILLIS)
    this.#score += NEWEST * (failure - this.#score)
    this.#scoredAt = now
  }
}
