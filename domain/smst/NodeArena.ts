/**
 * Memory of a trie's nodes: fixed slots of 88 bytes in pages, addressed by number, without one object for each node.
 * The garbage collector sees a few hundred arrays however many leaves there are. Knows nothing of tries.
 *
 * Slot: digest 48 | leaf and extension: path 32, inner: left 4, right 4 | extension: child 4, stub: depth 4, free slot:
 * next free 4 | kind 1 | flags 1 | start 1 | end 1.
 */
import type { DigestMemory, InnerHash } from "./InnerHash.ts"
import type { Uint64 } from "./Uint64.ts"
import { DIGEST_SIZE, EXTENSION_TAG, HASH_SIZE, PATH_BITS, PATH_SIZE, TAIL_SIZE, uint32At } from "./TrieSpec.ts"

/** What a slot holds. Slot 0 is the empty node; a stub is a stored node of which only the digest is here. */
export type NodeKind = typeof EMPTY | typeof LEAF | typeof INNER | typeof EXTENSION | typeof STUB
export const EMPTY = 0
export const LEAF = 1
export const INNER = 2
export const EXTENSION = 3
export const STUB = 4

/** Flag: the store holds the node, or its encoding has been handed out to be stored. */
const STORED = 1
/** Flag: the digest in the slot is that of the node. */
const DIGESTED = 2

const SLOT_SIZE = 88
const SLOT_WORDS = SLOT_SIZE / 4
const PATH_AT = DIGEST_SIZE
const LEFT_WORD = PATH_AT / 4
const LINK_WORD = (PATH_AT + PATH_SIZE) / 4
const KIND_AT = 84
const FLAGS_AT = 85
const START_AT = 86
const END_AT = 87

/** Slots of a full page: 88 KiB, small enough that a new one costs no noticeable pause. */
const PAGE_BITS = 10
const PAGE_SLOTS = 1 << PAGE_BITS
const PAGE_MASK = PAGE_SLOTS - 1
/** Slots of the first page of a new trie; it doubles until it is full, so that small sessions stay small. */
const FIRST_SLOTS = 32

const makePage = (slots: number): DigestMemory => {
  const buffer = new ArrayBuffer(slots * SLOT_SIZE)
  return { bytes: new Uint8Array(buffer), words: new Uint32Array(buffer) }
}

/** For a few dozen bytes a loop is as fast as `set` and needs no view. */
const copyBytes = (from: Uint8Array, fromAt: number, to: Uint8Array, toAt: number, length: number): void => {
  for (let i = 0; i < length; i++) to[toAt + i] = from[fromAt + i] ?? 0
}

/** Slots of one trie. A slot number is valid from `allocate` to `release`; 0 is always the empty node. */
export class NodeArena {
  readonly #pages: Array<DigestMemory> = [makePage(FIRST_SLOTS)]
  #capacity = FIRST_SLOTS
  #next = 1
  #free = 0
  #freeCount = 0

  constructor() {
    // The empty node counts as stored and has the digest of 48 zero bytes.
    this.page(0).bytes[FLAGS_AT] = STORED | DIGESTED
  }

  /** Nodes held at present, without the empty one. */
  get residentNodes(): number {
    return this.#next - 1 - this.#freeCount
  }

  /** Bytes of all pages. */
  get residentBytes(): number {
    return this.#capacity * SLOT_SIZE
  }

