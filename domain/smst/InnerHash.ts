/**
 * Digests of inner nodes and of the folded one-armed nodes that an extension stands for.
 * One scratch buffer for each instance, so that an encoding which is only hashed costs no allocation.
 */
import type { Sha256 } from "../crypto/Sha256.ts"
import { bitOf, DIGEST_SIZE, HASH_SIZE, INNER_SIZE, INNER_TAG, TAIL_SIZE } from "./TrieSpec.ts"

/** Three bytes in front of the tag align both digests and the sums to 32-bit words. */
const ALIGNMENT = 3
const DIGEST_WORDS = DIGEST_SIZE / 4
const LEFT_WORD = 1
const RIGHT_WORD = LEFT_WORD + DIGEST_WORDS
const TAIL_WORD = RIGHT_WORD + DIGEST_WORDS
const LEFT_SUM = LEFT_WORD * 4 + HASH_SIZE
const RIGHT_SUM = RIGHT_WORD * 4 + HASH_SIZE
const TAIL = TAIL_WORD * 4

/**
 * Bytes of which a digest is read and into which it is written: the same memory as bytes and as 32-bit words.
 * Both views start at the same multiple of four.
 */
export interface DigestMemory {
  readonly bytes: Uint8Array
  readonly words: Uint32Array
}

/** Memory of one digest, filled with `digest`. */
export const digestMemory = (digest: Uint8Array): DigestMemory => {
  const buffer = new ArrayBuffer(DIGEST_SIZE)
  const bytes = new Uint8Array(buffer)
  bytes.set(digest)
  return { bytes, words: new Uint32Array(buffer) }
}

/** Hashes inner nodes with one `Sha256`. Not reentrant: load both children, then take the digest or the encoding. */
export class InnerHash {
  readonly #sha256: Sha256
  readonly #bytes: Uint8Array
  readonly #words: Uint32Array
  readonly #view: DataView
  readonly #encoding: Uint8Array

  constructor(sha256: Sha256) {
    const buffer = new ArrayBuffer(ALIGNMENT + INNER_SIZE)
    this.#sha256 = sha256
    this.#bytes = new Uint8Array(buffer)
    this.#words = new Uint32Array(buffer)
    this.#view = new DataView(buffer)
    this.#encoding = new Uint8Array(buffer, ALIGNMENT, INNER_SIZE)
    this.#bytes[ALIGNMENT] = INNER_TAG
  }

  /** Takes the digest at word `at` of `words` as the child of side 0 (left) or 1 (right). */
  load(side: number, words: Uint32Array, at: number): void {
    const to = side === 0 ? LEFT_WORD : RIGHT_WORD
    for (let i = 0; i < DIGEST_WORDS; i++) this.#words[to + i] = words[at + i] ?? 0
  }

  /** Makes the child of `side` the empty one. */
  clear(side: number): void {
    const to = side === 0 ? LEFT_WORD : RIGHT_WORD
    for (let i = 0; i < DIGEST_WORDS; i++) this.#words[to + i] = 0
  }

  /** Writes the digest of the loaded children at word `at` of `target`. */
  digest(target: DigestMemory, at: number): void {
    this.#addTails()
    target.bytes.set(this.#sha256(this.#encoding), at * 4)
    for (let i = 0; i < 4; i++) target.words[at + HASH_SIZE / 4 + i] = this.#words[TAIL_WORD + i] ?? 0
  }

  /** Writes the encoding of the loaded children into `target`, which has 113 bytes. */
  encode(target: Uint8Array): void {
    this.#addTails()
    target.set(this.#encoding)
  }

  /**
   * Replaces the digest at word `at` of `target` by that of the one-armed nodes above it: from depth `end - 1` up to
   * `start`, each with the digest on the side of that bit of `path` and nothing on the other. `end <= start` changes
   * nothing. Costs `end - start` hashes.
   */
  fold(target: DigestMemory, at: number, path: Uint8Array, start: number, end: number): void {
    for (let depth = end - 1; depth >= start; depth--) {
      const side = bitOf(path, depth)
      this.load(side, target.words, at)
      this.clear(1 - side)
      this.digest(target, at)
    }
  }

  /** Sum and count of both children, each modulo 2^64, into the last 16 bytes of the encoding. */
  #addTails(): void {
    const view = this.#view
    for (let field = 0; field < TAIL_SIZE; field += 8) {
      const low = view.getUint32(LEFT_SUM + field + 4) + view.getUint32(RIGHT_SUM + field + 4)
      const carry = low > 0xffffffff ? 1 : 0
      view.setUint32(TAIL + field + 4, low)
      view.setUint32(TAIL + field, view.getUint32(LEFT_SUM + field) + view.getUint32(RIGHT_SUM + field) + carry)
    }
  }
}

/** Digest of the inner node with these two 48-byte child digests. For single digests; bulk work keeps an `InnerHash`. */
export const innerDigest = (hash: InnerHash, left: Uint8Array, right: Uint8Array): Uint8Array => {
  const memory = digestMemory(left)
  hash.load(0, memory.words, 0)
  memory.bytes.set(right)
  hash.load(1, memory.words, 0)
  hash.digest(memory, 0)
  return memory.bytes
}

/** Digest of an extension from `start` to `end` along `path` (32 bytes) over a child's 48-byte digest. */
export const foldDigest = (
  hash: InnerHash,
  start: number,
  end: number,
  path: Uint8Array,
  child: Uint8Array
): Uint8Array => {
  const memory = digestMemory(child)
  hash.fold(memory, 0, path, start, end)
  return memory.bytes
}
