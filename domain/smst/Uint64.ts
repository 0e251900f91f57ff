/** A 64-bit total in two 32-bit halves: adds without the allocation that a bigint costs. Wraps modulo 2^64. */

const WORD = 0x1_0000_0000

/** Mutable total. Halves are unsigned 32-bit numbers. */
export class Uint64 {
  #high = 0
  #low = 0

  /** The total as a bigint. */
  get value(): bigint {
    return (BigInt(this.#high) << 32n) | BigInt(this.#low)
  }

  /** Sets the total, modulo 2^64. */
  set(value: bigint): void {
    this.#high = Number(BigInt.asUintN(32, value >> 32n))
    this.#low = Number(BigInt.asUintN(32, value))
  }

  /** Adds a number given in halves. */
  add(high: number, low: number): void {
    const sum = this.#low + low
    this.#low = sum >>> 0
    this.#high = (this.#high + high + (sum >= WORD ? 1 : 0)) >>> 0
  }

  /** Subtracts a number given in halves. */
  subtract(high: number, low: number): void {
    const difference = this.#low - low
    this.#low = difference >>> 0
    this.#high = (this.#high - high - (difference < 0 ? 1 : 0)) >>> 0
  }
}
