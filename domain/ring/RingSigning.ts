/**
 * Signing with a ring, for gateways of the simulation and load generation: a pure function of key, nonce and decoys.
 * Nonce and decoys come from a CSPRNG, fresh for each signature: two signatures with one nonce and one key reveal the key.
 * Source: ring-go v0.2.0 `ring.go`, Sign.
 */
import { bytesToNumberBE, equalBytes } from "@noble/curves/utils.js"
import { Result, Schema } from "effect"
import { publicKeyOf } from "../keys/PrivateKey.ts"
import { BASE, encodePoint, INFINITY, type Point } from "./CurvePoint.ts"
import type { RingSignature } from "./RingSignature.ts"
import { challenge, type MemberPoints, memberPoints, nextChallenge } from "./RingVerification.ts"
import { modOrder, ORDER, scalarFromBytes } from "./Scalar.ts"

/** A request that is not signed, and why. */
export class CannotSignRing extends Schema.TaggedError<CannotSignRing>()("CannotSignRing", {
  reason: Schema.Literals([
    "message is not 32 bytes",
    "fewer than two members",
    "member is not a point",
    "private key out of range",
    "signer is not a member",
    "nonce is zero",
    "decoy is missing or zero",
    "challenge out of range"
  ])
}) {
  override get message(): string {
    return `ring signature not made: ${this.reason}`
  }
}

/** What a ring signature is made of. Scalars are 32 bytes big-endian and are reduced modulo N. */
export interface RingSigningInput {
  /** 32 bytes, the signable hash of a relay request. */
  readonly message: Uint8Array
  /** Public keys, 33 bytes each, in the order of the signature. */
  readonly ring: ReadonlyArray<Uint8Array>
  /** 32 bytes, between 1 and N − 1. */
  readonly privateKey: Uint8Array
  /** u: 32 random bytes, never used twice. */
  readonly nonce: Uint8Array
  /** s_i for every i other than the signer's, whose entry is ignored: 32 random bytes each. */
  readonly decoys: ReadonlyArray<Uint8Array>
  /** Position of the signer; by default the first member that is the public key of `privateKey`. */
  readonly signerIndex?: number
}

/** A signature with every c_i, in ring order. */
export interface ClosedRing {
  readonly signature: RingSignature
  readonly challenges: ReadonlyArray<bigint>
}

/**
 * Signs, or says why not. Refuses rings of fewer than two, a key that is 0, from N up or not a member, and a zero nonce or decoy.
 */
export const sign = (input: RingSigningInput): Result.Result<RingSignature, CannotSignRing> => {
  const refuse = (reason: CannotSignRing["reason"]) => Result.fail(new CannotSignRing({ reason }))
  if (input.message.length !== 32) return refuse("message is not 32 bytes")
  if (input.ring.length < 2) return refuse("fewer than two members")
  const key = bytesToNumberBE(input.privateKey)
  if (key === 0n || key >= ORDER) return refuse("private key out of range")
  const publicKey = publicKeyOf(input.privateKey)
  const signerIndex = input.signerIndex ?? input.ring.findIndex((member) => equalBytes(member, publicKey))
  const signer = input.ring[signerIndex]
  if (signer === undefined || !equalBytes(signer, publicKey)) return refuse("signer is not a member")
  if (scalarFromBytes(input.nonce) === 0n) return refuse("nonce is zero")
  const isZero = (index: number) => scalarFromBytes(input.decoys[index] ?? new Uint8Array()) === 0n
  if (input.ring.some((_, index) => index !== signerIndex && isZero(index))) return refuse("decoy is missing or zero")
  return Result.map(closeRing({ ...input, signerIndex }), ({ signature }) => signature)
}

/**
 * The signature equation alone: `signerIndex` is believed, a ring of one and zero scalars are taken.
 *
 * Multiplication by the key and by the nonce is constant-time as far as noble's is.
 */
export const closeRing = (
  input: RingSigningInput & { readonly signerIndex: number }
): Result.Result<ClosedRing, CannotSignRing> => {
  const refuse = (reason: CannotSignRing["reason"]) => Result.fail(new CannotSignRing({ reason }))
  const size = input.ring.length
  const points: Array<MemberPoints> = []
  for (const member of input.ring) {
    const derived = memberPoints(member)
    if (derived === undefined) return refuse("member is not a point")
    points.push(derived)
  }
  const signer = points[input.signerIndex]
  if (signer === undefined) return refuse("signer is not a member")
  const key = scalarFromBytes(input.privateKey)
  const nonce = scalarFromBytes(input.nonce)
  const image = multiplySecret(signer.hashed, key)
  const challenges = Array.from({ length: size }, () => 0n)
  const scalars = Array.from({ length: size }, () => 0n)
  let current = challenge(
    input.message,
    encodePoint(multiplySecret(BASE, nonce)),
    encodePoint(multiplySecret(signer.hashed, nonce))
  )
  for (let step = 1; step <= size; step++) {
    if (current === undefined) return refuse("challenge out of range")
    const index = (input.signerIndex + step) % size
    challenges[index] = current
    const member = points[index]
    if (step === size || member === undefined) break
    const decoy = scalarFromBytes(input.decoys[index] ?? new Uint8Array())
    scalars[index] = decoy
    current = nextChallenge(input.message, member, image, decoy, current)
  }
  scalars[input.signerIndex] = modOrder(nonce - (challenges[input.signerIndex] ?? 0n) * key)
  return Result.succeed({
    signature: {
      challenge: challenges[0] ?? 0n,
      image: encodePoint(image),
      scalars,
      members: input.ring.map((member) => Uint8Array.from(member))
    },
    challenges
  })
}

/** noble's constant-time multiplication takes 1 … N − 1 only. */
const multiplySecret = (point: Point, scalar: bigint): Point => (scalar === 0n ? INFINITY : point.multiply(scalar))
