/**
 * The directory of a spool: made with mode 700, taken by one process at a time, and refused with a clear sentence where
 * it is not fit. Holds segment files, the lock, and what was set aside.
 */
import { constants } from "node:fs"
import * as fs from "node:fs/promises"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { Effect, Schema, type Scope } from "effect"
import { onDisk } from "./DiskFailed.ts"

/** Why a directory cannot be a spool. */
export class SpoolRefused extends Schema.TaggedError<SpoolRefused>()("SpoolRefused", {
  dir: Schema.String,
  reason: Schema.Literals(["not_a_directory", "not_usable", "open_to_others", "foreign_files", "in_use"]),
  /** What was found: a mode, names of files, a code of the operating system. */
  detail: Schema.String
}) {
  override get message(): string {
    return `spool.dir ${this.dir} ${REASONS[this.reason](this.detail)}`
  }
}

const REASONS: Readonly<Record<SpoolRefused["reason"], (detail: string) => string>> = {
  not_a_directory: (detail) => `is no directory (${detail}); name a directory, or a path that does not exist yet`,
  not_usable: (detail) => `cannot be read and written (${detail}); give it to the user of this process with mode 700`,
  open_to_others: (mode) => `is open to other users (mode ${mode}); chmod 700 it, or name a new directory within it`,
  foreign_files: (names) => `holds files that are not of a spool (${names}); name a directory of its own`,
  in_use: () => "is in use by another process; give each relayer a directory of its own, or stop that process"
}

const LOCK = "lock"
const SEGMENT = /^(\d{16})\.spool$/
/** A segment that was being rewritten when the process ended. */
const REWRITING = /^\d{16}\.rewriting$/
/** Files that may be there beside segments and lock. */
const SET_ASIDE = /^\d{16}(?:-\d+)?\.damaged$/
/** Foreign names told at most. */
const TOLD_NAMES = 5

/** Name of the segment whose first entry has this id. */
export const segmentName = (firstId: number): string => `${String(firstId).padStart(16, "0")}.spool`

/** First id of a segment from its file's path. */
export const firstIdOf = (path: string): number => Number(path.slice(-22, -6))

/** Path of the file that is to replace a segment's. */
export const rewritingOf = (path: string): string => path.replace(/\.spool$/, ".rewriting")

/** Makes names of files in the directory outlast a power cut. Rejects with the operating system's error. */
export const syncDirectory = async (dir: string): Promise<void> => {
  const handle = await fs.open(dir, "r")
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** What an opened directory holds. */
export interface SpoolFiles {
  /** Paths of segments, the oldest first. */
  readonly segments: ReadonlyArray<string>
  /** Files set aside by earlier runs. */
  readonly setAside: number
}

/** Makes the directory if need be, checks and locks it until the scope ends. */
export const openDirectory = (dir: string): Effect.Effect<SpoolFiles, SpoolRefused, Scope.Scope> =>
  Effect.gen(function* () {
    const refuse = (reason: SpoolRefused["reason"]) => (detail: string) => new SpoolRefused({ dir, reason, detail })
    const usable = <A>(call: () => Promise<A>) =>
      Effect.mapError(onDisk(call), ({ code }) => refuse("not_usable")(code))
    yield* Effect.mapError(
      onDisk(() => fs.mkdir(dir, { recursive: true, mode: 0o700 })),
      ({ code }) => refuse(code === "EEXIST" || code === "ENOTDIR" ? "not_a_directory" : "not_usable")(code)
    )
    const { mode } = yield* usable(() => fs.stat(dir))
    if ((mode & 0o077) !== 0) return yield* refuse("open_to_others")((mode & 0o777).toString(8))
    const names = yield* usable(() =>
      fs.access(dir, constants.R_OK | constants.W_OK | constants.X_OK).then(() => fs.readdir(dir))
    )
    const foreign = names.filter(
      (name) => name !== LOCK && ![SEGMENT, SET_ASIDE, REWRITING].some((own) => own.test(name))
    )
    if (foreign.length > 0) {
      const more = foreign.length > TOLD_NAMES ? ` and ${foreign.length - TOLD_NAMES} more` : ""
      return yield* refuse("foreign_files")(foreign.slice(0, TOLD_NAMES).join(", ") + more)
    }
    yield* Effect.acquireRelease(
      Effect.filterOrFail(
        usable(() => lock(join(dir, LOCK))),
        (held) => held !== undefined,
        () => refuse("in_use")("")
      ),
      (held) => Effect.sync(() => held.close())
    )
    // Read again: another process may have written between the look and the lock.
    const held = yield* usable(() => fs.readdir(dir))
    // The file that it would have replaced is whole.
    for (const name of held) if (REWRITING.test(name)) yield* usable(() => fs.rm(join(dir, name)))
    return {
      segments: held
        .filter((name) => SEGMENT.test(name))
        .sort()
        .map((name) => join(dir, name)),
      setAside: held.filter((name) => SET_ASIDE.test(name)).length
    }
  })

/**
 * An exclusive lock of the operating system by way of SQLite, since Node has no call for one: it ends with the process
 * however that ends, and holds between containers that share the directory, where process numbers say nothing.
 */
const lock = async (path: string): Promise<DatabaseSync | undefined> => {
  const file = await fs.open(path, "a", 0o600)
  await file.close()
  const held = new DatabaseSync(path, { timeout: 0 })
  try {
    held.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE")
    return held
  } catch (cause) {
    held.close()
    if (isBusy(cause)) return undefined
    throw cause
  }
}

/** SQLITE_BUSY, https://www.sqlite.org/rescode.html#busy. */
const SQLITE_BUSY = 5
const isBusy = (cause: unknown): boolean =>
  cause instanceof Error && "errcode" in cause && cause.errcode === SQLITE_BUSY
