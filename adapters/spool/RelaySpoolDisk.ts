/**
 * `RelaySpool` in append-only segment files: survives the end of the process, with `fsync` also that of the machine.
 * Entries that are offered while a write is under way share the next one. What is removed is written down without a
 * wait; after a crash the last removed entries may come again, which the trie drops.
 */
import * as fs from "node:fs/promises"
import { Clock, Effect, Layer, Metric, Option, Semaphore } from "effect"
import { fillGauge } from "../../domain/observability/FillGauge.ts"
import { Entropy } from "../../domain/ports/Entropy.ts"
import { RelaySpool, SpoolFull, type SpooledEntry, SpoolUnavailable } from "../../domain/ports/RelaySpool.ts"
import { type DiskFailed, onDisk } from "./DiskFailed.ts"
import { compact, isSparse, takeName, writeBeside } from "./SpoolCompaction.ts"
import { openDirectory } from "./SpoolDirectory.ts"
import { SpoolDamage } from "./SpoolDamage.ts"
import { SegmentFile } from "./SegmentFile.ts"
import { SpoolIndex } from "./SpoolIndex.ts"
import { readEntries } from "./SpoolReading.ts"
import {
  entryRecord,
  payloadOf,
  RECORD_HEADER_BYTES,
  removalRecord,
  SALT_BYTES,
  SEGMENT_HEADER_BYTES
} from "./SpoolRecord.ts"
import { recover } from "./SpoolRecovery.ts"
import type { SpoolSegment } from "./SpoolSegment.ts"

/** What an operator decides about the spool. */
export interface RelaySpoolDiskOptions {
  /** Directory of this relayer's spool alone; made with mode 700 if it does not exist. */
  readonly dir: string
  /** Bytes of all segment files; a relay that finds no room is refused. */
  readonly maxBytes: number
  /** Whether a relay is on disk before it is confirmed. Without, it survives a kill of the process, not a power cut. */
  readonly fsync: boolean
  /** Entries kept, each of which takes 24 bytes of memory; `SPOOL_ENTRIES` if left out. */
  readonly maxEntries?: number
}

/** Entries kept at most, unless told otherwise: 48 MB of memory. */
export const SPOOL_ENTRIES = 2_000_000
/**
 * Bytes of a segment, and the part of the whole that one is at most. A file goes when none of its entries is kept; above
 * `SPARSE_FROM` of the whole, files are rewritten without what was removed, which takes the room of one more for a moment.
 */
const SEGMENT_BYTES = 4_194_304
const SPARSE_FROM = 1 / 2
const SEGMENT_PARTS = 16
const LEAST_SEGMENT_BYTES = 65_536
/** Bytes of entries read at a time. */
const PEEK_BYTES = 8_388_608
/** Seconds, of a write with its sync. */
const COMMIT_BOUNDARIES = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5]

const commitSeconds = Metric.histogram("ha_relayer_spool_commit_seconds", {
  description: "Time to write relays into the spool, those that waited together at once",
  boundaries: COMMIT_BOUNDARIES
})

/** An entry that waits to be written. */
interface Offered {
  readonly payload: Buffer
  readonly sessionEnd: bigint
  readonly done: (result: Effect.Effect<void, SpoolUnavailable>) => void
}

/** A spool over a directory; fails with `SpoolRefused` where that is not fit, and holds it alone until the scope ends. */
export const layer = (options: RelaySpoolDiskOptions) => Layer.effect(RelaySpool, make(options))

