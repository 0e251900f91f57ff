/**
 * Keeps the heap of a calm process small. V8 lets a heap grow to several times what lives in it before it looks for garbage
 * among what is old: right for throughput, and hundreds of megabytes for nothing where a process mostly waits.
 */
import { setFlagsFromString } from "node:v8"
import { Clock, Duration, Effect, Layer } from "effect"

/** Between two looks at how busy the process was. */
const LOOK_EVERY = Duration.seconds(10)

/** Beyond this share of a core between two looks the process is busy. */
const BUSY = 0.25

/** Looks at a busy process in a row before it may have memory: a start, or a burst, is short. */
const BUSY_LOOKS = 6

/** The heap of a calm process may grow to 1.5 times what lives in it. */
const GROWTH_PERCENT = 50

/** V8's own rule: as much as the speeds of work and of collection suggest. */
const BY_SPEED = 0

/** The process that is looked at. */
export interface Heap {
  /** Microseconds of CPU that all its threads have taken. */
  readonly cpuMicros: () => number
  /** Of old objects, beyond what lived at the last collection, before the next; 0 leaves it to V8. */
  readonly setGrowth: (percent: number) => void
}

/** Looks every 10 s until its scope ends, and leaves V8 its own rule. */
export const layerOf = ({ cpuMicros, setGrowth }: Heap): Layer.Layer<never> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const taken = Effect.map(Clock.monotonicTimeNanos, (now) => ({ cpu: cpuMicros(), micros: Number(now / 1_000n) }))
      // What a start leaves behind is garbage too.
      setGrowth(GROWTH_PERCENT)
      let seen = yield* taken
      let busyLooks = 0
      const look = Effect.map(taken, (now) => {
        const isBusy = now.cpu - seen.cpu > BUSY * (now.micros - seen.micros)
        busyLooks = isBusy ? busyLooks + 1 : 0
        setGrowth(busyLooks < BUSY_LOOKS ? GROWTH_PERCENT : BY_SPEED)
        seen = now
      })
      yield* Effect.addFinalizer(() => Effect.sync(() => setGrowth(BY_SPEED)))
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(LOOK_EVERY), look)))
    })
  )

/** The heap of this process. */
export const layer = layerOf({
  cpuMicros: () => {
    const { system, user } = process.cpuUsage()
    return system + user
  },
  setGrowth: (percent) => setFlagsFromString(`--heap-growing-percent=${percent}`)
})
