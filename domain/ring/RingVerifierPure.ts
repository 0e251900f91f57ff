/**
 * Ring verification in pure code, with caches: runs anywhere. About 4 ms of CPU for a ring of two, 1.9 ms for signers that have
 * tables (linux-x64, Node 24). The fallback where no native library is at hand.
 */
import { Effect, Layer } from "effect"
import { RingVerifier } from "../ports/RingVerifier.ts"
import { decodePoint, INFINITY, type Point } from "./CurvePoint.ts"
import { type HashToScalar, hashToScalar } from "./HashToScalar.ts"
import { makePointTables, type PointTableLimits } from "./PointTables.ts"
import { makeMemberPoints, memberPoints, type MemberPoints, verify, type VerifyRing } from "./RingVerification.ts"

/** Members kept by default: the keys of about 1000 applications with their gateways, near 1 KB each. */
export const DEFAULT_MEMBER_CAPACITY = 4096

/** Tables of the hottest members (two points each) and key images: near 0.25 MB and 8 ms for a point, 20 MB in all. */
const DEFAULT_TABLE_LIMITS = {
  members: { capacity: 32, promoteAfter: 64, idlePasses: 10_000 },
  images: { capacity: 16, promoteAfter: 64, idlePasses: 10_000 }
} as const

/** noble's window: wider ones are little faster and cost twice the memory and time for each bit. */
const WINDOW_BITS = 5

/** What a caller may choose. */
export interface RingVerificationPureOptions {
  /** Most members kept. */
  readonly memberCapacity: number
  /** Limits of the tables for members and for key images. */
  readonly memberTables?: PointTableLimits
  readonly imageTables?: PointTableLimits
  readonly hashToScalar?: HashToScalar
}

/** Entries that a verifier holds now, each below the bound of its option. */
export interface RingVerifierFill {
  readonly members: number
  readonly memberTables: number
  readonly imageTables: number
}

/** A verification with what it holds. */
export interface RingVerificationCached {
  readonly verify: VerifyRing
  readonly fill: () => RingVerifierFill
}

/** The pure verification with caches of its own; the same verdicts as `verify` without any. */
export const makeRingVerificationPure = (options: RingVerificationPureOptions): RingVerificationCached => {
  const members = makeMemberPoints(options.memberCapacity)
  const memberTables = makePointTables(options.memberTables ?? DEFAULT_TABLE_LIMITS.members, buildMember)
  const imageTables = makePointTables(options.imageTables ?? DEFAULT_TABLE_LIMITS.images, buildImage)
  const cached = {
    members: { get: (publicKey: Uint8Array) => memberTables.get(publicKey) ?? members.get(publicKey) },
    imageOf: (image: Uint8Array) => imageTables.get(image) ?? decodePoint(image),
    hashToScalar: options.hashToScalar ?? hashToScalar
  }
  return {
    fill: () => ({ members: members.size(), memberTables: memberTables.size(), imageTables: imageTables.size() }),
    verify: (message, signature) => {
      const valid = verify(message, signature, cached)
      if (valid) {
        memberTables.passed(signature.members)
        imageTables.passed([signature.image])
      }
      return valid
    }
  }
}

/** A verifier that keeps at most `memberCapacity` members. */
export const make = (memberCapacity: number = DEFAULT_MEMBER_CAPACITY): RingVerifier["Service"] => {
  const cached = makeRingVerificationPure({ memberCapacity })
  return { verify: (message, signature) => Effect.sync(() => cached.verify(message, signature)) }
}

/** The pure verifier with the default capacity. */
export const layer: Layer.Layer<RingVerifier> = Layer.sync(RingVerifier, () => make())

/** Only points of signatures that have passed come here, so they decode; infinity stands for what cannot happen. */
function* buildMember(publicKey: Uint8Array): Generator<void, MemberPoints> {
  const { key, hashed } = memberPoints(publicKey) ?? { key: INFINITY, hashed: INFINITY }
  key.precompute(WINDOW_BITS, false)
  yield
  hashed.precompute(WINDOW_BITS, false)
  return { key, hashed, tabled: true }
}

/** Without steps: the table of one point is built at once. */
function* buildImage(image: Uint8Array): Generator<void, Point> {
  const point = decodePoint(image) ?? INFINITY
  return point.precompute(WINDOW_BITS, false)
}
