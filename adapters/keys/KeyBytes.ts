/** Reads small files and folders from disk, bounded, and tells cheaply whether a file is still the one read before. */
import type { BigIntStats } from "node:fs"
import { constants } from "node:fs"
import { open, readdir, stat } from "node:fs/promises"
import { Clock, Effect } from "effect"
import { KeyProblem, type KeyProblemReason, type KeySource } from "./KeyProblem.ts"

/** A file's content, and what tells it apart from a later one. */
export interface KeyBytes {
  readonly bytes: Uint8Array
  readonly stamp: FileStamp
}

/** Identity, size, times and mode of a file, links followed. */
export interface FileStamp {
  readonly text: string
  /** Old enough that a later write must show in the times; a file written a moment ago could change within one tick. */
  readonly isSettled: boolean
  /** Permission bits. */
  readonly mode: number
}

/** Bytes of a file of keys: 7000 keys have 500 KB. Larger files are refused unread. */
export const MAX_FILE_BYTES = 512 * 1024
/** Files of one folder of keys; a folder with more is refused as a whole. */
export const MAX_FILES = 10_000

/** Milliseconds for which a file that changed is read again with each look. Coarsest times: 2 s of FAT, 1 s of NFS 2. */
const SETTLING_MILLIS = 3000n

/** Reads files of one source. */
export class KeyDisk {
  readonly source: KeySource

  constructor(source: KeySource) {
    this.source = source
  }

  /** The file's stamp, without reading it. Refuses what is no regular file, and what is too large. */
  readonly stamp = (path: string): Effect.Effect<FileStamp, KeyProblem> =>
    Effect.gen({ self: this }, function* () {
      const now = yield* Clock.currentTimeMillis
      const info = yield* Effect.tryPromise({
        try: () => stat(path, { bigint: true }),
        catch: (cause) => this.failed(path, cause)
      })
      return yield* this.checked(path, info, BigInt(Math.trunc(now)))
    })

  /** The file's content and the stamp it had when it was opened. */
  readonly read = (path: string): Effect.Effect<KeyBytes, KeyProblem> =>
    Effect.gen({ self: this }, function* () {
      // A pipe or a device would block or never end: looked at before it is opened.
      yield* this.stamp(path)
      const now = yield* Clock.currentTimeMillis
      const { info, bytes } = yield* Effect.tryPromise({
        try: () => readBounded(path),
        catch: (cause) => this.failed(path, cause)
      })
      const stamp = yield* this.checked(path, info, BigInt(Math.trunc(now)))
      if (bytes.length > MAX_FILE_BYTES) return yield* this.problem(path, "too large", `over ${MAX_FILE_BYTES} bytes`)
      return { bytes, stamp }
    })

  /** Names in a folder that `isWanted`, ascending. */
  readonly list = (
    folder: string,
    isWanted: (name: string) => boolean
  ): Effect.Effect<ReadonlyArray<string>, KeyProblem> =>
    Effect.gen({ self: this }, function* () {
      const names = yield* Effect.tryPromise({
        try: () => readdir(folder),
        catch: (cause) => this.failed(folder, cause, "not a folder")
      })
      const wanted = names.filter(isWanted).sort()
      if (wanted.length <= MAX_FILES) return wanted
      return yield* this.problem(folder, "too many files", `${wanted.length}, at most ${MAX_FILES}`)
    })

  /** Permission bits of a folder. */
  readonly folderMode = (folder: string): Effect.Effect<number, KeyProblem> =>
    Effect.tryPromise({ try: () => stat(folder), catch: (cause) => this.failed(folder, cause) }).pipe(
      Effect.map(({ mode }) => mode & 0o777)
    )

  /** A problem of this source. */
  readonly problem = (path: string, reason: KeyProblemReason, detail = ""): KeyProblem =>
    new KeyProblem({ source: this.source, path, reason, detail })

  private checked(path: string, info: BigIntStats, now: bigint): Effect.Effect<FileStamp, KeyProblem> {
    if (!info.isFile()) return Effect.fail(this.problem(path, "not a file"))
    if (info.size > BigInt(MAX_FILE_BYTES)) {
      return Effect.fail(this.problem(path, "too large", `${info.size} bytes, at most ${MAX_FILE_BYTES}`))
    }
    return Effect.succeed({
      text: [info.dev, info.ino, info.size, info.mtimeNs, info.ctimeNs, info.mode].join(),
      isSettled: info.mtimeMs + SETTLING_MILLIS < now && info.ctimeMs + SETTLING_MILLIS < now,
      mode: Number(info.mode) & 0o777
    })
  }

  private failed(path: string, cause: unknown, notFolder: KeyProblemReason = "missing"): KeyProblem {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown"
    switch (code) {
      case "ENOENT":
        return this.problem(path, "missing")
      case "ENOTDIR":
        return this.problem(path, notFolder)
      case "EACCES":
      case "EPERM":
        return this.problem(path, "no permission")
      case "ELOOP":
        return this.problem(path, "link loop")
      default:
        return this.problem(path, "unreadable", code)
    }
  }
}

const readBounded = async (path: string): Promise<{ readonly info: BigIntStats; readonly bytes: Uint8Array }> => {
  // Without O_NONBLOCK, a pipe that has taken the file's place would block a thread for ever.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const info = await handle.stat({ bigint: true })
    const buffer = new Uint8Array(Math.min(Number(info.size), MAX_FILE_BYTES) + 1)
    let length = 0
    while (length < buffer.length) {
      const { bytesRead } = await handle.read(buffer, length, buffer.length - length, length)
      if (bytesRead === 0) break
      length += bytesRead
    }
    return { info, bytes: buffer.slice(0, length) }
  } finally {
    await handle.close()
  }
}
