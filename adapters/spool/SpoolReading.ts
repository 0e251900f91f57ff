/** Reads entries of a segment file. What fails its checksum now, or is gone, is reported and kept no longer. */
import * as fs from "node:fs/promises"
import { Effect, Option } from "effect"
import { type SpooledEntry, SpoolUnavailable } from "../../domain/ports/RelaySpool.ts"
import { onDisk } from "./DiskFailed.ts"
import type { SpoolDamage } from "./SpoolDamage.ts"
import type { Reading } from "./SpoolIndex.ts"
import { entryAt } from "./SpoolRecord.ts"
import type { Place } from "./SpoolSegment.ts"

/** Bytes between two entries that are read along rather than in two reads. */
const GAP_BYTES = 65_536

/** The entries at these places, in their order; `forget` says whether an entry that is lost was kept until now. */
export const readEntries = ({ places, segment }: Reading, forget: (id: number) => boolean, damage: SpoolDamage) =>
  Effect.acquireUseRelease(
    onDisk(() => fs.open(segment.path, "r")),
    (file) =>
      Effect.gen(function* () {
        const entries: Array<SpooledEntry> = []
        for (const run of runsOf(places)) {
          const start = run[0]?.from ?? 0
          const bytes = Buffer.alloc(endOf(run) - start)
          yield* onDisk(() => file.read(bytes, 0, bytes.length, start))
          for (const { from, id, length } of run) {
            const record = bytes.subarray(from - start, from - start + length)
            const entry = entryAt(record, segment.salt, id)
            if (Option.isSome(entry)) entries.push({ id, entry: entry.value })
            else if (forget(id)) yield* damage.report(segment.path, from, length, "corrupt", record)
          }
        }
        return entries
      }),
    (file) => Effect.promise(() => file.close().catch(() => {}))
  ).pipe(
    Effect.catch((cause) => {
      const { code } = cause
      if (code !== "ENOENT") return Effect.fail(new SpoolUnavailable({ operation: "peek", code, cause }))
      // Deleted because all of it was removed meanwhile, or by somebody else: then these entries are lost.
      const lost = places.filter(({ id }) => forget(id))
      return Effect.as(
        lost.length === 0
          ? Effect.void
          : damage.report(
              segment.path,
              lost[0]?.from ?? 0,
              lost.reduce((sum, { length }) => sum + length, 0),
              "missing"
            ),
        []
      )
    })
  )

/** Places that lie near each other, to be read at once. */
const runsOf = (places: ReadonlyArray<Place>): ReadonlyArray<ReadonlyArray<Place>> => {
  const runs: Array<Array<Place>> = []
  for (const place of places) {
    const run = runs.at(-1)
    if (run === undefined || place.from - endOf(run) > GAP_BYTES) runs.push([place])
    else run.push(place)
  }
  return runs
}

const endOf = (run: ReadonlyArray<Place>): number => {
  const last = run.at(-1)
  return last === undefined ? 0 : last.from + last.length
}
