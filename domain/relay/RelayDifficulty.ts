/** Relay mining difficulty: which relays count, and by which exact factor the counted ones stand for all. */
import { Result, Schema } from "effect"

/** Target of a service without history: 32 bytes 0xff. A hash of 32 bytes 0xff does not count even then. */
export const BASE_TARGET: Uint8Array = new Uint8Array(32).fill(0xff)

/** A positive fraction in lowest terms. */
export interface DifficultyMultiplier {
  readonly numerator: bigint
  readonly denominator: bigint
}

/** A target that is not 32 bytes or is zero; with it no relay can be judged. */
export class InvalidDifficultyTarget extends Schema.TaggedError<InvalidDifficultyTarget>()("InvalidDifficultyTarget", {
  problem: Schema.Literals(["is not 32 bytes", "is zero"]),
  length: Schema.Int
}) {
  override get message(): string {
    return `difficulty target of ${this.length} bytes ${this.problem}`
  }
}

/**
 * Whether a relay counts: its hash is below the target as byte strings; equal is not, a proper prefix is.
 * `target` is the service's at the session start height.
 * Source: poktroll `pkg/crypto/protocol/difficulty.go`, `IsRelayVolumeApplicable`.
 */
export const isApplicable = (relayHash: Uint8Array, target: Uint8Array): boolean => {
  const common = Math.min(relayHash.length, target.length)
  for (let i = 0; i < common; i++) {
    const difference = (relayHash[i] ?? 0) - (target[i] ?? 0)
    if (difference !== 0) return difference < 0
  }
  return relayHash.length < target.length
}

/**
 * (2^256 - 1) / target, exact. Estimated units = floor(multiplier × claimed units).
 * Source: poktroll `pkg/crypto/protocol/difficulty.go`, `GetRelayDifficultyMultiplier`.
 */
export const multiplier = (target: Uint8Array): Result.Result<DifficultyMultiplier, InvalidDifficultyTarget> => {
  if (target.length !== 32) {
    return Result.fail(new InvalidDifficultyTarget({ problem: "is not 32 bytes", length: target.length }))
  }
  const value = bigEndian(target)
  if (value === 0n) return Result.fail(new InvalidDifficultyTarget({ problem: "is zero", length: target.length }))
  const divisor = greatestCommonDivisor(LARGEST_HASH, value)
  return Result.succeed({ numerator: LARGEST_HASH / divisor, denominator: value / divisor })
}

const LARGEST_HASH = (1n << 256n) - 1n

const bigEndian = (bytes: Uint8Array): bigint => {
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  return value
}

const greatestCommonDivisor = (left: bigint, right: bigint): bigint => {
  let [a, b] = [left, right]
  while (b !== 0n) [a, b] = [b, a % b]
  return a
}
