/**
 * Hash to scalar of ring signatures, with the reference's quirk: the reduced number is written at the left of 32 bytes.
 * Source: ring-go v0.2.0 `helpers.go`, challenge; go-dleq `secp256k1/curve_decred.go`, HashToScalar.
 */
import { sha3_512 } from "@noble/hashes/sha3.js"
import { bytesToNumberBE } from "@noble/curves/utils.js"
import { ORDER, SCALAR_BYTES } from "./Scalar.ts"

/** Returns the 64-byte SHA3-512 digest (FIPS 202, not Keccak) of `bytes`. */
export type Sha3_512 = (bytes: Uint8Array) => Uint8Array

/** A challenge hash: 98 bytes in, a scalar below N out, or `undefined` where the reference crashes. */
export type HashToScalar = (input: Uint8Array) => bigint | undefined

/** SHA3-512 of the input as one 512-bit number modulo N, before the quirk. */
export const reduceDigest = (digest: Uint8Array): bigint => bytesToNumberBE(digest) % ORDER

/** Bytes of `scalar` (below 2^256) without leading zero bytes; 0 for zero. */
export const significantBytes = (scalar: bigint): number =>
  scalar === 0n ? 0 : Math.ceil(scalar.toString(16).length / 2)

/**
 * The quirk: the significant bytes of a reduced number moved to the left of 32 bytes, zeros filled in on the right.
 *
 * Changes 1 number in 256. `undefined` if the result is not below N (chance near 2^-135; the reference panics).
 */
export const leftAlign = (reduced: bigint): bigint | undefined => {
  if (reduced >= FULL_WIDTH) return reduced
  const aligned = reduced << BigInt(8 * (SCALAR_BYTES - significantBytes(reduced)))
  return aligned < ORDER ? aligned : undefined
}

/** Hash to scalar over a SHA3-512 of the caller's choice. */
export const makeHashToScalar =
  (sha3: Sha3_512): HashToScalar =>
  (input) =>
    leftAlign(reduceDigest(sha3(input)))

/** Hash to scalar with the pure SHA3-512. */
export const hashToScalar: HashToScalar = makeHashToScalar(sha3_512)

/** Smallest number with 32 significant bytes. */
const FULL_WIDTH = 1n << 248n
