/**
 * Random numbers of one simulated run, all from its seed. Streams by label are independent: leaving out a fault does not
 * change the traffic. Not for cryptography.
 */
import type { Random } from "effect"

export class SeededRandom {
  readonly #seed: string
  #a: number
  #b: number
  #c: number
  #counter = 1

  constructor(seed: string) {
    this.#seed = seed
    this.#a = hash(`${seed}/a`)
    this.#b = hash(`${seed}/b`)
    this.#c = hash(`${seed}/c`)
    for (let i = 0; i < 12; i++) this.#next32()
  }

  /** An independent stream that depends on this seed and the label only, not on how much was drawn. */
  stream(label: string): SeededRandom {
    return new SeededRandom(`${this.#seed}/${label}`)
  }

  /** From 0 (inclusive) to 1 (exclusive). */
  next(): number {
    return this.#next32() / 4_294_967_296
  }

  /** An integer from `from` to `to`, both inclusive. */
  between(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1))
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.next() < probability
  }

  /** One of the items, of which there is at least one. */
  pick<A>(items: ReadonlyArray<A>): A {
    return items[Math.floor(this.next() * items.length)]!
  }

  /** The stream as Effect's `Random`. */
  get service(): Random.Random {
    return { nextDoubleUnsafe: () => this.next(), nextIntUnsafe: () => this.#next32() }
  }

  /** sfc32: small, fast, passes PractRand. */
  #next32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum
    return sum >>> 0
  }
}

/** FNV-1a of a text, 32 bits. */
export const hash = (text: string, start = 0x811c9dc5): number => {
  let state = start
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 0x01000193)
  return state >>> 0
}
