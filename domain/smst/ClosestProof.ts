/**
 * Proof of the leaf closest to a path, read from a trie whose nodes and values may still be in a store.
 * Source: smt v0.14.1 `smt.go`, ProveClosest.
 */
import { Result, Schema } from "effect"
import type { ClosestProof } from "./CompactProof.ts"
import type { Trie } from "./Trie.ts"
import { CorruptNode, readNode } from "./TrieNode.ts"
import { bitOf, emptyDigest, isEmptyDigest, PATH_SIZE } from "./TrieSpec.ts"

/** Answers with the encoding stored under a 48-byte digest, or undefined if it has not been read. */
export type StoredNode = (digest: Uint8Array) => Uint8Array | undefined

/** A proof cannot be made from what is at hand. */
export class ProofUnavailable extends Schema.TaggedError<ProofUnavailable>()("ProofUnavailable", {
  /**
   * `path_size`: the path is not 32 bytes. `node_missing`: a node that `proofNeeds` names is not known.
   * `no_leaf`: deletions left one-armed nodes that lead to no leaf.
   */
  reason: Schema.Literals(["path_size", "node_missing", "no_leaf"])
}) {
  override get message(): string {
    return this.reason === "path_size"
      ? "invalid path does not match path hasher size"
      : `no closest proof can be made (${this.reason})`
  }
}

/**
 * Digests of the nodes that proving `path` still needs and `storedNode` does not know. Read them, make `storedNode`
 * know them and repeat until there are none; then `proveClosest` succeeds. A trie in memory needs one round (leaf and
 * neighbour), one opened from its root a round for each level. The trie does not keep what is read here.
 */
export const proofNeeds = (
  trie: Trie,
  path: Uint8Array,
  storedNode: StoredNode
): Result.Result<ReadonlyArray<Uint8Array>, ProofUnavailable | CorruptNode> =>
  Result.map(walk(trie, path, storedNode), (way) => (way.kind === "needs" ? way.digests : []))

/**
 * Proves the leaf closest to `path` (32 bytes) under the present root: at each level the path's side, or the other one
 * where that is empty. An empty trie has a proof too, with 48 zero bytes as its closest path.
 */
export const proveClosest = (
  trie: Trie,
  path: Uint8Array,
  storedNode: StoredNode
): Result.Result<ClosestProof, ProofUnavailable | CorruptNode> =>
  Result.flatMap(walk(trie, path, storedNode), (way) =>
    way.kind === "needs" ? Result.fail(new ProofUnavailable({ reason: "node_missing" })) : Result.succeed(way.proof)
  )

/** Place of a node: a slot of the trie, or the digest of a node that is only in the store. */
type Place = number | Uint8Array

/** One node on the way, wherever it comes from. */
type Step =
  | { readonly kind: "empty" }
  | { readonly kind: "needs"; readonly digest: Uint8Array }
  | { readonly kind: "leaf"; readonly path: Uint8Array }
  | { readonly kind: "inner"; readonly left: Place; readonly right: Place }
  | {
      readonly kind: "extension"
      readonly start: number
      readonly end: number
      readonly path: Uint8Array
      readonly child: Place
    }

type Way =
  | { readonly kind: "needs"; readonly digests: ReadonlyArray<Uint8Array> }
  | { readonly kind: "proof"; readonly proof: ClosestProof }

const needs = (...digests: ReadonlyArray<Uint8Array>): Result.Result<Way, never> =>
  Result.succeed({ kind: "needs", digests })

const empty = new Uint8Array(0)

