/** Reads what an earlier run left: every whole entry that was not removed is kept, whatever is around it. */
import * as fs from "node:fs/promises"
import { Effect, Option } from "effect"
import { onDisk } from "./DiskFailed.ts"
import { firstIdOf, type SpoolFiles, SpoolRefused } from "./SpoolDirectory.ts"
import type { SpoolDamage } from "./SpoolDamage.ts"
import type { SpoolIndex } from "./SpoolIndex.ts"
import { entryOf, saltOf, SEGMENT_HEADER_BYTES, stretchesOf } from "./SpoolRecord.ts"
import { SpoolSegment } from "./SpoolSegment.ts"

/** Fills the index from the files, one in memory at a time; returns the highest id that was ever given. */
export const recover = (dir: string, { segments }: SpoolFiles, index: SpoolIndex, damage: SpoolDamage) =>
  Effect.gen(function* () {
    let highest = 0
    for (const path of segments) {
      const last = yield* recoverSegment(path, path === segments.at(-1), index, damage)
      highest = Math.max(highest, firstIdOf(path), last)
    }
    for (const segment of index.segments) {
      if (segment.live > 0) continue
      index.drop(segment)
      yield* onDisk(() => fs.rm(segment.path, { force: true }))
    }
    return highest
  }).pipe(Effect.mapError(({ code }) => new SpoolRefused({ dir, reason: "not_usable", detail: code })))

const recoverSegment = Effect.fnUntraced(function* (
  path: string,
  isLast: boolean,
  index: SpoolIndex,
  damage: SpoolDamage
) {
  const bytes = yield* onDisk(() => fs.readFile(path))
  const salt = saltOf(bytes)
  if (Option.isNone(salt)) {
    // Too short for a header: a crash came right after its making.
    if (isLast && bytes.length < SEGMENT_HEADER_BYTES) {
      yield* damage.report(path, 0, bytes.length, "torn_tail")
      yield* onDisk(() => fs.rm(path))
    } else yield* damage.reportFile(path, bytes.length, "foreign_version")
    return 0
  }
  const segment = new SpoolSegment(path, firstIdOf(path), ownSalt(salt.value), SEGMENT_HEADER_BYTES)
  index.push(segment)
  let highest = 0
  for (const stretch of stretchesOf(bytes, salt.value)) {
    const { from, to } = stretch
    if (stretch._tag === "Removal") {
      for (const id of stretch.ids) {
        index.remove(id)
        highest = Math.max(highest, id)
      }
    } else if (stretch._tag === "Damaged") {
      if (isLast && to === bytes.length) {
        yield* damage.report(path, from, to - from, "torn_tail")
        yield* onDisk(() => fs.truncate(path, from))
        break
      }
      yield* damage.report(path, from, to - from, "corrupt", bytes.subarray(from, to))
    } else {
      const entry = entryOf(stretch.payload)
      if (Option.isNone(entry) || stretch.id <= Math.max(segment.lastId, segment.firstId - 1)) {
        yield* damage.report(path, from, to - from, "unreadable", bytes.subarray(from, to))
      } else index.add(segment, { id: stretch.id, from, length: to - from }, entry.value.relay.sessionEndHeight)
    }
    segment.bytes = to
  }
  return Math.max(highest, segment.lastId)
})

/** The salt without the file's bytes that it is a view of. */
const ownSalt = ({ marker, seed }: { readonly marker: Buffer; readonly seed: number }) => ({
  marker: Buffer.from(marker),
  seed
})
