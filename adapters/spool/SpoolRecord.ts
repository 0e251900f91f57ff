/**
 * The bytes of a segment file: a header, then records one after the other. Each record has a marker and a checksum that
 * depend on random bytes of the header, so that records can be found again behind damage, and a relay's own bytes, which
 * a caller chooses, are never taken for a record.
 */
import { crc32 } from "node:zlib"
import { Option, Result } from "effect"
import type { RelayLogEntry } from "../../domain/ports/RelayLog.ts"
import { decodeMinedRelay, encodeMinedRelay } from "../../domain/relay/MinedRelay.ts"
import { formatTraceparent, parseTraceparent } from "../../domain/tracing/Traceparent.ts"

/** Format and version of a segment file. */
const MAGIC = Buffer.from("RMSPOOL1", "latin1")
/** Random bytes of a segment: 4 are the marker of its records, 4 begin its checksums. */
export const SALT_BYTES = 8
const SALT_END = MAGIC.length + SALT_BYTES
/** Bytes of a segment before its first record: what it is, its random bytes, a checksum of both. */
export const SEGMENT_HEADER_BYTES = SALT_END + 4

/** Marker, checksum, length of the payload, kind, id. */
const LENGTH_AT = 8
const KIND_AT = 12
const ID_AT = 13
const ID_BYTES = 6
/** Bytes of a record before its payload. */
export const RECORD_HEADER_BYTES = ID_AT + ID_BYTES

const ENTRY = 1
const REMOVAL = 2

/** What distinguishes the records of one segment from anything else. */
export interface Salt {
  readonly marker: Buffer
  readonly seed: number
}

/** One stretch of a segment, `from` inclusive to `to` exclusive. */
export type Stretch = { readonly from: number; readonly to: number } & (
  | { readonly _tag: "Entry"; readonly id: number; readonly payload: Buffer }
  | { readonly _tag: "Removal"; readonly ids: ReadonlyArray<number> }
  | { readonly _tag: "Damaged" }
)

/** Header of a new segment with these `SALT_BYTES` random bytes. */
export const segmentHeader = (random: Uint8Array): Buffer => {
  const header = Buffer.alloc(SEGMENT_HEADER_BYTES)
  header.set(MAGIC)
  header.set(random, MAGIC.length)
  header.writeUInt32BE(crc32(header.subarray(0, SALT_END)), SALT_END)
  return header
}

/** Salt of a segment from its header; none if it is no whole header of this version. */
export const saltOf = (segment: Buffer): Option.Option<Salt> =>
  segment.length >= SEGMENT_HEADER_BYTES &&
  segment.subarray(0, MAGIC.length).equals(MAGIC) &&
  segment.readUInt32BE(SALT_END) === crc32(segment.subarray(0, SALT_END))
    ? Option.some({
        marker: segment.subarray(MAGIC.length, MAGIC.length + 4),
        seed: segment.readUInt32BE(MAGIC.length + 4)
      })
    : Option.none()

/** A record that keeps an entry, as `payloadOf` gives it. */
export const entryRecord = (salt: Salt, id: number, payload: Uint8Array): Buffer => record(salt, ENTRY, id, payload)

/** A record that says that these entries are in the log. */
export const removalRecord = (salt: Salt, ids: ReadonlyArray<number>): Buffer => {
  const payload = Buffer.alloc(ids.length * ID_BYTES)
  for (const [index, id] of ids.entries()) payload.writeUIntBE(id, index * ID_BYTES, ID_BYTES)
  return record(salt, REMOVAL, 0, payload)
}

const record = ({ marker, seed }: Salt, kind: number, id: number, payload: Uint8Array): Buffer => {
  const bytes = Buffer.alloc(RECORD_HEADER_BYTES + payload.length)
  bytes.set(marker)
  bytes.writeUInt32BE(payload.length, LENGTH_AT)
  bytes.writeUInt8(kind, KIND_AT)
  bytes.writeUIntBE(id, ID_AT, ID_BYTES)
  bytes.set(payload, RECORD_HEADER_BYTES)
  bytes.writeUInt32BE(crc32(bytes.subarray(LENGTH_AT), seed), 4)
  return bytes
}