const walk = (
  trie: Trie,
  path: Uint8Array,
  storedNode: StoredNode
): Result.Result<Way, ProofUnavailable | CorruptNode> => {
  if (path.length !== PATH_SIZE) return Result.fail(new ProofUnavailable({ reason: "path_size" }))
  // Not `slice`, which is a view where the path is a Buffer.
  const turned = Uint8Array.from(path)
  const flippedBits: Array<number> = []
  const sideNodes: Array<Uint8Array> = []
  const flip = (bit: number) => {
    turned[bit >> 3] = (turned[bit >> 3] ?? 0) ^ (0x80 >> (bit & 7))
    flippedBits.push(bit)
  }
  let place: Place = trie.rootPlace
  let sibling: Place | undefined
  let depth = 0
  for (;;) {
    const found = lookAt(trie, place, depth, storedNode)
    if (Result.isFailure(found)) return Result.fail(found.failure)
    const step: Step = found.success
    switch (step.kind) {
      case "needs":
        return needs(step.digest)
      case "empty":
        if (depth > 0) return Result.fail(new ProofUnavailable({ reason: "no_leaf" }))
        return Result.succeed({ kind: "proof", proof: { ...emptyTrieProof, path: Uint8Array.from(path) } })
      case "extension":
        for (let bit = step.start; bit < step.end; bit++) {
          if (bitOf(turned, bit) !== bitOf(step.path, bit)) flip(bit)
          sideNodes.push(emptyDigest())
        }
        depth = step.end
        place = step.child
        break
      case "inner": {
        const children = [step.left, step.right] as const
        if (isEmptyPlace(children[bitOf(turned, depth)])) flip(depth)
        const side = bitOf(turned, depth)
        sibling = children[side === 0 ? 1 : 0]
        sideNodes.push(digestAt(trie, sibling))
        place = children[side]
        depth++
        break
      }
      case "leaf": {
        const leafDigest = digestAt(trie, place)
        const leaf = encodingAt(trie, place, storedNode)
        const neighbour = sibling === undefined ? empty : encodingAt(trie, sibling, storedNode)
        const missing: Array<Uint8Array> = []
        if (leaf === undefined) missing.push(leafDigest)
        if (neighbour === undefined && sibling !== undefined) missing.push(digestAt(trie, sibling))
        if (leaf === undefined || neighbour === undefined) return needs(...missing)
        const value = readNode(leafDigest, leaf, trie.sha256)
        if (Result.isFailure(value)) return Result.fail(value.failure)
        if (sibling !== undefined && neighbour.length > 0) {
          const checked = readNode(digestAt(trie, sibling), neighbour, trie.sha256)
          if (Result.isFailure(checked)) return Result.fail(checked.failure)
        }
        return Result.succeed({
          kind: "proof",
          proof: {
            path: Uint8Array.from(path),
            flippedBits,
            depth,
            closestPath: step.path,
            closestValueHash: leaf.slice(1 + PATH_SIZE),
            sideNodes: sideNodes.reverse(),
            nonMembershipLeafData: empty,
            siblingData: neighbour
          }
        })
      }
    }
  }
}

const emptyTrieProof: Omit<ClosestProof, "path"> = {
  flippedBits: [0],
  depth: 0,
  closestPath: emptyDigest(),
  closestValueHash: empty,
  sideNodes: [],
  nonMembershipLeafData: empty,
  siblingData: empty
}

const lookAt = (trie: Trie, place: Place, depth: number, storedNode: StoredNode): Result.Result<Step, CorruptNode> => {
  if (typeof place === "number") {
    const view = trie.view(place)
    return view.kind === "stub" ? lookAt(trie, trie.digestAt(place), depth, storedNode) : Result.succeed(view)
  }
  if (isEmptyDigest(place)) return Result.succeed({ kind: "empty" })
  const encoding = storedNode(place)
  if (encoding === undefined) return Result.succeed({ kind: "needs", digest: place })
  const read = readNode(place, encoding, trie.sha256)
  if (Result.isSuccess(read) && read.success.kind === "extension" && read.success.start !== depth) {
    return Result.fail(new CorruptNode({ digest: place, length: encoding.length, reason: "depth" }))
  }
  return read
}

const isEmptyPlace = (place: Place): boolean => (typeof place === "number" ? place === 0 : isEmptyDigest(place))

const digestAt = (trie: Trie, place: Place): Uint8Array => (typeof place === "number" ? trie.digestAt(place) : place)

/** Encoding of a node, empty for the empty one, undefined if it has to be read first. */
const encodingAt = (trie: Trie, place: Place, storedNode: StoredNode): Uint8Array | undefined => {
  if (isEmptyPlace(place)) return empty
  if (typeof place !== "number") return storedNode(place)
  return trie.encodingAt(place) ?? storedNode(trie.digestAt(place))
}
