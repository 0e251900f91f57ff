/**
 * What to do with bytes of a segment that are no entry: they are counted, told to the operator and, unless they are what
 * a crash left half written, set aside as a file. Never fatal: the entries around them are kept.
 */
import * as fs from "node:fs/promises"
import { Effect, Metric } from "effect"
import { onDisk } from "./DiskFailed.ts"

/**
 * `torn_tail`: what a crash left half written, never confirmed; cut. `corrupt`: bytes that fail their checksum.
 * `unreadable`: a record of another version, or a relay that does not decode. `foreign_version`: a whole file.
 * `missing`: a file that is gone.
 */
export type DamageReason = "torn_tail" | "corrupt" | "unreadable" | "foreign_version" | "missing"

/** Files kept for the operator; beyond it damage is only counted and told. */
export const SET_ASIDE_FILES = 64

const damaged = Metric.counter("ha_relayer_spool_damaged_total", {
  description: "Stretches of the relay spool that could not be read",
  incremental: true
})

/** Counts and tells of damage in one spool. */
export class SpoolDamage {
  #files: number

  /** `files` are there from earlier runs. */
  constructor(files: number) {
    this.#files = files
  }

  /** Reports bytes `from` inclusive of the segment; keeps a copy of them if they are given. */
  readonly report = (segment: string, from: number, length: number, reason: DamageReason, copy?: Uint8Array) =>
    Effect.gen({ self: this }, function* () {
      yield* Metric.update(Metric.withAttributes(damaged, { reason }), 1)
      const file =
        copy === undefined ? undefined : yield* this.#keep(segment.replace(/\.spool$/, `-${from}.damaged`), copy)
      const log = reason === "torn_tail" ? Effect.logWarning : Effect.logError
      yield* log(reason === "torn_tail" ? "torn end of the relay spool was cut" : "relay spool is damaged").pipe(
        Effect.annotateLogs({ segment, from, bytes: length, reason, ...(file === undefined ? {} : { setAside: file }) })
      )
    })

  /** Reports a whole file and moves it aside; if that fails, it stays and is met again. */
  readonly reportFile = (segment: string, length: number, reason: DamageReason) =>
    Effect.andThen(
      this.report(segment, 0, length, reason),
      // Told already; nothing depends on the move.
      Effect.ignore(onDisk(() => fs.rename(segment, segment.replace(/\.spool$/, ".damaged"))))
    )

  #keep(path: string, copy: Uint8Array): Effect.Effect<string | undefined> {
    if (this.#files >= SET_ASIDE_FILES) return Effect.succeed(undefined)
    return onDisk(() => fs.writeFile(path, copy, { mode: 0o600 })).pipe(
      Effect.map(() => {
        this.#files++
        return path
      }),
      // The copy is a help for the operator; what is left of the spool goes on without it.
      Effect.catch((cause) =>
        Effect.as(Effect.logWarning("damaged part of the relay spool was not kept", cause), undefined)
      )
    )
  }
}
