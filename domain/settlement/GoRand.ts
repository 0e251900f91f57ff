/**
 * Go's seeded `math/rand` source, as far as the chain draws from it: the sample that decides whether a claim needs a
 * proof, and the spread of commit heights. Not a source of randomness: equal seeds give equal numbers by design.
 */
import { type Sha256, sha256 as pureSha256 } from "../crypto/Sha256.ts"
import { goRandTable } from "./GoRandTable.ts"

/** A source in some state; each call advances it. */
export interface GoRandSource {
  /** Next integer, 0 ≤ n < 2⁶³. Go `rngSource.Int63`. */
  readonly int63: () => bigint
  /** Next double, 0 ≤ x < 1. Go `Rand.Float64`; draws more than once if the first rounds to 1. */
  readonly float64: () => number
}

/** A source as Go's `rand.NewSource(seed)`; `seed` is a signed 64-bit integer. About 0.2 ms. */
export const source = (seed: bigint): GoRandSource => {
  const state = seededState(seed)
  let tap = 0
  let feed = stateLength - tapDistance
  const int63 = (): bigint => {
    tap = tap === 0 ? stateLength - 1 : tap - 1
    feed = feed === 0 ? stateLength - 1 : feed - 1
    // Both indices stay within the state; the array wraps sums modulo 2⁶⁴ by itself.
    state[feed] = (state[feed] ?? 0n) + (state[tap] ?? 0n)
    return BigInt.asUintN(63, state[feed] ?? 0n)
  }
  const float64 = (): number => {
    for (;;) {
      const value = Number(int63()) / 2 ** 63
      if (value !== 1) return value
    }
  }
  return { int63, float64 }
}

/** The source that `input` seeds: signed varint at the head of its SHA-256, 0 if that is none of 64 bits. */
export const seededSource = (input: Uint8Array, sha256: Sha256 = pureSha256): GoRandSource =>
  source(varintSeed(sha256(input)))

/** The double, 0 ≤ x < 1, that `input` decides. Source: poktroll `pkg/crypto/rand/float.go`, SeededFloat64. */
export const sample = (input: Uint8Array, sha256: Sha256 = pureSha256): number => seededSource(input, sha256).float64()

/**
 * The integer, 0 ≤ n < 2⁶³, that `input` decides. With block hash ‖ operator address as input, n modulo the window's
 * length is the spread of a supplier's commit height that the chain ships but does not call.
 */
export const seededInt63 = (input: Uint8Array, sha256: Sha256 = pureSha256): bigint =>
  seededSource(input, sha256).int63()

/** Signed integer of the zig-zag varint at the head of `digest`; 0 if it does not end within 64 bits. Go `binary.Varint`. */
export const varintSeed = (digest: Uint8Array): bigint => {
  let value = 0n
  for (let index = 0; index < 10; index++) {
    const byte = digest[index] ?? 0x80
    if (index === 9 && byte > 1) return 0n
    value |= BigInt(byte & 0x7f) << BigInt(7 * index)
    if (byte < 0x80) return (value & 1n) === 0n ? value >> 1n : -(value >> 1n) - 1n
  }
  return 0n
}

const stateLength = 607
const tapDistance = 273
/** Modulus and multiplier of the generator that fills the state; products stay below 2⁵³. */
const modulus = 2 ** 31 - 1
const multiplier = 48271
/** Go's stand-in for a seed of 0, on which the filling generator would stand still. */
const zeroSeed = 89482311
const warmUpSteps = 20

const seededState = (seed: bigint): BigUint64Array => {
  let step = Number(seed % BigInt(modulus))
  if (step < 0) step += modulus
  if (step === 0) step = zeroSeed
  const advance = (): number => (step = (step * multiplier) % modulus)
  for (let index = 0; index < warmUpSteps; index++) advance()
  return goRandTable.map((constant) => {
    const [a, b, c] = [advance(), advance(), advance()]
    return (BigInt(a) << 40n) ^ (BigInt(b) << 20n) ^ BigInt(c) ^ constant
  })
}