/** All stretches of a segment's bytes from `at`, without gaps: what is no whole record is damaged up to the next one. */
export function* stretchesOf(segment: Buffer, salt: Salt, at = SEGMENT_HEADER_BYTES): Generator<Stretch> {
  let from = at
  while (from < segment.length) {
    const end = recordEnd(segment, salt, from)
    if (end === undefined) {
      const to = nextRecord(segment, salt, from + 1)
      yield { _tag: "Damaged", from, to }
      from = to
      continue
    }
    yield readRecord(segment, from, end)
    from = end
  }
}

/** Whether these bytes are one whole record. */
export const isRecord = (bytes: Buffer, salt: Salt): boolean => recordEnd(bytes, salt, 0) === bytes.length

/** End of the record that begins here; none if there is no whole one. */
const recordEnd = (segment: Buffer, { marker, seed }: Salt, from: number): number | undefined => {
  if (from + RECORD_HEADER_BYTES > segment.length) return undefined
  if (segment.compare(marker, 0, marker.length, from, from + marker.length) !== 0) return undefined
  const end = from + RECORD_HEADER_BYTES + segment.readUInt32BE(from + LENGTH_AT)
  if (end > segment.length) return undefined
  return crc32(segment.subarray(from + LENGTH_AT, end), seed) === segment.readUInt32BE(from + 4) ? end : undefined
}

const nextRecord = (segment: Buffer, salt: Salt, at: number): number => {
  for (let from = segment.indexOf(salt.marker, at); from !== -1; from = segment.indexOf(salt.marker, from + 1)) {
    if (recordEnd(segment, salt, from) !== undefined) return from
  }
  return segment.length
}

const readRecord = (segment: Buffer, from: number, to: number): Stretch => {
  const payload = segment.subarray(from + RECORD_HEADER_BYTES, to)
  const kind = segment.readUInt8(from + KIND_AT)
  if (kind === ENTRY) return { _tag: "Entry", from, to, id: segment.readUIntBE(from + ID_AT, ID_BYTES), payload }
  // A kind of another version: its checksum holds, but nobody here can read it.
  if (kind !== REMOVAL || payload.length % ID_BYTES !== 0) return { _tag: "Damaged", from, to }
  const ids = Array.from({ length: payload.length / ID_BYTES }, (_, n) => payload.readUIntBE(n * ID_BYTES, ID_BYTES))
  return { _tag: "Removal", from, to, ids }
}

/** Length of the trace context in one byte, the context as text, then the relay as it is on the wire. */
export const payloadOf = ({ relay, trace }: RelayLogEntry): Buffer => {
  const context = Buffer.from(Option.isSome(trace) ? formatTraceparent(trace.value) : "", "latin1")
  return Buffer.concat([Buffer.of(context.length), context, encodeMinedRelay(relay)])
}

/** The entry of one record's bytes; none if they are not whole or of another entry than `id`. */
export const entryAt = (bytes: Buffer, salt: Salt, id: number): Option.Option<RelayLogEntry> => {
  if (recordEnd(bytes, salt, 0) !== bytes.length) return Option.none()
  const read = readRecord(bytes, 0, bytes.length)
  return read._tag === "Entry" && read.id === id ? entryOf(read.payload) : Option.none()
}

/** The entry of a payload, in memory of its own; none if it cannot be read. */
export const entryOf = (payload: Buffer): Option.Option<RelayLogEntry> => {
  const relayAt = 1 + (payload[0] ?? 0)
  if (payload.length < relayAt) return Option.none()
  const relay = decodeMinedRelay(Uint8Array.from(payload.subarray(relayAt)))
  if (Result.isFailure(relay)) return Option.none()
  return Option.some({ relay: relay.success, trace: parseTraceparent(payload.toString("latin1", 1, relayAt)) })
}
