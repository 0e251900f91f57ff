/**
 * Keeps the heap of a calm process small. V8 lets a heap grow to several times what lives in it before it looks for garbage
 * among what is old: right for throughput, and hundreds of megabytes for nothing where a process mostly waits.
 */
import { setFlagsFromString } from "node:v8"
import { Clock, Duration, Effect, Layer } from "effect"

/** Between two looks at how busy the process was. */
const LOOK_EVERY = Duration.seconds(10)

/** Up to this share of a core between two looks the process is calm. */
const CALM = 0.25

/** The heap of a calm process may grow to 1.5 times what lives in it. */
const GROWTH_PERCENT = 50

/** V8's own rule: as much as the speeds of work and of collection suggest. */
const BY_SPEED = 0

/** Looks until its scope ends, and leaves V8 its own rule. */
export const layerWith = (lookEvery: Duration.Duration): Layer.Layer<never> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      let seen = yield* taken
      const look = Effect.map(taken, (now) => {
        setGrowth(now.cpuMicros - seen.cpuMicros <= CALM * (now.micros - seen.micros) ? GROWTH_PERCENT : BY_SPEED)
        seen = now
      })
      yield* Effect.addFinalizer(() => Effect.sync(() => setGrowth(BY_SPEED)))
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(lookEvery), look)))
    })
  )

/** Looks every 10 s. */
export const layer = layerWith(LOOK_EVERY)

/** Microseconds of CPU and of time so far. */
const taken = Effect.map(Clock.monotonicTimeNanos, (now) => {
  const { system, user } = process.cpuUsage()
  return { cpuMicros: system + user, micros: Number(now / 1_000n) }
})

/** Of old objects, beyond what lived at the last collection, before the next. */
const setGrowth = (percent: number) => setFlagsFromString(`--heap-growing-percent=${percent}`)
