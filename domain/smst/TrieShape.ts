/**
 * How leaves enter a trie and leave it: the nodes above them are made, moved and dropped here, and what the store has of
 * them is noted to be deleted. All nodes on the way are in memory (`Trie` looks before it changes anything).
 * Same shapes as smt v0.14.1 `smt.go`.
 */
import { DigestList, digestKey } from "./DigestList.ts"
import { firstToTheRight, type LeafBatch } from "./LeafBatch.ts"
import { EMPTY, EXTENSION, INNER, LEAF, type NodeArena } from "./NodeArena.ts"
import { PATH_BITS } from "./TrieSpec.ts"
import { Uint64 } from "./Uint64.ts"

/** Changes the nodes of one trie; `root` is the node they hang under before and after. */
export class TrieShape {
  readonly #arena: NodeArena
  /** Sum of the weights, modulo 2^64. */
  readonly sum = new Uint64()
  /** Number of leaves, modulo 2^64. */
  readonly count = new Uint64()
  /** Encodings of leaves that have not been handed out, by slot. */
  readonly encodings = new Map<number, Uint8Array>()
  /** Number of changes so far; tells a caller up the recursion whether anything below it changed. */
  #revision = 0
  /** Digests of stored nodes that are no longer part of the trie. */
  readonly #orphans = new DigestList()
  /** Whether a node with the digest of an orphan may have come back: after a replacement or deletion only. */
  #mayReturn = false

  constructor(arena: NodeArena) {
    this.#arena = arena
  }

  /** Whether the store has nodes that no longer belong to the trie. */
  get hasOrphans(): boolean {
    return this.#orphans.length > 0
  }

  /** Inserts the leaves of a batch and notes what became of each; returns the new root. */
  insert(root: number, batch: LeafBatch): number {
    return this.#insertRange(root, 0, batch, 0, batch.slots.length)
  }

  /** Takes the leaf in slot `leaf` out; returns the new root. */
  remove(root: number, leaf: number): number {
    const replacement = this.#remove(root, 0, leaf)
    this.#revision++
    this.#mayReturn = true
    return replacement
  }

  /** Nodes that are written are not deleted. Can only matter after a replacement or a deletion. */
  keep(writes: ReadonlyArray<{ readonly digest: Uint8Array }>): void {
    if (!this.#mayReturn || writes.length === 0 || this.#orphans.length === 0) return
    this.#orphans.remove(new Set(writes.map(({ digest }) => digestKey(digest))))
  }

  /** At most `limit` digests of orphans, which are handed out once. */
  takeOrphans(limit: number): Array<Uint8Array> {
    const digests = this.#orphans.take(limit)
    if (this.#orphans.length === 0) this.#mayReturn = false
    return digests
  }

  /** Inserts the leaves at positions `from` to `to` (exclusive) below `node`; returns what takes its place. */
  #insertRange(node: number, depth: number, batch: LeafBatch, from: number, to: number): number {
    const arena = this.#arena
    const revision = this.#revision
    const kind = arena.kind(node)
    if (kind === INNER && to - from > 1) {
      const middle = firstToTheRight(arena, batch, depth, from, to)
      const left = arena.child(node, 0)
      const right = arena.child(node, 1)
      const newLeft = middle > from ? this.#insertRange(left, depth + 1, batch, from, middle) : left
      const newRight = to > middle ? this.#insertRange(right, depth + 1, batch, middle, to) : right
      if (this.#revision !== revision) {
        this.#retire(node)
        arena.setChild(node, 0, newLeft)
        arena.setChild(node, 1, newRight)
      }
      return node
    }
    if (kind === EXTENSION && to - from > 1) {
      const end = arena.end(node)
      const first = arena.firstDifference(node, batch.slots[from] ?? EMPTY, depth)
      const last = arena.firstDifference(node, batch.slots[to - 1] ?? EMPTY, depth)
      // The batch is sorted: what its first and last leaf have in common, all between them share.
      if (first >= end && last >= end) {
        const child = this.#insertRange(arena.link(node), end, batch, from, to)
        if (this.#revision !== revision) {
          this.#retire(node)
          arena.setLink(node, child)
        }
        return node
      }
    }
    let replacement = node
    for (let position = from; position < to; position++) {
      replacement = this.#insert(replacement, depth, batch, position)
    }
    return replacement
  }

  /** Inserts one leaf below `node`; returns what takes its place. */
  #insert(node: number, depth: number, batch: LeafBatch, position: number): number {
    const arena = this.#arena
    const leaf = batch.slots[position] ?? EMPTY
    switch (arena.kind(node)) {
      case EMPTY:
        arena.addTotals(leaf, this.sum, this.count)
        this.#revision++
        return leaf
      case LEAF:
        return this.#insertAtLeaf(node, depth, batch, position)
      case INNER: {
        const side = arena.pathBit(leaf, depth)
        const revision = this.#revision
        const child = this.#insert(arena.child(node, side), depth + 1, batch, position)
        if (this.#revision !== revision) {
          this.#retire(node)
          arena.setChild(node, side, child)
        }
        return node
      }
      case EXTENSION: {
        const end = arena.end(node)
        const difference = arena.firstDifference(node, leaf, depth)
        if (difference < end) return this.#splitExtension(node, difference, leaf)
        const revision = this.#revision
        const child = this.#insert(arena.link(node), end, batch, position)
        if (this.#revision !== revision) {
          this.#retire(node)
          arena.setLink(node, child)
        }
        return node
      }
      default:
        return unresolvedDefect()
    }
  }