  /** A slot of the given kind, not stored, without digest. */
  allocate(kind: NodeKind): number {
    let slot = this.#free
    if (slot !== 0) {
      this.#free = this.page(slot).words[(slot & PAGE_MASK) * SLOT_WORDS + LINK_WORD] ?? 0
      this.#freeCount--
    } else {
      if (this.#next === this.#capacity) this.#grow()
      slot = this.#next++
    }
    this.page(slot).words[(slot & PAGE_MASK) * SLOT_WORDS + LINK_WORD] = 0
    // Sets kind and clears flags, start and end, which follow it.
    const at = (slot & PAGE_MASK) * SLOT_SIZE
    const { bytes } = this.page(slot)
    bytes[at + KIND_AT] = kind
    bytes[at + FLAGS_AT] = 0
    bytes[at + START_AT] = 0
    bytes[at + END_AT] = 0
    return slot
  }

  /** Gives a slot back. It must not be used again. */
  release(slot: number): void {
    const page = this.page(slot)
    page.bytes[(slot & PAGE_MASK) * SLOT_SIZE + KIND_AT] = EMPTY
    page.words[(slot & PAGE_MASK) * SLOT_WORDS + LINK_WORD] = this.#free
    this.#free = slot
    this.#freeCount++
  }

  /** Page of a slot. Only valid until the next `allocate`. */
  page(slot: number): DigestMemory {
    // Every slot number comes from `allocate`, so its page exists.
    return this.#pages[slot >>> PAGE_BITS] as DigestMemory
  }

  /** Offset of a slot's digest in its page, in 32-bit words. */
  digestWord(slot: number): number {
    return (slot & PAGE_MASK) * SLOT_WORDS
  }

  kind(slot: number): NodeKind {
    // The byte is only ever written from a NodeKind.
    return this.#byte(slot, KIND_AT) as NodeKind
  }

  setKind(slot: number, kind: NodeKind): void {
    this.#setByte(slot, KIND_AT, kind)
  }

  isStored(slot: number): boolean {
    return (this.#byte(slot, FLAGS_AT) & STORED) !== 0
  }

  hasDigest(slot: number): boolean {
    return (this.#byte(slot, FLAGS_AT) & DIGESTED) !== 0
  }

  markStored(slot: number): void {
    this.#setByte(slot, FLAGS_AT, this.#byte(slot, FLAGS_AT) | STORED)
  }

  markDigested(slot: number): void {
    this.#setByte(slot, FLAGS_AT, this.#byte(slot, FLAGS_AT) | DIGESTED)
  }

  /** Forgets the digest and that the node is stored: its children or bounds changed. */
  markDirty(slot: number): void {
    this.#setByte(slot, FLAGS_AT, 0)
  }

  /** First level of an extension, inclusive. */
  start(slot: number): number {
    return this.#byte(slot, START_AT)
  }

  setStart(slot: number, start: number): void {
    this.#setByte(slot, START_AT, start)
  }

  /** Last level of an extension, exclusive. */
  end(slot: number): number {
    return this.#byte(slot, END_AT)
  }

  setEnd(slot: number, end: number): void {
    this.#setByte(slot, END_AT, end)
  }

  /** Child of an inner node: side 0 is left, 1 is right. */
  child(slot: number, side: number): number {
    return this.page(slot).words[(slot & PAGE_MASK) * SLOT_WORDS + LEFT_WORD + side] ?? 0
  }

  setChild(slot: number, side: number, child: number): void {
    this.page(slot).words[(slot & PAGE_MASK) * SLOT_WORDS + LEFT_WORD + side] = child
  }

  /** Child of an extension, or depth of a stub. */
  link(slot: number): number {
    return this.page(slot).words[(slot & PAGE_MASK) * SLOT_WORDS + LINK_WORD] ?? 0
  }

  setLink(slot: number, link: number): void {
    this.page(slot).words[(slot & PAGE_MASK) * SLOT_WORDS + LINK_WORD] = link
  }

  /** Bit of the path of a leaf or extension. */
  pathBit(slot: number, index: number): 0 | 1 {
    return ((this.#byte(slot, PATH_AT + (index >> 3)) >> (7 - (index & 7))) & 1) === 0 ? 0 : 1
  }

  /** Byte of the path of a leaf or extension. */
  pathByte(slot: number, index: number): number {
    return this.#byte(slot, PATH_AT + index)
  }

  /** First bit at or after `from` in which the paths of two slots differ; 256 if none. */
  firstDifference(a: number, b: number, from: number): number {
    const left = this.page(a).bytes
    const right = this.page(b).bytes
    const leftAt = (a & PAGE_MASK) * SLOT_SIZE + PATH_AT
    const rightAt = (b & PAGE_MASK) * SLOT_SIZE + PATH_AT
    let mask = 0xff >> (from & 7)
    for (let i = from >> 3; i < PATH_SIZE; i++) {
      const difference = ((left[leftAt + i] ?? 0) ^ (right[rightAt + i] ?? 0)) & mask
      if (difference !== 0) return i * 8 + Math.clz32(difference) - 24
      mask = 0xff
    }
    return PATH_BITS
  }

  setPath(slot: number, path: Uint8Array): void {
    this.page(slot).bytes.set(path, (slot & PAGE_MASK) * SLOT_SIZE + PATH_AT)
  }

  /** The path of a leaf or extension, a fresh array of 32 bytes. */
  path(slot: number): Uint8Array {
    const at = (slot & PAGE_MASK) * SLOT_SIZE + PATH_AT
    return this.page(slot).bytes.slice(at, at + PATH_SIZE)
  }

  /** Copies the path of one slot to another. */
  copyPath(from: number, to: number): void {
    const source = this.page(from).words
    const target = this.page(to).words
    const sourceAt = (from & PAGE_MASK) * SLOT_WORDS + LEFT_WORD
    const targetAt = (to & PAGE_MASK) * SLOT_WORDS + LEFT_WORD
    for (let i = 0; i < PATH_SIZE / 4; i++) target[targetAt + i] = source[sourceAt + i] ?? 0
  }

  setDigest(slot: number, digest: Uint8Array): void {
    this.page(slot).bytes.set(digest, (slot & PAGE_MASK) * SLOT_SIZE)
    this.markDigested(slot)
  }

  /** Writes path and digest of a leaf; `hash` is that of its encoding. */
  setLeaf(slot: number, encoding: Uint8Array, hash: Uint8Array): void {
    const { bytes } = this.page(slot)
    const at = (slot & PAGE_MASK) * SLOT_SIZE
    copyBytes(hash, 0, bytes, at, HASH_SIZE)
    copyBytes(encoding, encoding.length - TAIL_SIZE, bytes, at + HASH_SIZE, TAIL_SIZE)
    copyBytes(encoding, 1, bytes, at + PATH_AT, PATH_SIZE)
    this.markDigested(slot)
  }

  /** The digest of a slot that has one, a fresh array of 48 bytes. */
  digest(slot: number): Uint8Array {
    const at = (slot & PAGE_MASK) * SLOT_SIZE
    return this.page(slot).bytes.slice(at, at + DIGEST_SIZE)
  }

  /** Copies the digest of a slot that has one into `target`. */
  copyDigest(slot: number, target: Uint8Array): void {
    copyBytes(this.page(slot).bytes, (slot & PAGE_MASK) * SLOT_SIZE, target, 0, DIGEST_SIZE)
  }

  digestsEqual(a: number, b: number): boolean {
    const left = this.page(a).words
    const right = this.page(b).words
    const leftAt = this.digestWord(a)
    const rightAt = this.digestWord(b)
    for (let i = 0; i < DIGEST_SIZE / 4; i++) if (left[leftAt + i] !== right[rightAt + i]) return false
    return true
  }

  /** Adds sum and count of a slot to totals. */
  addTotals(slot: number, sum: Uint64, count: Uint64): void {
    const { bytes } = this.page(slot)
    const at = (slot & PAGE_MASK) * SLOT_SIZE + HASH_SIZE
    sum.add(uint32At(bytes, at), uint32At(bytes, at + 4))
    count.add(uint32At(bytes, at + 8), uint32At(bytes, at + 12))
  }

  /** Takes sum and count of a slot from totals. */
  subtractTotals(slot: number, sum: Uint64, count: Uint64): void {
    const { bytes } = this.page(slot)
    const at = (slot & PAGE_MASK) * SLOT_SIZE + HASH_SIZE
    sum.subtract(uint32At(bytes, at), uint32At(bytes, at + 4))
    count.subtract(uint32At(bytes, at + 8), uint32At(bytes, at + 12))
  }

  /** Gives both children of an inner node, whose digests are known, to `hash`. */
  loadChildren(hash: InnerHash, slot: number): void {
    const left = this.child(slot, 0)
    const right = this.child(slot, 1)
    hash.load(0, this.page(left).words, this.digestWord(left))
    hash.load(1, this.page(right).words, this.digestWord(right))
  }

  /** Computes the digest of an inner node whose children have theirs: one hash. */
  hashInner(hash: InnerHash, slot: number): void {
    this.loadChildren(hash, slot)
    hash.digest(this.page(slot), this.digestWord(slot))
    this.markDigested(slot)
  }

  /** Computes the digest of an extension whose child has its own: one hash for each level. */
  hashExtension(hash: InnerHash, slot: number): void {
    const child = this.link(slot)
    const source = this.page(child).words
    const page = this.page(slot)
    const from = this.digestWord(child)
    const to = this.digestWord(slot)
    for (let i = 0; i < DIGEST_SIZE / 4; i++) page.words[to + i] = source[from + i] ?? 0
    hash.fold(page, to, this.path(slot), this.start(slot), this.end(slot))
    this.markDigested(slot)
  }

  /** Writes the encoding of an extension, whose child has its digest, into `target` of 99 zero bytes. */
  writeExtension(target: Uint8Array, slot: number): void {
    const { bytes } = this.page(slot)
    const at = (slot & PAGE_MASK) * SLOT_SIZE
    target[0] = EXTENSION_TAG
    target[1] = this.start(slot)
    target[2] = this.end(slot)
    copyBytes(bytes, at + PATH_AT, target, 3, PATH_SIZE)
    const child = this.link(slot)
    const source = this.page(child).bytes
    const childAt = (child & PAGE_MASK) * SLOT_SIZE
    copyBytes(source, childAt, target, 3 + PATH_SIZE, DIGEST_SIZE)
    copyBytes(source, childAt + HASH_SIZE, target, 3 + PATH_SIZE + DIGEST_SIZE, TAIL_SIZE)
  }

  #byte(slot: number, at: number): number {
    return this.page(slot).bytes[(slot & PAGE_MASK) * SLOT_SIZE + at] ?? 0
  }

  #setByte(slot: number, at: number, value: number): void {
    this.page(slot).bytes[(slot & PAGE_MASK) * SLOT_SIZE + at] = value
  }

  #grow(): void {
    if (this.#capacity < PAGE_SLOTS) {
      const page = makePage(this.#capacity * 2)
      page.bytes.set(this.page(0).bytes)
      this.#pages[0] = page
      this.#capacity *= 2
    } else {
      this.#pages.push(makePage(PAGE_SLOTS))
      this.#capacity += PAGE_SLOTS
    }
  }
}
