/**
 * Wire format of a ring signature: n (4 bytes), c₀ (32), key image (33), then s (32) and public key (33) of each member.
 * Decoding reads the layout only: no point is decompressed here, so that a caller can test membership of the raw keys first.
 * Source: ring-go v0.2.0 `serde.go`.
 */
import { Result, Schema } from "effect"
import { POINT_BYTES } from "./CurvePoint.ts"
import { SCALAR_BYTES, scalarAt, scalarToBytes } from "./Scalar.ts"

/** Bytes before the first member. */
const HEADER_BYTES = 4 + SCALAR_BYTES + POINT_BYTES
/** Bytes of each member. */
const MEMBER_BYTES = SCALAR_BYTES + POINT_BYTES
/** Member bound of small sets: room for repeated members, which real gateways send. */
const MIN_MEMBER_BOUND = 16

/** A ring signature as read from the wire; whether its points are on the curve is not known yet. */
export interface RingSignature {
  /** c₀ modulo N. */
  readonly challenge: bigint
  /** Key image, 33 bytes. The same in every signature of one signer. */
  readonly image: Uint8Array
  /** s_i modulo N, one for each member. */
  readonly scalars: ReadonlyArray<bigint>
  /** Public keys in ring order, 33 raw bytes each; repeats are legal. */
  readonly members: ReadonlyArray<Uint8Array>
}

/** Bytes that are not a ring signature. `field` names the part, `actual` and `limit` count bytes or members. */
export class InvalidRingSignature extends Schema.TaggedError<InvalidRingSignature>()("InvalidRingSignature", {
  field: Schema.Literals(["size", "length", "image", "member"]),
  reason: Schema.Literals(["missing", "empty ring", "too many members", "too short", "not a point"]),
  /** What was found: bytes present, ring size, or index of the member. */
  actual: Schema.Int,
  /** What is allowed: bytes needed, or most members; 0 where there is no limit. */
  limit: Schema.Int
}) {
  override get message(): string {
    const bound = this.limit > 0 ? ` (${this.actual}, limit ${this.limit})` : ` (${this.actual})`
    return `ring signature: ${this.field}: ${this.reason}${bound}`
  }
}

/**
 * Most members that are verified for an expected set of this size: max(16, 2 × size).
 *
 * Repeated members are legal, so without a bound one request could ask for any amount of work (4 multiplications a member).
 */
export const memberBound = (expectedSetSize: number): number => Math.max(MIN_MEMBER_BOUND, 2 * expectedSetSize)

/**
 * Reads the layout of a ring signature of 1 … `maxMembers` members (see `memberBound`).
 *
 * Scalars from N up are reduced; bytes after the last member are ignored, so keep the original bytes for hashing.
 * Refuses by the count and the length before anything is allocated for members. The members are copies.
 */
export const decode = (bytes: Uint8Array, maxMembers: number): Result.Result<RingSignature, InvalidRingSignature> => {
  if (bytes.length < 4) return refuse("size", "missing", bytes.length, 4)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const size = view.getUint32(0)
  if (size === 0) return refuse("size", "empty ring", 0, 0)
  if (size > maxMembers) return refuse("size", "too many members", size, maxMembers)
  const needed = wireLength(size)
  if (bytes.length < needed) return refuse("length", "too short", bytes.length, needed)
  const scalars: Array<bigint> = []
  const members: Array<Uint8Array> = []
  for (let start = HEADER_BYTES; start < needed; start += MEMBER_BYTES) {
    scalars.push(scalarAt(view, start))
    members.push(copyOf(bytes, start + SCALAR_BYTES, start + MEMBER_BYTES))
  }
  return Result.succeed({
    challenge: scalarAt(view, 4),
    image: copyOf(bytes, 4 + SCALAR_BYTES, HEADER_BYTES),
    scalars,
    members
  })
}

/** Length of the wire form of a signature with so many members. */
export const wireLength = (members: number): number => HEADER_BYTES + MEMBER_BYTES * members

/** The wire bytes: 69 + 65 for each member. `scalars` and `members` have the same length. */
export const encode = (signature: RingSignature): Uint8Array => {
  const size = signature.members.length
  const bytes = new Uint8Array(wireLength(size))
  new DataView(bytes.buffer).setUint32(0, size)
  bytes.set(scalarToBytes(signature.challenge), 4)
  bytes.set(signature.image, 4 + SCALAR_BYTES)
  signature.members.forEach((member, i) => {
    bytes.set(scalarToBytes(signature.scalars[i] ?? 0n), HEADER_BYTES + MEMBER_BYTES * i)
    bytes.set(member, HEADER_BYTES + MEMBER_BYTES * i + SCALAR_BYTES)
  })
  return bytes
}

/** A refusal naming the undecodable point: the image, or the member with this index. */
export const notAPoint = (field: "image" | "member", index: number): InvalidRingSignature =>
  new InvalidRingSignature({ field, reason: "not a point", actual: index, limit: 0 })

/** A copy also of a Node Buffer, whose own `slice` shares the memory of the whole request. */
const copyOf = (bytes: Uint8Array, start: number, end: number): Uint8Array => {
  const copy = new Uint8Array(end - start)
  for (let i = start; i < end; i++) copy[i - start] = bytes[i] ?? 0
  return copy
}

const refuse = (
  field: InvalidRingSignature["field"],
  reason: InvalidRingSignature["reason"],
  actual: number,
  limit: number
): Result.Result<never, InvalidRingSignature> => Result.fail(new InvalidRingSignature({ field, reason, actual, limit }))
