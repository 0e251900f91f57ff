/** The nodes of a trie that are known by their digest alone: what is waited for, and what takes its place once it is read. */
import { Result, Schema } from "effect"
import type { Sha256 } from "../crypto/Sha256.ts"
import { digestKey } from "./DigestList.ts"
import { EMPTY, EXTENSION, INNER, LEAF, type NodeArena, STUB } from "./NodeArena.ts"
import { CorruptNode, readNode } from "./TrieNode.ts"
import { isEmptyDigest } from "./TrieSpec.ts"

/** The operation needs a node that is still in the store. The trie is unchanged; resolve the node and repeat. */
export class UnresolvedNode extends Schema.TaggedError<UnresolvedNode>()("UnresolvedNode", {
  /** The 48-byte digest of the node. */
  digest: Schema.Uint8Array
}) {
  override get message(): string {
    return "a trie node needed here has not been read from the store"
  }
}

/** The stubs among the nodes of one trie. */
export class TrieStubs {
  readonly #arena: NodeArena
  readonly #sha256: Sha256
  #count = 0
  /** Stubs that were asked for, by digest. */
  readonly #awaited = new Map<string, Array<number>>()

  constructor(arena: NodeArena, sha256: Sha256) {
    this.#arena = arena
    this.#sha256 = sha256
  }

  /** Whether any node is still in the store alone. */
  get isAny(): boolean {
    return this.#count > 0
  }

  /** A slot for the stored node with this digest, whose path begins at `depth`; the empty node for the empty digest. */
  make(digest: Uint8Array, depth: number): number {
    if (isEmptyDigest(digest)) return EMPTY
    const arena = this.#arena
    const slot = arena.allocate(STUB)
    arena.setDigest(slot, digest)
    arena.markStored(slot)
    arena.setLink(slot, depth)
    this.#count++
    return slot
  }

  /** Notes that a stub is waited for, and returns its digest. */
  await(slot: number): Uint8Array {
    const digest = this.#arena.digest(slot)
    const key = digestKey(digest)
    const slots = this.#awaited.get(key)
    if (slots === undefined) this.#awaited.set(key, [slot])
    else if (!slots.includes(slot)) slots.push(slot)
    return digest
  }

  /** The failure of an operation that a stub is in the way of. */
  unresolved(slot: number): UnresolvedNode {
    return new UnresolvedNode({ digest: this.await(slot) })
  }

  /** Puts a node that was asked for in the place of its stubs; one that was not is ignored. */
  resolve(digest: Uint8Array, encoding: Uint8Array): Result.Result<void, CorruptNode> {
    const key = digestKey(digest)
    const slots = this.#awaited.get(key)
    if (slots === undefined) return Result.void
    const read = readNode(digest, encoding, this.#sha256)
    if (Result.isFailure(read)) return Result.fail(read.failure)
    const arena = this.#arena
    const node = read.success
    // The digest does not cover where an extension starts.
    if (node.kind === "extension" && slots.some((slot) => arena.link(slot) !== node.start)) {
      return Result.fail(new CorruptNode({ digest, length: encoding.length, reason: "depth" }))
    }
    for (const slot of slots) {
      const depth = arena.link(slot)
      switch (node.kind) {
        case "leaf":
          arena.setKind(slot, LEAF)
          arena.setPath(slot, node.path)
          break
        case "inner":
          arena.setKind(slot, INNER)
          arena.setChild(slot, 0, this.make(node.left, depth + 1))
          arena.setChild(slot, 1, this.make(node.right, depth + 1))
          break
        case "extension":
          arena.setKind(slot, EXTENSION)
          arena.setPath(slot, node.path)
          arena.setBounds(slot, node.start, node.end)
          arena.setLink(slot, this.make(node.child, node.end))
          break
      }
      this.#count--
    }
    this.#awaited.delete(key)
    return Result.void
  }
}
