/**
 * Leaves and nodes of tries in the thread. Leaves are written once, in runs; where a leaf of a given digest lies is found
 * through an index in memory, made when a session is opened, so that a commit writes nothing but its leaves in a row.
 */
import type { DatabaseSync } from "node:sqlite"
import { DIGEST_SIZE, LEAF_TAG } from "../../domain/smst/TrieSpec.ts"
import { bytesOf, integerOf } from "./SqliteRow.ts"
import type { SqliteUndo } from "./SqliteUndo.ts"

/** Leaves indexed in memory over all tries, near 150 bytes each; the trie used longest ago is dropped beyond it. */
const INDEXED_LEAVES = 1_000_000
/** Rows of ended tries deleted in one step, which holds up other calls for some 10 ms. */
const SWEPT_ROWS = 1_000

/** Numbers of a trie's leaves by digest, one char for each byte. */
type LeafIndex = Map<string, number>

/** Tries by number. */
export class SqliteTries {
  readonly #undo: SqliteUndo
  /** In order of use. */
  readonly #indexes = new Map<number, LeafIndex>()
  #indexed = 0
  #nextLeaf: number
  #ended: number
  readonly #insertTrie
  readonly #insertLeaf
  readonly #insertRun
  readonly #runsFrom
  readonly #leaf
  readonly #node
  readonly #nodesWith
  readonly #putNode
  readonly #removeNode
  readonly #removeLeaf
  readonly #end
  readonly #anyEnded
  readonly #oneRun
  readonly #sweepLeaves
  readonly #removeRun
  readonly #sweepNodes
  readonly #removeTrie

