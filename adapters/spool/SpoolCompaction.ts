/**
 * Rewrites a segment file without the entries that were removed, so that a few which stay do not hold the room of all. The
 * new file is whole and on disk before it takes the old one's name: a crash leaves the one or the other.
 */
import * as fs from "node:fs/promises"
import { dirname } from "node:path"
import { Option } from "effect"
import { rewritingOf, syncDirectory } from "./SpoolDirectory.ts"
import { isRecord, removalRecord, saltOf, SEGMENT_HEADER_BYTES, stretchesOf } from "./SpoolRecord.ts"
import type { SpoolSegment } from "./SpoolSegment.ts"

/** A segment is rewritten when this part of its bytes is of entries that were removed. */
const DEAD_PART = 1 / 4

/** A segment file as it is to be. */
export interface Compacted {
  readonly content: Buffer
  readonly segment: SpoolSegment
}

/** Whether enough of the segment's file is of no use. */
export const isSparse = ({ bytes, liveBytes, overhead }: SpoolSegment): boolean =>
  bytes - liveBytes - overhead >= bytes * DEAD_PART

/**
 * The entries kept, under the header they were written under, and what is said in here about the removal of entries that
 * lie in other files (`isElsewhere`). None if the file is not as it was written: that is for its reader to report.
 */
export const compact = (
  segment: SpoolSegment,
  file: Buffer,
  isElsewhere: (id: number) => boolean
): Option.Option<Compacted> => {
  if (Option.isNone(saltOf(file))) return Option.none()
  const records: Array<Buffer> = []
  for (const { from, length } of segment.placesAfter(0)) {
    const record = file.subarray(from, from + length)
    if (!isRecord(record, segment.salt)) return Option.none()
    records.push(record)
  }
  const packed = segment.packed(SEGMENT_HEADER_BYTES)
  const removed = new Set<number>()
  for (const stretch of stretchesOf(file, segment.salt)) {
    if (stretch._tag === "Removal") for (const id of stretch.ids) if (isElsewhere(id)) removed.add(id)
  }
  if (removed.size > 0) records.push(removalRecord(segment.salt, [...removed]))
  const content = Buffer.concat([file.subarray(0, SEGMENT_HEADER_BYTES), ...records])
  packed.bytes = content.length
  packed.overhead = content.length - packed.liveBytes
  return Option.some({ content, segment: packed })
}

/** Writes the new file beside the old one, on disk. Rejects with the operating system's error and leaves nothing then. */
export const writeBeside = async (path: string, content: Buffer): Promise<void> => {
  const beside = rewritingOf(path)
  try {
    const file = await fs.open(beside, "w", 0o600)
    try {
      await file.writeFile(content)
      await file.datasync()
    } finally {
      await file.close()
    }
  } catch (cause) {
    await fs.rm(beside, { force: true }).catch(() => {})
    throw cause
  }
}

/** Gives the new file the old one's name. Rejects with the operating system's error; the old one is there then. */
export const takeName = async (path: string): Promise<void> => {
  await fs.rename(rewritingOf(path), path)
  // Without it a power cut may bring the old file back, which keeps the same entries.
  await syncDirectory(dirname(path)).catch(() => {})
}
