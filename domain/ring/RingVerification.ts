/**
 * Verification of linkable ring signatures (bLSAG), pure. Everything handled here is public, so nothing is constant-time.
 * Membership of the keys in an application's ring is another question (`RingMembers`) and cheaper: ask it first.
 * Source: ring-go v0.2.0 `ring.go`, Ring.Verify.
 */
import { Result } from "effect"
import { BASE, decodePoint, encodePoint, type Point, POINT_BYTES } from "./CurvePoint.ts"
import { hashToCurve } from "./HashToCurve.ts"
import { type HashToScalar, hashToScalar } from "./HashToScalar.ts"
import { makeMemberCache, type MemberCache } from "./MemberCache.ts"
import { type InvalidRingSignature, notAPoint, type RingSignature } from "./RingSignature.ts"
import { modOrder } from "./Scalar.ts"

/** Length of the signed message in bytes: the signable hash of a relay request. */
export const MESSAGE_BYTES = 32

/** The two points of a member that verification needs. */
export interface MemberPoints {
  /** P, the public key. */
  readonly key: Point
  /** H(P). */
  readonly hashed: Point
  /** Both points have noble's tables: their products are then cheaper alone than with shared doublings. */
  readonly tabled?: boolean
}

/** Whether a decoded signature closes its ring over a 32-byte message. */
export type VerifyRing = (message: Uint8Array, signature: RingSignature) => boolean

/** P and H(P) of a compressed public key; `undefined` if it is no point. */
export const memberPoints = (publicKey: Uint8Array): MemberPoints | undefined => {
  const key = decodePoint(publicKey)
  const hashed = key === undefined ? undefined : hashToCurve(publicKey)?.point
  return key === undefined || hashed === undefined ? undefined : { key, hashed }
}

/** A cache of at most `capacity` members for `verify` and `check`. */
export const makeMemberPoints = (capacity: number): MemberCache<MemberPoints> => makeMemberCache(capacity, memberPoints)

/** The challenge that follows from one member: hash to scalar of m ‖ enc(L) ‖ enc(R), 98 bytes. */
export const challenge = (
  message: Uint8Array,
  left: Uint8Array,
  right: Uint8Array,
  hash: HashToScalar = hashToScalar
): bigint | undefined => {
  const input = new Uint8Array(MESSAGE_BYTES + 2 * POINT_BYTES)
  input.set(message)
  input.set(left, MESSAGE_BYTES)
  input.set(right, MESSAGE_BYTES + POINT_BYTES)
  return hash(input)
}

/** c_{i+1} from c_i, s_i, the member's points and the image: L = s·G + c·P, R = s·H(P) + c·I; either may be infinite. */
export const nextChallenge = (
  message: Uint8Array,
  { key, hashed, tabled }: MemberPoints,
  image: Point,
  scalar: bigint,
  previous: bigint,
  hash: HashToScalar = hashToScalar
): bigint | undefined => {
  // The generator always has tables.
  const left = BASE.multiplyUnsafe(scalar).add(key.multiplyUnsafe(previous))
  const right =
    tabled === true
      ? hashed.multiplyUnsafe(scalar).add(image.multiplyUnsafe(previous))
      : hashed.mulAddUnsafe(scalar, image, previous)
  return challenge(message, encodePoint(left), encodePoint(right), hash)
}

/**
 * Whether the signature closes its ring over `message` (32 bytes); a failure names the point that cannot be decoded.
 *
 * n = 1, repeated members, zero scalars and infinite intermediate points are legal. The key image is not checked for reuse.
 */
export const check = (
  message: Uint8Array,
  signature: RingSignature,
  options: RingVerificationOptions = {}
): Result.Result<boolean, InvalidRingSignature> => {
  const pointsOf = options.members?.get ?? memberPoints
  const hash = options.hashToScalar ?? hashToScalar
  const image = (options.imageOf ?? decodePoint)(signature.image)
  if (image === undefined) return Result.fail(notAPoint("image", 0))
  const ring: Array<MemberPoints> = []
  for (const [index, member] of signature.members.entries()) {
    const points = pointsOf(member)
    if (points === undefined) return Result.fail(notAPoint("member", index))
    ring.push(points)
  }
  if (message.length !== MESSAGE_BYTES || ring.length === 0) return Result.succeed(false)
  const first = modOrder(signature.challenge)
  let current: bigint | undefined = first
  for (const [index, points] of ring.entries()) {
    current = nextChallenge(message, points, image, modOrder(signature.scalars[index] ?? 0n), current, hash)
    if (current === undefined) return Result.succeed(false)
  }
  return Result.succeed(current === first)
}

/** What a caller may bring to verification. */
export interface RingVerificationOptions {
  /** Keeps members between calls (`makeMemberPoints`); without it each member costs a square root and H(P). */
  readonly members?: Pick<MemberCache<MemberPoints>, "get">
  /** Decodes the key image, `decodePoint` by default. */
  readonly imageOf?: (image: Uint8Array) => Point | undefined
  /** Another hash to scalar: a faster SHA3-512. */
  readonly hashToScalar?: HashToScalar
}

/** As `check`, with an undecodable point being simply invalid. */
export const verify = (message: Uint8Array, signature: RingSignature, options: RingVerificationOptions = {}): boolean =>
  Result.getOrElse(check(message, signature, options), () => false)