  constructor(database: DatabaseSync, undo: SqliteUndo) {
    this.#undo = undo
    const last = database.prepare("SELECT first_leaf, digests FROM leaf_run ORDER BY first_leaf DESC LIMIT 1").get()
    this.#nextLeaf =
      last === undefined ? 1 : integerOf(last, "first_leaf") + bytesOf(last, "digests").length / DIGEST_SIZE
    this.#ended = integerOf(database.prepare("SELECT count(*) AS n FROM trie WHERE ended = 1").get() ?? {}, "n")
    this.#insertTrie = database.prepare("INSERT INTO trie (ended) VALUES (0)")
    this.#insertLeaf = database.prepare("INSERT INTO leaf (no, encoding) VALUES (?, ?)")
    this.#insertRun = database.prepare("INSERT INTO leaf_run (first_leaf, trie, place, digests) VALUES (?, ?, ?, ?)")
    this.#runsFrom = database.prepare(
      "SELECT first_leaf, place, digests FROM leaf_run WHERE trie = ?1 AND place >= ifnull((SELECT max(place) FROM leaf_run WHERE trie = ?1 AND place <= ?2), 0) ORDER BY place"
    )
    this.#leaf = database.prepare("SELECT encoding FROM leaf WHERE no = ?")
    this.#node = database.prepare("SELECT encoding FROM node WHERE trie = ? AND digest = ?")
    this.#nodesWith = database.prepare(
      "SELECT digest, encoding FROM node WHERE trie = ? AND substr(encoding, 1, 1) = ?"
    )
    this.#putNode = database.prepare("INSERT OR REPLACE INTO node (trie, digest, encoding) VALUES (?, ?, ?)")
    this.#removeNode = database.prepare("DELETE FROM node WHERE trie = ? AND digest = ?")
    this.#removeLeaf = database.prepare("DELETE FROM leaf WHERE no = ?")
    this.#end = database.prepare("UPDATE trie SET ended = 1 WHERE no = ?")
    this.#anyEnded = database.prepare("SELECT no FROM trie WHERE ended = 1 LIMIT 1")
    this.#oneRun = database.prepare("SELECT first_leaf, digests FROM leaf_run WHERE trie = ? LIMIT 1")
    this.#sweepLeaves = database.prepare(
      "DELETE FROM leaf WHERE no IN (SELECT no FROM leaf WHERE no BETWEEN ? AND ? LIMIT ?)"
    )
    this.#removeRun = database.prepare("DELETE FROM leaf_run WHERE first_leaf = ?")
    this.#sweepNodes = database.prepare(
      "DELETE FROM node WHERE trie = ?1 AND digest IN (SELECT digest FROM node WHERE trie = ?1 LIMIT ?2)"
    )
    this.#removeTrie = database.prepare("DELETE FROM trie WHERE no = ?")
  }

  /** Leaves indexed in memory, and tries that wait to be deleted. */
  get fill(): { readonly indexedLeaves: number; readonly endedTries: number } {
    return { indexedLeaves: this.#indexed, endedTries: this.#ended }
  }

  /** An empty trie; its number. */
  make(): number {
    return Number(this.#insertTrie.run().lastInsertRowid)
  }

  /** Appends a commit's leaves behind `place` leaves; `digests` are all of theirs in a row. */
  addLeaves(trie: number, place: number, digests: Uint8Array, encodings: ReadonlyArray<Uint8Array>): void {
    if (encodings.length === 0) return
    const first = this.#nextLeaf
    this.#insertRun.run(first, trie, place, digests)
    for (const [index, encoding] of encodings.entries()) this.#insertLeaf.run(first + index, encoding)
    this.#nextLeaf = first + encodings.length
    this.#undo.add(() => (this.#nextLeaf = first))
    const index = this.#indexes.get(trie)
    if (index === undefined) return
    this.#indexRun(index, first, digests)
    this.#undo.add(() => this.#dropIndex(trie))
  }

  /** Digests of the leaves from `place` on, in the order of their commits. */
  digestsFrom(trie: number, place: number): ReadonlyArray<Uint8Array> {
    return this.#runsFrom.all(trie, place).flatMap((row) => {
      const digests = bytesOf(row, "digests")
      const skipped = Math.max(0, place - integerOf(row, "place"))
      return digestsIn(digests).slice(skipped)
    })
  }

  /** The encoding of each digest, empty for one that is not stored. */
  read(trie: number, digests: ReadonlyArray<Uint8Array>): ReadonlyArray<Uint8Array> {
    const index = this.#indexOf(trie)
    return digests.map((digest) => {
      const no = index.get(keyOf(digest))
      const row = (no === undefined ? undefined : this.#leaf.get(no)) ?? this.#node.get(trie, digest)
      return row === undefined ? NOTHING : bytesOf(row, "encoding")
    })
  }

  /** Digest and encoding of every stored leaf, one after the other. */
  leaves(trie: number): ReadonlyArray<Uint8Array> {
    const leaves = this.#nodesWith
      .all(trie, Uint8Array.of(LEAF_TAG))
      .flatMap((row) => [bytesOf(row, "digest"), bytesOf(row, "encoding")])
    const seen = new Set<string>()
    for (const run of this.#runsFrom.all(trie, 0)) {
      const first = integerOf(run, "first_leaf")
      for (const [index, digest] of digestsIn(bytesOf(run, "digests")).entries()) {
        const row = this.#leaf.get(first + index)
        if (row === undefined || seen.has(keyOf(digest))) continue
        seen.add(keyOf(digest))
        leaves.push(digest, bytesOf(row, "encoding"))
      }
    }
    return leaves
  }

  /** Stores nodes; `bytes` are digest and encoding of each, one after the other. */
  write(trie: number, bytes: ReadonlyArray<Uint8Array>): void {
    // In the order of the table, so that neighbours go into one page.
    const nodes = Array.from({ length: bytes.length >> 1 }, (_, index) => index * 2).sort((a, b) =>
      compareBytes(bytes[a] ?? NOTHING, bytes[b] ?? NOTHING)
    )
    for (const at of nodes) this.#putNode.run(trie, bytes[at] ?? NOTHING, bytes[at + 1] ?? NOTHING)
  }

  /** Removes nodes and leaves; those that are not stored are ignored. */
  remove(trie: number, digests: ReadonlyArray<Uint8Array>): void {
    for (const digest of digests) {
      if (this.#removeNode.run(trie, digest).changes > 0) continue
      const no = this.#indexOf(trie).get(keyOf(digest))
      if (no !== undefined) this.#removeLeaf.run(no)
    }
  }

  /** Gives the trie up: its rows are deleted by `sweep`. */
  end(trie: number): void {
    this.#end.run(trie)
    this.#ended++
    this.#undo.add(() => this.#ended--)
    this.#dropIndex(trie)
  }

  /** Deletes some rows of an ended trie; whether there may be more. In a transaction of its own. */
  sweep(): boolean {
    const ended = this.#anyEnded.get()
    if (ended === undefined) return false
    const trie = integerOf(ended, "no")
    const run = this.#oneRun.get(trie)
    if (run !== undefined) {
      const first = integerOf(run, "first_leaf")
      const last = first + bytesOf(run, "digests").length / DIGEST_SIZE - 1
      if (this.#sweepLeaves.run(first, last, SWEPT_ROWS).changes < SWEPT_ROWS) this.#removeRun.run(first)
      return true
    }
    if (this.#sweepNodes.run(trie, SWEPT_ROWS).changes > 0) return true
    this.#removeTrie.run(trie)
    this.#ended--
    this.#undo.add(() => this.#ended++)
    return this.#ended > 0
  }

  #indexOf(trie: number): LeafIndex {
    const known = this.#indexes.get(trie)
    this.#indexes.delete(trie)
    const index: LeafIndex = known ?? new Map()
    this.#indexes.set(trie, index)
    if (known === undefined) {
      for (const run of this.#runsFrom.all(trie, 0)) {
        this.#indexRun(index, integerOf(run, "first_leaf"), bytesOf(run, "digests"))
      }
      for (const oldest of this.#indexes.keys()) {
        if (this.#indexed <= INDEXED_LEAVES || oldest === trie) break
        this.#dropIndex(oldest)
      }
      // Made of rows that may not stay.
      this.#undo.add(() => this.#dropIndex(trie))
    }
    return index
  }

  #indexRun(index: LeafIndex, first: number, digests: Uint8Array): void {
    const before = index.size
    for (const [offset, digest] of digestsIn(digests).entries()) index.set(keyOf(digest), first + offset)
    this.#indexed += index.size - before
  }

  #dropIndex(trie: number): void {
    this.#indexed -= this.#indexes.get(trie)?.size ?? 0
    this.#indexes.delete(trie)
  }
}

const NOTHING = new Uint8Array(0)

const digestsIn = (run: Uint8Array): ReadonlyArray<Uint8Array> =>
  Array.from({ length: run.length / DIGEST_SIZE }, (_, index) =>
    run.subarray(index * DIGEST_SIZE, (index + 1) * DIGEST_SIZE)
  )

const keyOf = (digest: Uint8Array): string =>
  Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString("latin1")

const compareBytes = (a: Uint8Array, b: Uint8Array): number => Buffer.compare(a, b)
