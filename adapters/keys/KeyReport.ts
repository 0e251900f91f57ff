/** Says what was found in the sources of keys: each finding once, as logs and metrics. Addresses and paths only. */
import { Effect, Metric } from "effect"
import type { KeyRing } from "../../domain/keys/KeyRing.ts"
import { type DuplicateKey, type KeyChange, keyChange } from "./KeyMerge.ts"
import { isSkip, type KeySource } from "./KeyProblem.ts"
import type { ExposedPath, Finding, SourceReading } from "./KeySourceReader.ts"

/** One look at all sources. */
export interface KeyLook {
  readonly readings: ReadonlyArray<readonly [KeySource, SourceReading]>
  readonly duplicates: ReadonlyArray<DuplicateKey>
  readonly ring: KeyRing
}

/** Findings of one source that get a line of their own, and paths named in one line; the rest is counted. */
const NAMED = 20

const keysActive = Metric.gauge("ha_keys_supplier_keys_active", { description: "Supplier keys that sign now" })
const keyProblems = Metric.gauge("ha_keys_problems", {
  description: "Files and sources of keys that could not be read at the last look; what they gave before stays in use"
})
const reloads = Metric.counter("ha_keys_reloads_total", {
  description: "Times the set of supplier keys changed while running",
  incremental: true
})
const changes = Metric.counter("ha_keys_changes_total", {
  description: "Supplier keys that came or went while running, by type: added, removed",
  incremental: true
})
const loadErrors = Metric.counter("ha_keys_load_errors_total", {
  description: "Failed readings of a file or source of keys; one that stays as it is counts once",
  incremental: true
})

/** Reports looks. Findings of the last one are not repeated. */
export class KeyReport {
  #said: ReadonlySet<string> = new Set()

  /** Logs and counts what is new in a look at the sources. */
  readonly look = (look: KeyLook): Effect.Effect<void> =>
    Effect.gen({ self: this }, function* () {
      const said = this.#said
      const now = new Set<string>()
      const isNew = (text: string): boolean => {
        now.add(text)
        return !said.has(text)
      }
      for (const [provider, { findings, exposed }] of look.readings) {
        const failures = findings.filter(({ problem }) => !isSkip(problem))
        const fresh = findings.filter(({ problem, version }) => isNew(`${problem.message}\n${version}`))
        const failed = fresh.filter(({ problem }) => !isSkip(problem))
        yield* Metric.update(Metric.withAttributes(loadErrors, { provider }), failed.length)
        yield* Metric.update(Metric.withAttributes(keyProblems, { provider }), failures.length)
        const skipped = fresh.filter(({ problem }) => isSkip(problem))
        for (const message of named(failed)) yield* Effect.logError(message)
        for (const message of named(skipped)) yield* Effect.logWarning(message)
        for (const line of exposedLines(exposed).filter(isNew)) yield* Effect.logWarning(line)
      }
      const twice = look.duplicates.map(({ address, paths }) => `${address} in ${paths.join(", ")}`)
      const freshTwice = twice.filter(isNew)
      if (freshTwice.length > 0) {
        yield* Effect.logWarning("supplier keys found more than once, the last place counts").pipe(
          Effect.annotateLogs({ keys: freshTwice.slice(0, NAMED).join("; "), count: twice.length })
        )
      }
      this.#said = now
    })

  /** Logs and counts the keys that are in use from now on. */
  readonly ring = (before: KeyRing, after: KeyRing): Effect.Effect<void> =>
    Effect.gen(function* () {
      const { added, removed } = keyChange(before, after)
      yield* Metric.update(keysActive, after.size)
      yield* Metric.update(reloads, 1)
      yield* count("added", added)
      yield* count("removed", removed)
      if (added.length > 0) yield* Effect.logInfo("supplier keys added").pipe(annotated(added, after))
      if (removed.length > 0)
        yield* Effect.logWarning("supplier keys removed: open sessions are left to replicas that still hold them").pipe(
          annotated(removed, after)
        )
    })

  /** Logs and counts the keys of a start. */
  readonly start = (ring: KeyRing): Effect.Effect<void> =>
    Effect.gen(function* () {
      yield* Metric.update(keysActive, ring.size)
      yield* Effect.logInfo("supplier keys loaded").pipe(annotated([...ring.keys()], ring))
    })
}

const count = (type: keyof KeyChange, addresses: ReadonlyArray<string>) =>
  Metric.update(Metric.withAttributes(changes, { type }), addresses.length)

const annotated = (addresses: ReadonlyArray<string>, ring: KeyRing) => {
  const more = addresses.length > NAMED ? [`and ${addresses.length - NAMED} more`] : []
  return Effect.annotateLogs({ suppliers: [...addresses.slice(0, NAMED), ...more].join(", "), held: ring.size })
}

/** Messages of the first findings, and how many more there are. */
const named = (findings: ReadonlyArray<Finding>): ReadonlyArray<string> => {
  const more = findings.length - NAMED
  const messages = findings.slice(0, NAMED).map(({ problem }) => problem.message)
  return more > 0 ? [...messages, `${more} more files of this source like the last one`] : messages
}

/** One line for each set of permissions, with the command that mends them. */
const exposedLines = (exposed: ReadonlyArray<ExposedPath>): ReadonlyArray<string> =>
  [...Map.groupBy(exposed, ({ mode, excess }) => `${mode} ${excess}`).values()].flatMap((same) => {
    const [first] = same
    if (first === undefined) return []
    const octal = (bits: number) => bits.toString(8).padStart(3, "0")
    const names = same.slice(0, NAMED).map(({ path }) => `'${path.replaceAll("'", String.raw`'\''`)}'`)
    const more = same.length > NAMED ? `; so are ${same.length - NAMED} more` : ""
    return [
      `private keys are open to other users, mode ${octal(first.mode)}: chmod ${octal(first.mode & ~first.excess)} ${names.join(" ")}${more}`
    ]
  })
