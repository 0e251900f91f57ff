/**
 * What passes between the process and its verification workers: batches of signatures as one piece of memory, and
 * verdicts. A job is the 32-byte message and the wire form of the signature; jobs follow each other without separators.
 */
import { Result } from "effect"
import { POINT_BYTES } from "../../domain/ring/CurvePoint.ts"
import { decode, encode, type RingSignature, wireLength } from "../../domain/ring/RingSignature.ts"
import { MESSAGE_BYTES } from "../../domain/ring/RingVerification.ts"
import type { RingVerifierFill } from "../../domain/ring/RingVerifierPure.ts"
import { modOrder } from "../../domain/ring/Scalar.ts"

/** A worker's answer to one batch. */
export interface RingBatchAnswer {
  /** One byte for each job, in order: `INVALID`, `VALID` or `DEFECT`. */
  readonly verdicts: Uint8Array<ArrayBuffer>
  /** What was thrown, for each `DEFECT` in order. */
  readonly defects: ReadonlyArray<string>
  /** What the worker's caches hold after the batch. */
  readonly fill: RingVerifierFill
}

/** The signature does not hold, or its bytes are no signature. */
export const INVALID = 0
/** The signature holds. */
export const VALID = 1
/** Verification threw: a broken invariant, not a verdict. */
export const DEFECT = 2

/**
 * The bytes of one job; `undefined` if message, image or a member has a length that no valid signature has, or there is
 * no member: the verdict is then `false`.
 */
export const encodeJob = (message: Uint8Array, signature: RingSignature): Uint8Array | undefined => {
  const { challenge, image, members, scalars } = signature
  if (message.length !== MESSAGE_BYTES || image.length !== POINT_BYTES || members.length === 0) return undefined
  if (members.some((member) => member.length !== POINT_BYTES)) return undefined
  const wire = encode({
    challenge: modOrder(challenge),
    image,
    scalars: members.map((_, index) => modOrder(scalars[index] ?? 0n)),
    members
  })
  return concatenate([message, wire])
}

/** One batch of jobs, in memory of its own that may be handed over. */
export const encodeBatch = (jobs: ReadonlyArray<Uint8Array>): Uint8Array<ArrayBuffer> => concatenate(jobs)

/** The jobs of a batch in order. Throws on bytes that `encodeBatch` does not write. */
export function* decodeBatch(
  batch: Uint8Array
): Generator<{ readonly message: Uint8Array; readonly signature: RingSignature }> {
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength)
  let start = 0
  while (start < batch.length) {
    const message = batch.subarray(start, start + MESSAGE_BYTES)
    const size = view.getUint32(start + MESSAGE_BYTES)
    const signature = Result.getOrThrow(decode(batch.subarray(start + MESSAGE_BYTES), size))
    yield { message, signature }
    start += MESSAGE_BYTES + wireLength(size)
  }
}

const concatenate = (parts: ReadonlyArray<Uint8Array>): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(parts.reduce((total, part) => total + part.length, 0))
  let start = 0
  for (const part of parts) {
    bytes.set(part, start)
    start += part.length
  }
  return bytes
}
