/** Proofs against the vectors: proving, compact form, gob bytes and verdicts, in memory and from a store. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { proofNeeds, proveClosest } from "../../../domain/smst/ClosestProof.ts"
import { compact, type CompactProof, decompact } from "../../../domain/smst/CompactProof.ts"
import * as GobProof from "../../../domain/smst/GobProof.ts"
import { verify } from "../../../domain/smst/ProofVerification.ts"
import { Trie } from "../../../domain/smst/Trie.ts"
import { hex, loadVectors, toHex } from "../../vectors/load.ts"
import { NodeStore } from "./nodeStore.ts"

interface ProofVector {
  readonly path_hex: string
  readonly flipped_bits: ReadonlyArray<number>
  readonly depth: number
  readonly closest_path_hex: string
  readonly closest_value_hash_hex: string
  readonly side_nodes_hex: ReadonlyArray<string>
  readonly sibling_data_hex: string
  readonly compact: {
    readonly path_hex: string
    readonly flipped_bits_hex: ReadonlyArray<string>
    readonly depth_hex: string
    readonly closest_path_hex: string
    readonly closest_value_hash_hex: string
    readonly side_nodes_hex: ReadonlyArray<string>
    readonly non_membership_leaf_data_hex: string
    readonly bit_mask_hex: string
    readonly num_side_nodes: number
    readonly sibling_data_hex: string
  }
  readonly bytes_hex: string
  readonly verify: string
  readonly value_hex: string
}

interface ProofCase {
  readonly name: string
  readonly leaves: ReadonlyArray<{ readonly key_hex: string; readonly value_hex?: string; readonly weight: string }>
  readonly root_hex: string
  readonly proofs: ReadonlyArray<ProofVector>
  readonly corrupted: ReadonlyArray<{
    readonly what: string
    readonly bytes_hex: string
    readonly root_hex: string
    readonly verify: "true" | "false" | "error" | "undecodable" | "panic"
  }>
}

const build = (leaves: ProofCase["leaves"]) => {
  const trie = Trie.empty()
  const store = new NodeStore()
  for (const leaf of leaves) {
    Result.getOrThrow(trie.update(hex(leaf.key_hex), hex(leaf.value_hex), BigInt(leaf.weight)))
  }
  store.apply(trie.commit())
  return { trie, store }
}

/** Proves as a caller with a remote store does: only what was asked for is known. */
const prove = (trie: Trie, store: NodeStore, path: Uint8Array) => {
  const known = new NodeStore()
  let rounds = 0
  for (; ; rounds++) {
    const needs = Result.getOrThrow(proofNeeds(trie, path, known.read))
    if (needs.length === 0) break
    known.write(needs.map((digest) => ({ digest, encoding: store.read(digest)! })))
  }
  return { proof: Result.getOrThrow(proveClosest(trie, path, known.read)), rounds }
}

const compactHex = (proof: CompactProof): ProofVector["compact"] => ({
  path_hex: toHex(proof.path),
  flipped_bits_hex: proof.flippedBits.map(toHex),
  depth_hex: toHex(proof.depth),
  closest_path_hex: toHex(proof.closestPath),
  closest_value_hash_hex: toHex(proof.closestValueHash),
  side_nodes_hex: proof.closestProof!.sideNodes.map(toHex),
  non_membership_leaf_data_hex: toHex(proof.closestProof!.nonMembershipLeafData),
  bit_mask_hex: toHex(proof.closestProof!.bitMask),
  num_side_nodes: proof.closestProof!.numSideNodes,
  sibling_data_hex: toHex(proof.closestProof!.siblingData)
})

const verdict = (bytes: Uint8Array, root: Uint8Array) => {
  const decoded = GobProof.decode(bytes)
  if (Result.isFailure(decoded)) return "undecodable"
  return Result.match(verify(decoded.success, root), { onFailure: () => "error", onSuccess: String })
}

