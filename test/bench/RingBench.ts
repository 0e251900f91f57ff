/**
 * CPU time of ring verification and of signing: native (before and after its tables are built) and pure, against noble
 * without tables. Run alone: `node test/bench/RingBench.ts [--quick]`.
 *
 * linux-x64, 2 shared cores, Node 24.21, two members: noble 4.7 ms, pure verifier 3.9 ms, with tables 1.9 ms,
 * native 0.24 ms, with tables 0.19 ms.
 */
import { secp256k1 } from "@noble/curves/secp256k1.js"
import { Result } from "effect"
import { makeRingVerificationNative } from "../../adapters/crypto/RingVerificationNative.ts"
import { loadSecp256k1Native } from "../../adapters/crypto/Secp256k1Native.ts"
import { makeSupplierSigningNative } from "../../adapters/crypto/SupplierSigningNative.ts"
import { sign } from "../../domain/keys/SupplierSignature.ts"
import { decodePoint, encodePoint } from "../../domain/ring/CurvePoint.ts"
import { hashToCurve } from "../../domain/ring/HashToCurve.ts"
import type { RingSignature } from "../../domain/ring/RingSignature.ts"
import { challenge, makeMemberPoints, verify } from "../../domain/ring/RingVerification.ts"
import { makeRingVerificationPure } from "../../domain/ring/RingVerifierPure.ts"
import { scalarFromBytes } from "../../domain/ring/Scalar.ts"
import { bytesOf, signWith } from "../domain/ring/RingSignatureCases.ts"
import {
  type BenchLength,
  type Contender,
  interleave,
  lengthFromArguments,
  medianRatio,
  medians,
  print
} from "./Harness.ts"

/** CPU in µs of one verification; 0 for what needs the native library where there is none. */
export interface RingFigures {
  readonly members: number
  /** Plain multiplications on decoded points, the baseline. */
  readonly noble: number
  readonly pure: number
  /** Signers whose points have noble's tables. */
  readonly pureWithTables: number
  readonly native: number
  /** Signers that have passed often enough for tables: what most relays cost. */
  readonly nativeWithTables: number
  /** What this machine serves with (native, else pure, both with tables) by `noble`, of the same rounds. */
  readonly fastByNoble: number
}

/** CPU in µs of one signature. */
export interface SigningFigures {
  /** A supplier's signature under a response: native (0 without the library) and noble. */
  readonly responseNative: number
  readonly responseNoble: number
  /** A gateway's ring signature: pure code, as the simulation makes it. */
  readonly ring2: number
  readonly ring5: number
}

const message = bytesOf("bench message")
const native = loadSecp256k1Native()
const noTables = { capacity: 0, promoteAfter: 0, idlePasses: 0 }
const scalar = (label: string) => scalarFromBytes(bytesOf(`bench ${label}`))

const signRing = (size: number, nonce: string): RingSignature => {
  const numbers = Array.from({ length: size }, (_, index) => index)
  const keys = numbers.map((index) => scalar(`key ${index}`))
  const decoys = numbers.map((index) => scalar(`decoy ${index}`))
  return signWith(message, keys, 1, scalar(nonce), decoys).signature
}

/** Four plain multiplications for each member. */
const plainNoble = (signature: RingSignature): (() => boolean) => {
  const keys = signature.members.map((member) => decodePoint(member)!)
  const hashed = signature.members.map((member) => hashToCurve(member)!.point)
  const image = decodePoint(signature.image)!
  return () => {
    let current = signature.challenge
    for (const [index, scalar] of signature.scalars.entries()) {
      const left = secp256k1.Point.BASE.multiplyUnsafe(scalar).add(keys[index]!.multiplyUnsafe(current))
      const right = hashed[index]!.multiplyUnsafe(scalar).add(image.multiplyUnsafe(current))
      current = challenge(message, encodePoint(left), encodePoint(right))!
    }
    return current === signature.challenge
  }
}

/** Verification of a ring of `size` members. About 4 s for two members in full length. */
export const benchRing = (size: number, length: BenchLength): RingFigures => {
  const signature = signRing(size, "nonce")
  const valid = (calls: number, body: () => boolean): Contender => ({
    calls: Math.ceil(calls / size),
    call: () => {
      if (!body()) throw new Error("a valid signature was refused")
    }
  })
  const members = makeMemberPoints(16)
  const tabledPure = makeRingVerificationPure({ memberCapacity: 16 }).verify
  const pure = {
    noble: valid(60, plainNoble(signature)),
    pure: valid(60, () => verify(message, signature, { members })),
    pureWithTables: valid(120, () => tabledPure(message, signature))
  }
  buildTables(() => tabledPure(message, signature), size)
  if (Result.isFailure(native)) {
    const samples = interleave(pure, length)
    const fastByNoble = medianRatio(samples.pureWithTables, samples.noble)
    return { members: size, ...medians(samples), native: 0, nativeWithTables: 0, fastByNoble }
  }
  const limits = { memberCapacity: 16, memberTables: noTables, imageTables: noTables }
  const plain = makeRingVerificationNative(native.success, limits).verify
  const tabled = makeRingVerificationNative(native.success, { memberCapacity: 16 }).verify
  buildTables(() => tabled(message, signature), size)
  const samples = interleave(
    {
      ...pure,
      native: valid(800, () => plain(message, signature)),
      nativeWithTables: valid(800, () => tabled(message, signature))
    },
    length
  )
  const fastByNoble = medianRatio(samples.nativeWithTables, samples.noble)
  return { members: size, ...medians(samples), fastByNoble }
}

/** Signing; every ring signature has a nonce of its own. */
export const benchSigning = (length: BenchLength): SigningFigures => {
  const privateKey = bytesOf("bench supplier")
  const messages = Array.from({ length: 64 }, (_, index) => bytesOf(`bench response ${index}`))
  const messageAt = (index: number) => messages[index % messages.length] ?? message
  const pure = {
    responseNoble: { calls: 100, call: (index: number) => sign(privateKey, messageAt(index)) },
    ring2: { calls: 20, call: (index: number) => signRing(2, `nonce ${index}`) },
    ring5: { calls: 10, call: (index: number) => signRing(5, `nonce ${index}`) }
  }
  if (Result.isFailure(native)) return { ...medians(interleave(pure, length)), responseNative: 0 }
  const signNative = makeSupplierSigningNative(native.success)
  return medians(
    interleave(
      { ...pure, responseNative: { calls: 1000, call: (index: number) => signNative(privateKey, messageAt(index)) } },
      length
    )
  )
}

/** More valid signatures than any set of tables needs before it is complete. */
const buildTables = (body: () => boolean, members: number): void => {
  for (let pass = 0; pass < 64 + 40 * (members + 1); pass++) body()
}

if (process.argv[1] === import.meta.filename) {
  const length = lengthFromArguments()
  print({ verification: [2, 5].map((size) => benchRing(size, length)), signing: benchSigning(length) })
}
