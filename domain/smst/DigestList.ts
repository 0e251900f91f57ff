/** A growing list of digests in one piece of memory: adding one copies twelve words and allocates nothing. */
import { DIGEST_SIZE } from "./TrieSpec.ts"

const DIGEST_WORDS = DIGEST_SIZE / 4
/** Digests that the first memory holds; it doubles when full. */
const FIRST_CAPACITY = 16

/** The key under which a map or set keeps a digest. */
export const digestKey = (digest: Uint8Array): string => String.fromCharCode(...digest)

/** Digests in the order added. */
export class DigestList {
  #words = new Uint32Array(FIRST_CAPACITY * DIGEST_WORDS)
  #length = 0

  get length(): number {
    return this.#length
  }

  /** Adds the digest at word `at` of `words`. */
  add(words: Uint32Array, at: number): void {
    let to = this.#length * DIGEST_WORDS
    if (to === this.#words.length) {
      const larger = new Uint32Array(to * 2)
      larger.set(this.#words)
      this.#words = larger
    }
    const target = this.#words
    for (let from = at; from < at + DIGEST_WORDS; from++, to++) target[to] = words[from] ?? 0
    this.#length++
  }

  /** Takes out at most `limit` digests, the last ones first. They share one buffer of their own. */
  take(limit: number): Array<Uint8Array> {
    const count = Math.min(limit, this.#length)
    this.#length -= count
    const { buffer } = this.#words.slice(this.#length * DIGEST_WORDS, (this.#length + count) * DIGEST_WORDS)
    if (this.#length === 0) this.#words = new Uint32Array(FIRST_CAPACITY * DIGEST_WORDS)
    return Array.from({ length: count }, (_, i) => new Uint8Array(buffer, i * DIGEST_SIZE, DIGEST_SIZE))
  }

  /** Takes out every digest whose key is in `keys`. */
  remove(keys: ReadonlySet<string>): void {
    const words = this.#words
    const length = this.#length
    this.#words = new Uint32Array(words.length)
    this.#length = 0
    for (let i = 0; i < length; i++) {
      if (!keys.has(digestKey(new Uint8Array(words.buffer, i * DIGEST_SIZE, DIGEST_SIZE)))) {
        this.add(words, i * DIGEST_WORDS)
      }
    }
  }
}