const checkProof = (trie: Trie, store: NodeStore, vector: ProofVector, root: Uint8Array) => {
  const { proof } = prove(trie, store, hex(vector.path_hex))
  assert.deepStrictEqual(
    {
      path_hex: toHex(proof.path),
      flipped_bits: proof.flippedBits,
      depth: proof.depth,
      closest_path_hex: toHex(proof.closestPath),
      closest_value_hash_hex: toHex(proof.closestValueHash),
      side_nodes_hex: proof.sideNodes.map(toHex),
      sibling_data_hex: toHex(proof.siblingData)
    },
    {
      path_hex: vector.path_hex,
      flipped_bits: vector.flipped_bits,
      depth: vector.depth,
      closest_path_hex: vector.closest_path_hex,
      closest_value_hash_hex: vector.closest_value_hash_hex,
      side_nodes_hex: vector.side_nodes_hex,
      sibling_data_hex: vector.sibling_data_hex
    }
  )
  assert.strictEqual(toHex(proof.closestValueHash.slice(0, -16)), vector.value_hex)
  const short = compact(proof)
  assert.deepStrictEqual(compactHex(short), vector.compact)
  assert.deepStrictEqual(Result.getOrThrow(decompact(short)), proof)
  const bytes = GobProof.encode(short)
  assert.strictEqual(toHex(bytes), vector.bytes_hex)
  assert.deepStrictEqual(Result.getOrThrow(GobProof.decode(bytes)), short)
  assert.strictEqual(verdict(bytes, root), vector.verify)
}

describe("proof vectors", () => {
  const cases = loadVectors<ReadonlyArray<ProofCase>>("smst-proofs")

  it.each(cases)("proves, encodes and verifies $name", ({ leaves, root_hex, proofs }) => {
    const { trie, store } = build(leaves)
    assert.strictEqual(toHex(trie.root()), root_hex)
    for (const vector of proofs) checkProof(trie, store, vector, trie.root())
  })

  it.each(cases)("proves $name from the root and the store alone", ({ leaves, root_hex, proofs }) => {
    const { trie, store } = build(leaves)
    assert.strictEqual(toHex(trie.root()), root_hex)
    for (const vector of proofs) checkProof(Trie.open(hex(root_hex)), store, vector, hex(root_hex))
  })

  it.each(cases)("judges the altered proofs of $name as the chain does", ({ corrupted }) => {
    for (const { what, bytes_hex, root_hex, verify: expected } of corrupted) {
      const refused = expected === "panic" ? "error" : expected
      assert.strictEqual(verdict(hex(bytes_hex), hex(root_hex)), refused, what)
    }
  })

  it("encodes the first proof that a fresh Go process marshals", () => {
    const { leaves, root_hex, proof } = loadVectors<Omit<ProofCase, "proofs"> & { readonly proof: ProofVector }>(
      "smst-gob-first"
    )
    const { trie, store } = build(leaves)
    assert.strictEqual(toHex(trie.root()), root_hex)
    checkProof(trie, store, proof, trie.root())
  })

  it("asks a trie in memory for one round of nodes, leaf and neighbour", () => {
    const { leaves, proofs } = cases.find(({ name }) => name === "thousand leaves 0")!
    const { trie, store } = build(leaves)
    for (const vector of proofs) assert.strictEqual(prove(trie, store, hex(vector.path_hex)).rounds, 1)
  })

  it.each(cases)("leaves the path as it is where it is a Node Buffer, in $name", ({ leaves, proofs }) => {
    const { trie, store } = build(leaves)
    for (const { path_hex } of proofs) {
      const path = Buffer.from(path_hex, "hex")
      const { proof } = prove(trie, store, path)
      assert.strictEqual(toHex(proof.path), path_hex)
      verify(compact({ ...proof, path }), trie.root())
      assert.strictEqual(toHex(path), path_hex)
    }
  })
})
