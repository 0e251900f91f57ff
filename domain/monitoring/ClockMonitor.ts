/**
 * Whether this machine's clock agrees with the chain's: block times are what others measure by. Nothing here is decided by
 * the machine's time of day, but its logs and traces are read beside others', and TLS and providers go by it.
 */
import { Clock, type Duration, Effect, Option, type Scope, Stream } from "effect"
import type { ReadinessReason } from "../lifecycle/Readiness.ts"
import { nanosOf } from "../lifecycle/MonotonicTime.ts"
import { fillGauge } from "../observability/FillGauge.ts"
import { type Block, Blocks } from "../ports/Blocks.ts"

/** A block as it came: its own time and those of this machine, nanoseconds. */
export interface Arrival {
  readonly blockTime: bigint
  /** Since the Unix epoch, by the clock in question. */
  readonly wallTime: bigint
  readonly monotonic: bigint
}

/** Blocks in a row that have to agree about the clock: one may be late, or the first one after a halt. */
const ARRIVALS = 3

/** A block is voted on before it is seen: this much may lie between, and three block times where these are longer. */
const LEAST_AHEAD = 60n * 1_000_000_000n
/** A block of the future: nodes tolerate little of that among themselves. */
const LEAST_BEHIND = 10n * 1_000_000_000n

/**
 * Nanoseconds by which the clock is ahead of the chain (negative: behind), 0 where the arrivals, newest last, do not all
 * say so. What came in a rush, as after an outage, is too old to tell.
 */
export const clockOffset = (arrivals: ReadonlyArray<Arrival>, blockTime: bigint): bigint => {
  const live = arrivals.filter((arrival, index) => {
    const before = arrivals[index - 1]
    return before !== undefined && !isRushed(before, arrival)
  })
  const offsets = live.slice(-ARRIVALS).map(({ blockTime: told, wallTime }) => wallTime - told)
  if (offsets.length < ARRIVALS) return 0n
  const [least, most] = [offsets.reduce(smaller), offsets.reduce(greater)]
  if (least > greater(LEAST_AHEAD, 3n * blockTime)) return least
  return most < -LEAST_BEHIND ? most : 0n
}

/** It came in less than half of the time that lies between the two blocks. */
const isRushed = (before: Arrival, arrival: Arrival): boolean =>
  2n * (arrival.monotonic - before.monotonic) < arrival.blockTime - before.blockTime

const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b)
const greater = (a: bigint, b: bigint): bigint => (a > b ? a : b)

/**
 * Watches every block that is seen, until the scope ends. Returns what `/ready` has to say about the clock; nothing is
 * refused for it. `blockTime`: the expected one.
 */
export const watchClock = Effect.fnUntraced(function* (
  blockTime: Duration.Duration
): Effect.fn.Return<Effect.Effect<ReadonlyArray<ReadinessReason>>, never, Blocks | Scope.Scope> {
  const blocks = yield* Blocks
  let arrivals: ReadonlyArray<Arrival> = []
  let offset = 0n
  const see = Effect.fnUntraced(function* ({ timeUnixNano }: Block) {
    const arrival: Arrival = {
      blockTime: timeUnixNano,
      wallTime: yield* Clock.currentTimeNanos,
      monotonic: yield* Clock.monotonicTimeNanos
    }
    arrivals = [...arrivals, arrival].slice(-ARRIVALS - 1)
    const before = offset
    offset = clockOffset(arrivals, nanosOf(blockTime))
    const sentence = Option.getOrUndefined(sentenceOf(offset))
    if (before === 0n && sentence !== undefined) yield* Effect.logWarning(sentence)
    if (before !== 0n && sentence === undefined) yield* Effect.logInfo("this machine's clock agrees with the chain's")
  })
  yield* fillGauge(
    "relaymill_clock_ahead_seconds",
    "Seconds by which the machine's clock is ahead of the chain's",
    () => Number(offset / 1_000_000_000n)
  )
  yield* Effect.forkScoped(Stream.runForEach(blocks.changes, see))
  return Effect.sync(() => Option.toArray(Option.map(sentenceOf(offset), (text) => ({ text, isBlocking: false }))))
})

const sentenceOf = (offset: bigint): Option.Option<string> => {
  if (offset === 0n) return Option.none()
  const seconds = (offset < 0n ? -offset : offset) / 1_000_000_000n
  return Option.some(
    `this machine's clock is ${seconds} s ${offset < 0n ? "behind" : "ahead of"} the times of new blocks: set it by NTP`
  )
}