  #insertAtLeaf(node: number, depth: number, batch: LeafBatch, position: number): number {
    const arena = this.#arena
    const leaf = batch.slots[position] ?? EMPTY
    const difference = arena.firstDifference(node, leaf, depth)
    if (difference < PATH_BITS) {
      arena.addTotals(leaf, this.sum, this.count)
      this.#revision++
      return this.#join(leaf, node, difference, depth, leaf)
    }
    const index = batch.indexes[position] ?? 0
    if (arena.digestsEqual(node, leaf)) {
      batch.outcomes[index] = "duplicate"
      return node
    }
    batch.outcomes[index] = "replaced"
    this.#dropLeaf(node)
    arena.addTotals(leaf, this.sum, this.count)
    this.#revision++
    this.#mayReturn = true
    return leaf
  }

  /** Puts a leaf beside the part of an extension from which its path departs at `difference`. */
  #splitExtension(node: number, difference: number, leaf: number): number {
    const arena = this.#arena
    const start = arena.start(node)
    const end = arena.end(node)
    const child = arena.link(node)
    const below = difference === end - 1 ? child : this.#extend(difference + 1, end, node, child)
    arena.addTotals(leaf, this.sum, this.count)
    this.#revision++
    const inner = this.#join(leaf, below, difference, start, node)
    this.#retire(node)
    arena.release(node)
    return inner
  }

  /**
   * An inner node at `depth` with `leaf` on its side and `other` on the other one, below an extension from `start` along
   * the path of `along` if the node does not begin there.
   */
  #join(leaf: number, other: number, depth: number, start: number, along: number): number {
    const arena = this.#arena
    const inner = arena.allocate(INNER)
    const side = arena.pathBit(leaf, depth)
    arena.setChild(inner, side, leaf)
    arena.setChild(inner, 1 - side, other)
    return depth === start ? inner : this.#extend(start, depth, along, inner)
  }

  #extend(start: number, end: number, along: number, child: number): number {
    const arena = this.#arena
    const extension = arena.allocate(EXTENSION)
    arena.copyPath(along, extension)
    arena.setBounds(extension, start, end)
    arena.setLink(extension, child)
    return extension
  }

  /** Takes the leaf in slot `leaf` out below `node`; returns what takes its place. All nodes on the way are resolved. */
  #remove(node: number, depth: number, leaf: number): number {
    const arena = this.#arena
    switch (arena.kind(node)) {
      case LEAF:
        this.#dropLeaf(node)
        return EMPTY
      case EXTENSION: {
        const child = this.#remove(arena.link(node), arena.end(node), leaf)
        this.#retire(node)
        const kind = arena.kind(child)
        if (kind !== LEAF && kind !== EXTENSION) {
          arena.setLink(node, child)
          return node
        }
        if (kind === EXTENSION) {
          this.#retire(child)
          arena.setBounds(child, arena.start(node), arena.end(child))
        }
        arena.release(node)
        return child
      }
      case INNER: {
        const side = arena.pathBit(leaf, depth)
        const child = this.#remove(arena.child(node, side), depth + 1, leaf)
        const sibling = arena.child(node, 1 - side)
        this.#retire(node)
        const only = child === EMPTY ? sibling : sibling === EMPTY ? child : EMPTY
        const kind = arena.kind(only)
        if (kind === LEAF) {
          arena.release(node)
          return only
        }
        if (kind === EXTENSION) {
          this.#retire(only)
          arena.setBounds(only, arena.start(only) - 1, arena.end(only))
          arena.release(node)
          return only
        }
        arena.setChild(node, side, child)
        return node
      }
      default:
        return unresolvedDefect()
    }
  }

  /** Takes a leaf out of totals and memory; the store's copy becomes an orphan. */
  #dropLeaf(leaf: number): void {
    const arena = this.#arena
    arena.subtractTotals(leaf, this.sum, this.count)
    this.encodings.delete(leaf)
    this.#retire(leaf)
    arena.release(leaf)
  }

  /** Before a node changes or goes: the store's copy becomes an orphan, the digest is forgotten. */
  #retire(node: number): void {
    const arena = this.#arena
    if (arena.isStored(node)) this.#orphans.add(arena.page(node).words, arena.digestWord(node))
    arena.markDirty(node)
  }
}

/** The way was checked before the change began, so this is unreachable. */
const unresolvedDefect = (): never => {
  throw new Error("a trie node was not resolved before a change")
}
