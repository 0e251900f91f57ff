/** The file of the segment that is being written. What an append that failed may have left is cut off again. */
import * as fs from "node:fs/promises"
import { join } from "node:path"
import { Effect, Option } from "effect"
import { segmentName, syncDirectory } from "./SpoolDirectory.ts"
import { saltOf, segmentHeader } from "./SpoolRecord.ts"
import { SpoolSegment } from "./SpoolSegment.ts"

/** A segment with its open file. One append at a time. */
export class SegmentFile {
  readonly segment: SpoolSegment
  readonly #file: fs.FileHandle

  private constructor(segment: SpoolSegment, file: fs.FileHandle) {
    this.segment = segment
    this.#file = file
  }

  /**
   * Makes the file for entries from this id on, with `SALT_BYTES` random bytes; its name is on disk too if `isSynced`.
   * Rejects with the operating system's error.
   */
  static async create(dir: string, firstId: number, random: Uint8Array, isSynced: boolean): Promise<SegmentFile> {
    const path = join(dir, segmentName(firstId))
    const header = segmentHeader(random)
    const file = await fs.open(path, "wx", 0o600)
    try {
      const segment = new SpoolSegment(path, firstId, Option.getOrThrow(saltOf(header)), 0)
      const made = new SegmentFile(segment, file)
      await made.append(header, false)
      if (isSynced) await syncDirectory(dir)
      return made
    } catch (cause) {
      await file.close().catch(() => {})
      await fs.rm(path, { force: true }).catch(() => {})
      throw cause
    }
  }

  /** Appends all of the bytes; they are on disk then if `isSynced`. Rejects with the operating system's error. */
  async append(bytes: Uint8Array, isSynced: boolean): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, this.segment.bytes + done)
      done += bytesWritten
    }
    if (isSynced) await this.#file.datasync()
    this.segment.bytes += bytes.length
  }

  /**
   * Ends with this file after an append that failed: its rest is unknown, after a failed sync even what the system says
   * about it. What cannot be cut off is met by the next start.
   */
  readonly abandon: Effect.Effect<void> = Effect.promise(async () => {
    await this.#file.truncate(this.segment.bytes).catch(() => {})
    await this.#file.close().catch(() => {})
  })

  /** Closes the file; what was appended stays. */
  readonly close: Effect.Effect<void> = Effect.promise(() => this.#file.close().catch(() => {}))
}
