/** How time passes in a contract suite: virtual for adapters in this process, real for those that talk to a server. */
import { it, type Vitest } from "@effect/vitest"
import { Duration, Effect, type Scope } from "effect"
import { TestClock } from "effect/testing"

export interface Timing {
  /** Registers a test under this clock. */
  readonly it: Vitest.Tester<Scope.Scope>
  /** Lets the duration pass; what sleeps meanwhile wakes up in order. */
  readonly pass: (duration: Duration.Duration) => Effect.Effect<void>
  /** Time after which whatever was started has come as far as it can without more. */
  readonly settle: Effect.Effect<void>
  /** Random runs of each property. */
  readonly runs: number
}

export const virtualTime: Timing = {
  it: it.effect,
  pass: TestClock.adjust,
  settle: TestClock.adjust("20 millis"),
  runs: 200
}

/** For servers: adapters should be made with short lives, since tests wait for their end. */
export const realTime: Timing = {
  it: it.live,
  pass: Effect.sleep,
  settle: Effect.sleep("200 millis"),
  runs: 10
}

/** A bit longer than `life`: what lives so long is gone. */
export const beyond = (life: Duration.Duration): Duration.Duration => Duration.sum(life, Duration.millis(50))
