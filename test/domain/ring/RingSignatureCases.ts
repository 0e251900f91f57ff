/** Ring signatures for tests: the golden vectors, and rings made from known keys with every edge a hostile signer can reach. */
import { Result } from "effect"
import { sha256 } from "../../../domain/crypto/Sha256.ts"
import { publicKeyOf } from "../../../domain/keys/PrivateKey.ts"
import { encodePoint } from "../../../domain/ring/CurvePoint.ts"
import { hashToCurve } from "../../../domain/ring/HashToCurve.ts"
import type { RingSignature } from "../../../domain/ring/RingSignature.ts"
import { type ClosedRing, closeRing } from "../../../domain/ring/RingSigning.ts"
import { modOrder, ORDER, scalarFromBytes, scalarToBytes } from "../../../domain/ring/Scalar.ts"
import { loadVectors } from "../../vectors/load.ts"

export interface RingVector {
  readonly name: string
  readonly message_hex: string
  readonly signature_hex: string
  readonly expect: "valid" | "invalid" | "undecodable" | "panic"
}

export interface ValidRingVector extends RingVector {
  readonly pubkeys_hex: ReadonlyArray<string>
  readonly key_image_hex: string
  readonly signer_index: number
}

export interface FixedRingVector extends ValidRingVector {
  readonly signer_private_key_hex: string
  readonly nonce_hex: string
  readonly decoy_scalars_hex: ReadonlyArray<string>
  readonly challenges_hex: ReadonlyArray<string>
  /** Ascending positions of challenges whose hash had leading zero bytes; absent when there is none. */
  readonly short_challenges?: ReadonlyArray<number>
}

/** `cases` of ring-signatures.json. */
export const ringVectors = loadVectors<{
  readonly valid: ReadonlyArray<ValidRingVector>
  readonly fixed: ReadonlyArray<FixedRingVector>
  readonly variants: ReadonlyArray<RingVector>
}>("ring-signatures")

/** Every vector with a verdict, 274 of them. */
export const allRingVectors: ReadonlyArray<RingVector> = [
  ...ringVectors.valid,
  ...ringVectors.fixed,
  ...ringVectors.variants
]

/** Repeatable bytes: 32 for each label. */
export const bytesOf = (label: string): Uint8Array => sha256(new TextEncoder().encode(label))

/** A signature with the message it is over and what it shows. */
export interface RingCase {
  readonly name: string
  readonly message: Uint8Array
  readonly signature: RingSignature
  /** Known where it follows from the construction. */
  readonly valid?: boolean
}

/** Signs with the key at `signer`; `decoys` are scalars, the signer's entry is ignored. */
export const signWith = (
  message: Uint8Array,
  keys: ReadonlyArray<bigint>,
  signer: number,
  nonce: bigint,
  decoys: ReadonlyArray<bigint>
): ClosedRing =>
  Result.getOrThrow(
    closeRing({
      message,
      ring: keys.map((key) => publicKeyOf(scalarToBytes(key))),
      privateKey: scalarToBytes(keys[signer]!),
      nonce: scalarToBytes(nonce),
      decoys: decoys.map(scalarToBytes),
      signerIndex: signer
    })
  )

