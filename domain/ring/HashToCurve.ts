/**
 * Hash to curve H(P) of ring signatures: re-hashing until the digest is the x coordinate of a point, even y, no cofactor step.
 * It depends on the member's key only, so callers keep it (`MemberCache`).
 * Source: ring-go v0.2.0 `helpers.go`, hashToCurve; go-dleq `secp256k1/curve_decred.go`.
 */
import { secp256k1 } from "@noble/curves/secp256k1.js"
import { bytesToNumberBE } from "@noble/curves/utils.js"
import { sha3_256 } from "@noble/hashes/sha3.js"
import { liftX, type Point } from "./CurvePoint.ts"

/** Candidates tried before giving up: the first digest and 127 re-hashes. Missing all has a chance of 2^-128. */
const MAX_CANDIDATES = 128

/** H(P) with the number of candidate x values that were used, 1 to 128. */
export interface CurveHash {
  readonly point: Point
  readonly tries: number
}

/**
 * H(P) of a compressed public key (33 bytes). `undefined` if no candidate is on the curve, where the reference crashes.
 *
 * About 100 µs for each candidate. A digest from p up is reduced modulo p, not skipped.
 */
export const hashToCurve = (publicKey: Uint8Array): CurveHash | undefined => {
  let digest = sha3_256(publicKey)
  for (let tries = 1; tries <= MAX_CANDIDATES; tries++) {
    const point = liftX(bytesToNumberBE(digest) % secp256k1.Point.Fp.ORDER)
    if (point !== undefined) return { point, tries }
    digest = sha3_256(digest)
  }
  return undefined
}