const make = Effect.fnUntraced(function* ({ dir, fsync, maxBytes, maxEntries = SPOOL_ENTRIES }: RelaySpoolDiskOptions) {
  const entropy = yield* Entropy
  const files = yield* openDirectory(dir)
  const damage = new SpoolDamage(files.setAside)
  const index = new SpoolIndex()
  const segmentBytes = Math.max(LEAST_SEGMENT_BYTES, Math.min(SEGMENT_BYTES, Math.floor(maxBytes / SEGMENT_PARTS)))
  let lastId = yield* recover(dir, files, index, damage)
  let active: SegmentFile | undefined
  let offered: Array<Offered> = []
  /** Entries that are not written yet, with those of a write under way, and the bytes of their records. */
  let unwritten = 0
  let unwrittenBytes = 0
  let removed: Array<number> = []
  let wake = () => {}
  let isClosed = false
  /** Whether the last segment that was to be rewritten could be: else it is tried with the next removal. */
  let canRewrite = true
  /** Places of entries and their file belong together while they are read. */
  const placing = yield* Semaphore.make(1)

  yield* fillGauge("ha_relayer_spool_bytes", "Bytes of the files of the relay spool", () => index.bytes)
  if (index.entries > 0) {
    yield* Effect.logInfo("relay spool holds relays of an earlier run").pipe(
      Effect.annotateLogs({ dir, entries: index.entries, bytes: index.bytes })
    )
  }

  /** The first segment worth rewriting, where room is short. */
  const sparse = () =>
    canRewrite && index.bytes > maxBytes * SPARSE_FROM
      ? index.segments.find((segment) => segment !== active?.segment && isSparse(segment))
      : undefined

  const isIdle = () => offered.length === 0 && removed.length === 0 && sparse() === undefined

  const work = Effect.callback<void>((resume) => {
    if (!isIdle()) return resume(Effect.void)
    wake = () => resume(Effect.void)
  })

  const failed = ({ cause, code }: DiskFailed) => new SpoolUnavailable({ operation: "offer", code, cause })

  /** The segment to write to, a new one if the last is full or there is none. */
  const open = Effect.gen(function* () {
    if (active !== undefined && active.segment.bytes < segmentBytes) return active
    yield* active?.close ?? Effect.void
    active = undefined
    const random = yield* entropy.bytes(SALT_BYTES)
    const firstId = ++lastId
    active = yield* Effect.mapError(
      onDisk(() => SegmentFile.create(dir, firstId, random, fsync)),
      failed
    )
    index.push(active.segment)
    return active
  })

  const append = Effect.fnUntraced(function* (file: SegmentFile, bytes: Uint8Array, isSynced: boolean) {
    yield* Effect.mapError(
      onDisk(() => file.append(bytes, isSynced)),
      failed
    ).pipe(
      Effect.tapError(() => {
        active = undefined
        if (file.segment.live > 0) return file.abandon
        index.drop(file.segment)
        return Effect.andThen(file.abandon, removeFile(file.segment))
      })
    )
  })

  /** Writes as many of the entries as the segment has room for, at least one; returns how many. */
  const writeSome = Effect.fnUntraced(function* (entries: ReadonlyArray<Offered>) {
    const file = yield* open
    const { salt, bytes: start } = file.segment
    const records: Array<Buffer> = []
    const firstId = lastId + 1
    let at = start
    for (const { payload } of entries) {
      if (records.length > 0 && at >= segmentBytes) break
      records.push(entryRecord(salt, firstId + records.length, payload))
      at += RECORD_HEADER_BYTES + payload.length
    }
    lastId += records.length
    yield* append(file, Buffer.concat(records), fsync)
    let from = start
    for (const [n, { length }] of records.entries()) {
      const place = { id: firstId + n, from, length }
      index.add(file.segment, place, entries[n]?.sessionEnd ?? 0n)
      from += length
    }
    return records.length
  })

  const writeAll = Effect.fnUntraced(function* (entries: ReadonlyArray<Offered>) {
    const started = yield* Clock.monotonicTimeNanos
    let rest = entries
    while (rest.length > 0) {
      const written = yield* Effect.result(writeSome(rest))
      // All that wait together fail together: the next ones try anew.
      const count = written._tag === "Success" ? written.success : rest.length
      const result = written._tag === "Success" ? Effect.void : Effect.fail(written.failure)
      for (const { done, payload } of rest.slice(0, count)) {
        unwritten--
        unwrittenBytes -= recordBytes(payload)
        done(result)
      }
      rest = rest.slice(count)
    }
    yield* Metric.update(commitSeconds, Number((yield* Clock.monotonicTimeNanos) - started) / 1e9)
  })

  /** Deletes the files of segments that keep nothing, the one being written only if it is the last. */
  const dropEmpty = Effect.gen(function* () {
    for (const segment of index.segments) {
      if (segment.live > 0) continue
      if (segment === active?.segment) {
        if (index.segments.length > 1) continue
        yield* active.close
        active = undefined
      }
      index.drop(segment)
      yield* removeFile(segment)
    }
  })

  /** Writes down what was removed from files that stay, unsynced; without it those entries come again after a start. */
  const writeRemoved = Effect.fnUntraced(function* (ids: ReadonlyArray<number>) {
    yield* dropEmpty
    const oldest = index.segments[0]?.firstId ?? Number.POSITIVE_INFINITY
    const remembered = ids.filter((id) => id >= oldest)
    if (remembered.length === 0) return
    const file = yield* open
    yield* append(file, removalRecord(file.segment.salt, remembered), false)
  })

  const rewrite = Effect.fnUntraced(function* (segment: SpoolSegment) {
    const { path } = segment
    const file = yield* onDisk(() => fs.readFile(path))
    const compacted = compact(segment, file, (id) => id < segment.firstId && index.has(id))
    canRewrite = Option.isSome(compacted)
    if (Option.isNone(compacted)) return
    yield* onDisk(() => writeBeside(path, compacted.value.content))
    yield* placing.withPermits(1)(
      Effect.andThen(
        onDisk(() => takeName(path)),
        Effect.sync(() => index.replace(segment, compacted.value.segment))
      )
    )
  })

  /** One at a time: relays that are offered meanwhile wait for it. */
  const rewriteSparse = Effect.suspend(() => {
    const segment = sparse()
    if (segment === undefined) return Effect.void
    return Effect.catch(rewrite(segment), (cause) => {
      canRewrite = false
      return Effect.logWarning("relay spool could not be rewritten, it stays as it is", cause)
    })
  })

  const commit = Effect.gen(function* () {
    const entries = offered
    const ids = removed
    offered = []
    removed = []
    if (entries.length > 0) yield* writeAll(entries)
    if (ids.length > 0) {
      canRewrite = true
      yield* Effect.catch(writeRemoved(ids), (cause) =>
        Effect.logWarning("removal from the relay spool was not kept", cause)
      )
    }
    yield* rewriteSparse
  }).pipe(Effect.uninterruptible)

  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      isClosed = true
      if (!isIdle()) yield* commit
      yield* active?.close ?? Effect.void
    })
  )
  yield* Effect.forkScoped(
    Effect.forever(
      // Those whose write failed by a defect are not answered; the next ones are.
      Effect.catchDefect(Effect.andThen(work, commit), (cause) => Effect.logError("relay spool was not written", cause))
    )
  )

  /** Whether the entry was kept; it is no longer, also after a start. */
  const remove = (id: number): boolean => {
    if (!index.remove(id)) return false
    removed.push(id)
    wake()
    return true
  }

  const refusal = (length: number) => {
    const entries = index.entries + unwritten
    const bytes = index.bytes + unwrittenBytes
    const header = active === undefined ? SEGMENT_HEADER_BYTES : 0
    return entries >= maxEntries || bytes + header + length > maxBytes
      ? new SpoolFull({ entries, limit: maxEntries, bytes, bytesLimit: maxBytes })
      : undefined
  }

  return RelaySpool.of({
    offer: (entry) =>
      Effect.suspend((): Effect.Effect<void, SpoolFull | SpoolUnavailable> => {
        if (isClosed) return Effect.fail(closed())
        const payload = payloadOf(entry)
        const full = refusal(recordBytes(payload))
        if (full !== undefined) return Effect.fail(full)
        return Effect.callback<void, SpoolUnavailable>((resume) => {
          offered.push({ payload, sessionEnd: entry.relay.sessionEndHeight, done: resume })
          unwritten++
          unwrittenBytes += recordBytes(payload)
          wake()
        })
      }),
    peek: Effect.fnUntraced(function* (max, after = 0) {
      for (let from = after; ;) {
        const readings = index.readings(max, from, PEEK_BYTES)
        const last = readings.at(-1)?.places.at(-1)
        if (last === undefined) return []
        const entries: Array<SpooledEntry> = []
        for (const reading of readings) entries.push(...(yield* readEntries(reading, remove, damage)))
        if (entries.length > 0) return entries
        from = last.id
      }
    }, placing.withPermits(1)),
    remove: (ids) =>
      Effect.sync(() => {
        for (const id of ids) remove(id)
      }),
    size: Effect.sync(() => index.entries),
    lowestSessionEnd: Effect.sync(() => Option.fromUndefinedOr(index.lowestSessionEnd))
  })
})

const closed = () =>
  new SpoolUnavailable({ operation: "offer", code: "CLOSED", cause: new Error("this process is ending") })

const recordBytes = (payload: Buffer): number => RECORD_HEADER_BYTES + payload.length

/** Deletes a segment's file. One that stays behind is met, with everything removed, by the next start. */
const removeFile = ({ path }: SpoolSegment): Effect.Effect<void> =>
  Effect.ignore(onDisk(() => fs.rm(path, { force: true })))