/** Valid rings of 1 to 5 and damaged copies of each, from one seed. */
export const randomCases = (seed: string, rings: number): ReadonlyArray<RingCase> =>
  Array.from({ length: rings }, (_, index) => index).flatMap((index) => {
    const scalar = (label: string) => scalarFromBytes(bytesOf(`${seed}/${index}/${label}`))
    const size = 1 + (bytesOf(`${seed}/${index}/size`)[0]! % 5)
    const signer = bytesOf(`${seed}/${index}/signer`)[0]! % size
    const numbers = Array.from({ length: size }, (_, i) => i)
    const keys = numbers.map((i) => scalar(`key${i % 3}`)) // repeats from the fourth on
    const message = bytesOf(`${seed}/${index}/message`)
    const { signature } = signWith(
      message,
      keys,
      signer,
      scalar("nonce"),
      numbers.map((i) => scalar(`decoy${i}`))
    )
    const victim = bytesOf(`${seed}/${index}/victim`)[0]! % size
    const named = (name: string, changes: Partial<RingSignature>, valid?: boolean): RingCase => ({
      name: `${seed} ${index} ${name}`,
      message,
      signature: { ...signature, ...changes },
      ...(valid === undefined ? {} : { valid })
    })
    const scalarsWith = (value: bigint) => signature.scalars.map((s, i) => (i === victim ? value : s))
    return [
      named("untouched", {}, true),
      named("scalar plus N", { scalars: scalarsWith(signature.scalars[victim]! + ORDER) }, true),
      named("challenge plus N", { challenge: signature.challenge + ORDER }, true),
      named("scalar plus one", { scalars: scalarsWith(modOrder(signature.scalars[victim]! + 1n)) }, false),
      named("scalar zero", { scalars: scalarsWith(0n) }),
      named("scalar N", { scalars: scalarsWith(ORDER) }),
      named("scalar N-1", { scalars: scalarsWith(ORDER - 1n) }),
      named("challenge zero", { challenge: 0n }),
      named("challenge and scalars zero", { challenge: 0n, scalars: signature.scalars.map(() => 0n) }),
      named("image is a member", { image: signature.members[victim]! }),
      named("image is H(member)", { image: encodePoint(hashToCurve(signature.members[victim]!)!.point) }),
      named("image negated", { image: Uint8Array.from([5 - signature.image[0]!, ...signature.image.subarray(1)]) }),
      named("image off the curve", { image: Uint8Array.from([2, ...new Uint8Array(31), 5]) }, false),
      named("image infinite", { image: Uint8Array.from([2, ...new Uint8Array(32)]) }, false),
      named("image uncompressed prefix", { image: Uint8Array.from([4, ...signature.image.subarray(1)]) }, false),
      named("image short", { image: signature.image.subarray(1) }, false),
      named(
        "member off the curve",
        {
          members: signature.members.map((m, i) => (i === victim ? Uint8Array.from([3, ...new Uint8Array(31), 5]) : m))
        },
        false
      ),
      named("members reversed", { members: signature.members.toReversed() }),
      named("one key for all", { members: signature.members.map(() => signature.members[victim]!) })
    ]
  })

/**
 * Rings whose intermediate points are infinite, doubled or on the generator. Those marked valid are: the decoy was chosen after
 * its challenge was known, which a signer who knows the key of the other member can do.
 */
export const edgeCases = (): ReadonlyArray<RingCase> => {
  const message = bytesOf("edge message")
  const other = scalarFromBytes(bytesOf("edge other"))
  const nonce = scalarFromBytes(bytesOf("edge nonce"))
  const cases: Array<RingCase> = []
  for (const [ringName, keys] of [
    ["two keys", [other, scalarFromBytes(bytesOf("edge signer"))]],
    ["one key twice", [other, other]],
    ["generator", [1n, other]],
    ["minus generator", [ORDER - 1n, other]],
    ["generator twice", [1n, 1n]]
  ] as ReadonlyArray<readonly [string, ReadonlyArray<bigint>]>) {
    const known = signWith(message, keys, 1, nonce, [1n, 0n]).challenges[0]!
    for (const [decoyName, decoy] of [
      ["s zero", 0n],
      ["s one", 1n],
      ["s N-1", ORDER - 1n],
      ["infinite L", modOrder(-known * keys[0]!)],
      ["doubled L", modOrder(known * keys[0]!)],
      ["s equals c", known],
      ["s equals -c", modOrder(-known)]
    ] as ReadonlyArray<readonly [string, bigint]>) {
      const { signature } = signWith(message, keys, 1, nonce, [decoy, 0n])
      cases.push({ name: `${ringName}, ${decoyName}`, message, signature, valid: true })
      cases.push({ name: `${ringName}, ${decoyName}, other message`, message: bytesOf("no"), signature, valid: false })
    }
    for (const zeroNonce of [0n, 1n, ORDER - 1n]) {
      const { signature } = signWith(message, keys, 1, zeroNonce, [5n, 0n])
      cases.push({ name: `${ringName}, nonce ${zeroNonce}`, message, signature, valid: true })
    }
    // An image that is a known multiple k of H(P), which needs no key at all: R is infinite or doubled for s = ∓c·k.
    const { signature } = signWith(message, keys, 1, nonce, [7n, 0n])
    for (const k of [1n, 2n, ORDER - 1n]) {
      const image = encodePoint(hashToCurve(signature.members[0]!)!.point.multiplyUnsafe(k))
      for (const sign of [-1n, 1n]) {
        const scalars = [modOrder(sign * signature.challenge * k), signature.scalars[1]!]
        cases.push({
          name: `${ringName}, image ${k}H, sign ${sign}`,
          message,
          signature: { ...signature, image, scalars }
        })
      }
    }
  }
  return cases
}
