/**
 * The keys of the configured sources, followed while the process runs: a change is published once two looks in a row
 * agree on it, so that a file that is being written is not taken for a shorter one. Whoever signs sees the present ring.
 */
import { type Duration, Effect, Layer, Queue, type Scope, SubscriptionRef } from "effect"
import type { KeyRing } from "../../domain/keys/KeyRing.ts"
import type { SupplierKeys } from "../../domain/ports/SupplierKeys.ts"
import { keyChange, mergeKeys } from "./KeyMerge.ts"
import { NoUsableKeys } from "./KeyProblem.ts"
import { type KeyLook, KeyReport } from "./KeyReport.ts"
import type { KeySettings } from "./KeySettings.ts"
import { keySources } from "./KeySources.ts"
import { watchPlaces } from "./KeyWatch.ts"

/** When sources are looked at again. */
export interface ReloadTiming {
  /** At the latest after this, whatever the watches say: bounds how long a missed event or a far file system can hide a change. */
  readonly every: Duration.Input
  /** Between a hint and the look, and between two looks that have to agree. */
  readonly quiet: Duration.Input
}

/** A missed event costs 10 s; a write of some milliseconds is over after a quarter of a second. */
export const defaultReloadTiming: ReloadTiming = { every: "10 seconds", quiet: "250 millis" }

/** Looks after which the last one counts although files go on changing. */
const MAX_LOOKS = 8

/**
 * `SupplierKeys` over the configured sources. `provide` makes the signer over their ring (`SupplierKeysNative.layerRing`).
 * `timing` is none where changes are not followed. Fails when no source gives a key.
 */
export const layer = (
  settings: KeySettings,
  provide: (ring: SubscriptionRef.SubscriptionRef<KeyRing>) => Layer.Layer<SupplierKeys>,
  timing: ReloadTiming | "never" = defaultReloadTiming
): Layer.Layer<SupplierKeys, NoUsableKeys> => Layer.unwrap(Effect.map(makeReloadingRing(settings, timing), provide))

/**
 * The ring of the configured sources; its changes are sets, `keyChange` tells what came and went between two.
 * Sources that fail keep what they gave before. Fails when none gives a key at the start; never empty afterwards.
 */
export const makeReloadingRing = (
  settings: KeySettings,
  timing: ReloadTiming | "never" = defaultReloadTiming
): Effect.Effect<SubscriptionRef.SubscriptionRef<KeyRing>, NoUsableKeys, Scope.Scope> =>
  Effect.gen(function* () {
    const sources = keySources(settings)
    const report = new KeyReport()
    const hints = yield* Queue.sliding<void>(1)
    const renewWatches = yield* watchPlaces(timing === "never" ? [] : sources.flatMap(({ places }) => places), () =>
      Queue.offerUnsafe(hints, undefined)
    )

    /** The keys as they are now. Watches first: what changes during the look gives a hint. */
    const look: Effect.Effect<KeyLook> = Effect.gen(function* () {
      yield* renewWatches
      const readings = yield* Effect.forEach(sources, ({ source, reader }) =>
        Effect.map(reader.look, (reading) => [source, reading] as const)
      )
      return { readings, ...mergeKeys(readings.flatMap(([, { keys }]) => keys)) }
    })

    const accept = Effect.sync(() => sources.forEach(({ reader }) => reader.accept()))

    const first = yield* look
    if (first.ring.size === 0) {
      const problems = first.readings.flatMap(([, { findings }]) => findings.map(({ problem }) => problem))
      return yield* new NoUsableKeys({ problems: problems.slice(0, MAX_PROBLEMS) })
    }
    yield* accept
    yield* report.start(first.ring)
    yield* report.look(first)
    const ring = yield* SubscriptionRef.make(first.ring)
    if (timing === "never") return ring

    let version = versionOf(first)
    const follow = Effect.gen(function* () {
      let present = yield* look
      for (let looks = 1; versionOf(present) !== version && looks < MAX_LOOKS; looks++) {
        version = versionOf(present)
        yield* Effect.logDebug("sources of supplier keys changed, looking once more")
        yield* Effect.sleep(timing.quiet)
        present = yield* look
      }
      version = versionOf(present)
      yield* accept
      yield* report.look(present)
      const before = yield* SubscriptionRef.get(ring)
      const { added, removed } = keyChange(before, present.ring)
      if (added.length + removed.length === 0) return
      yield* SubscriptionRef.set(ring, present.ring)
      yield* report.ring(before, present.ring)
    })
    const wait = Effect.raceFirst(
      Effect.andThen(Queue.take(hints), Effect.sleep(timing.quiet)),
      Effect.sleep(timing.every)
    )
    yield* Effect.forkScoped(
      Effect.forever(
        Effect.andThen(
          wait,
          Effect.catchDefect(follow, (defect) => Effect.logError("supplier keys not looked at", defect))
        )
      )
    )
    return ring
  })

/** Problems that a refused start names. */
const MAX_PROBLEMS = 20

const versionOf = ({ readings }: KeyLook): string => readings.map(([, { version }]) => version).join("\n\n")
