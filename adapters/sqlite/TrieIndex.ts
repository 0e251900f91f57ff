/** Where the leaves and nodes of one trie lie, by digest. In memory; made from the digests of its runs. */
import { DIGEST_SIZE } from "../../domain/smst/TrieSpec.ts"

/** Place of a leaf: its number. Place of a node: its run, and where its record begins in it. */
export type NodePlace =
  | { readonly kind: "leaf"; readonly no: number }
  | { readonly kind: "node"; readonly run: number; readonly offset: number }

/** Bytes in front of each encoding of a run: its length, big-endian. */
const HEAD = 4
/** Runs are below this size, so that ordinal and offset fit one number. */
const RUN_BYTES = 2 ** 32

/** One trie's. Numbers instead of objects: an entry takes near 120 bytes. */
export class TrieIndex {
  /** A leaf's number, or −1 − (ordinal of the run × `RUN_BYTES` + offset). */
  readonly #places = new Map<string, number>()
  readonly #runs: Array<number> = []

  /** Leaves and nodes in it. */
  get size(): number {
    return this.#places.size
  }

  /** Leaves with consecutive numbers from `first`. */
  addLeaves(first: number, digests: Uint8Array): void {
    for (const [index, digest] of digestsIn(digests).entries()) this.#places.set(digestKey(digest), first + index)
  }

  /** Nodes of the run with this number, in the order of their records. */
  addNodes(run: number, digests: Uint8Array, encodings: Uint8Array): void {
    const base = this.#runs.push(run) - 1
    let offset = 0
    for (const digest of digestsIn(digests)) {
      this.#places.set(digestKey(digest), -1 - (base * RUN_BYTES + offset))
      offset += HEAD + lengthAt(encodings, offset)
    }
  }

  /** Nodes that were given up, and leaves unless their number is `nextLeaf` or later: those were stored again. */
  remove(digests: Uint8Array, nextLeaf: number): void {
    for (const digest of digestsIn(digests)) {
      const key = digestKey(digest)
      if ((this.#places.get(key) ?? 0) < nextLeaf) this.#places.delete(key)
    }
  }

  /** Where the digest's encoding lies, if it is stored. */
  find(digest: Uint8Array): NodePlace | undefined {
    const place = this.#places.get(digestKey(digest))
    if (place === undefined || place >= 0) return place === undefined ? undefined : { kind: "leaf", no: place }
    const at = -1 - place
    return { kind: "node", run: this.#runs[Math.floor(at / RUN_BYTES)] ?? 0, offset: at % RUN_BYTES }
  }
}

/** Digests that lie one after the other. */
export const digestsIn = (run: Uint8Array): ReadonlyArray<Uint8Array> =>
  Array.from({ length: run.length / DIGEST_SIZE }, (_, index) =>
    run.subarray(index * DIGEST_SIZE, (index + 1) * DIGEST_SIZE)
  )

/** Encodings as records of a run. */
export const recordsOf = (encodings: ReadonlyArray<Uint8Array>): Uint8Array => {
  const records = Buffer.alloc(encodings.reduce((sum, { length }) => sum + HEAD + length, 0))
  let offset = 0
  for (const encoding of encodings) {
    offset = records.writeUInt32BE(encoding.length, offset)
    records.set(encoding, offset)
    offset += encoding.length
  }
  return records
}

/** The encoding of the record at `offset`, or how many bytes from there are needed to have it. */
export const recordAt = (bytes: Uint8Array, offset: number): Uint8Array | number => {
  const end = offset + HEAD + lengthAt(bytes, offset)
  return end > bytes.length ? end - offset : bytes.subarray(offset + HEAD, end)
}

/** Key of a digest: one char for each byte. Node's own decoder makes it in 0.15 µs. */
export const digestKey = (digest: Uint8Array): string =>
  Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString("latin1")

const lengthAt = (bytes: Uint8Array, offset: number): number =>
  new DataView(bytes.buffer, bytes.byteOffset).getUint32(offset)
