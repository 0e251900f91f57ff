/**
 * How a service's relay mining difficulty follows its traffic: an exponential moving average of relays in settled claims,
 * and the target under which about `target_num_relays` of them would count. The average is computed as Go's `big.Float`
 * does, rounding each step to 64 significant bits: another rounding gives other averages.
 * Source: poktroll `x/service/keeper/update_relay_mining_difficulty.go`.
 */
import { type HeightHistory, recordChange, valueAt } from "../protocol/HeightHistory.ts"
import { BASE_TARGET } from "../relay/RelayDifficulty.ts"

/** Difficulty of a service: the average of relays for each settlement, and the 32-byte target. */
export interface Difficulty {
  readonly numRelaysEma: bigint
  readonly targetHash: Uint8Array
}

/** The record that is updated, `undefined` before the first settlement, and the ones for each height. */
export interface DifficultyHistory {
  readonly live: Difficulty | undefined
  readonly entries: HeightHistory<Difficulty>
}

/** Relays for each session that should count, of a chain whose genesis names none. */
export const defaultTargetNumRelays = 100_000n

/** A service whose claims have never settled. */
export const noDifficulty: DifficultyHistory = { live: undefined, entries: [] }

/** Difficulty at `height`; where no entry reaches, the base difficulty under which every relay counts. */
export const difficultyAt = (history: DifficultyHistory, height: bigint, targetNumRelays: bigint): Difficulty =>
  valueAt(history.entries, height, { numRelaysEma: targetNumRelays, targetHash: BASE_TARGET })

/**
 * Update at the end of block `height`, in which claims with `relays` relays settled for the service: live at once, for
 * sessions from `nextSessionStart`.
 */
export const updateDifficulty = (
  history: DifficultyHistory,
  update: {
    readonly relays: bigint
    readonly height: bigint
    readonly nextSessionStart: bigint
    readonly targetNumRelays: bigint
  }
): DifficultyHistory => {
  const difficulty = (numRelaysEma: bigint): Difficulty => ({
    numRelaysEma,
    targetHash: difficultyTarget(numRelaysEma, update.targetNumRelays)
  })
  const previous = history.live ?? difficulty(update.relays)
  const next = difficulty(nextRelaysEma(previous.numRelaysEma, update.relays))
  return {
    live: next,
    entries: recordChange(history.entries, {
      since: update.height,
      previous,
      effectiveHeight: update.nextSessionStart,
      next
    })
  }
}

/** ⌊r(r(a·relays) + r((1 − a)·previous))⌋ with a the double 0.1 and r rounding to 64 significant bits, half to even. */
export const nextRelaysEma = (previous: bigint, relays: bigint): bigint =>
  roundTo64Bits(roundTo64Bits(smoothing * relays) + roundTo64Bits((scale - smoothing) * previous)) / scale

/** Target, 32 bytes big-endian: min(2²⁵⁶ − 1, ⌊(2²⁵⁶ − 1) · targetNumRelays / ema⌋); the base target for an average of 0. */
export const difficultyTarget = (numRelaysEma: bigint, targetNumRelays: bigint): Uint8Array => {
  if (numRelaysEma <= targetNumRelays) return BASE_TARGET
  const target = (maxHash * targetNumRelays) / numRelaysEma
  const bytes = new Uint8Array(32)
  for (let index = 31, rest = target; index >= 0; index--, rest >>= 8n) bytes[index] = Number(rest & 0xffn)
  return bytes
}

const maxHash = 2n ** 256n - 1n

/** The double 0.1 is exactly 3602879701896397 / 2⁵⁵; every step is held as a multiple of 2⁻⁵⁵. */
const scale = 2n ** 55n
const smoothing = 3_602_879_701_896_397n

/** Rounds a non-negative integer (of any unit) to 64 significant bits, half to even. */
const roundTo64Bits = (value: bigint): bigint => {
  const excess = BigInt(Math.max(0, value.toString(2).length - 64))
  const kept = value >> excess
  const rest = value - (kept << excess)
  const half = excess === 0n ? 0n : 1n << (excess - 1n)
  const roundsUp = excess > 0n && (rest > half || (rest === half && (kept & 1n) === 1n))
  return (roundsUp ? kept + 1n : kept) << excess
}
