/**
 * Leaves and nodes of tries in the thread. Everything is appended: leaves in a run for each commit, inner nodes in a run
 * for each chunk of a checkpoint, and so are the digests of those given up. Where a digest lies is found through an index
 * in memory, made when somebody reads: a trie that only grows costs no look-up and no random write.
 */
import type { DatabaseSync } from "node:sqlite"
import { DIGEST_SIZE, LEAF_TAG } from "../../domain/smst/TrieSpec.ts"
import { bytesOf, integerOf } from "./SqliteRow.ts"
import type { SqliteUndo } from "./SqliteUndo.ts"
import { digestKey, digestsIn, recordAt, recordsOf, TrieIndex } from "./TrieIndex.ts"

/** Leaves and nodes indexed over all tries; the trie used longest ago is dropped beyond it. */
const INDEXED = 1_000_000
/** Rows of ended tries deleted in one step, which holds up other calls for some 10 ms. */
const SWEPT_LEAVES = 1_000
const SWEPT_RUNS = 16
/** Bytes read for a node at first: every inner node fits. */
const NODE_BYTES = 128

/** Tries by number. */
export class SqliteTries {
  readonly #undo: SqliteUndo
  /** In order of use. */
  readonly #indexes = new Map<number, TrieIndex>()
  #indexed = 0
  #nextLeaf: number
  #ended: number
  readonly #insertTrie
  readonly #insertLeaf
  readonly #insertRun
  readonly #leafRuns
  readonly #leaf
  readonly #insertNodes
  readonly #nodeRuns
  readonly #node
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
    this.#leafRuns = database.prepare(
      "SELECT first_leaf, place, digests FROM leaf_run WHERE trie = ?1 AND place >= ifnull((SELECT max(place) FROM leaf_run WHERE trie = ?1 AND place <= ?2), 0) ORDER BY place"
    )
    this.#leaf = database.prepare("SELECT encoding FROM leaf WHERE no = ?")
    this.#insertNodes = database.prepare(
      "INSERT INTO node_run (trie, place, gone_before, digests, encodings) VALUES (?1, ifnull((SELECT max(place) FROM node_run WHERE trie = ?1), 0) + 1, ?2, ?3, ?4)"
    )
    this.#nodeRuns = database.prepare(
      "SELECT no, gone_before, digests, encodings FROM node_run WHERE trie = ? ORDER BY place"
    )
    this.#node = database.prepare("SELECT substr(encodings, ? + 1, ?) AS part FROM node_run WHERE no = ?")
    this.#end = database.prepare("UPDATE trie SET ended = 1 WHERE no = ?")
    this.#anyEnded = database.prepare("SELECT no FROM trie WHERE ended = 1 LIMIT 1")
    this.#oneRun = database.prepare("SELECT first_leaf, digests FROM leaf_run WHERE trie = ? LIMIT 1")
    this.#sweepLeaves = database.prepare(
      "DELETE FROM leaf WHERE no IN (SELECT no FROM leaf WHERE no BETWEEN ? AND ? LIMIT ?)"
    )
    this.#removeRun = database.prepare("DELETE FROM leaf_run WHERE first_leaf = ?")
    this.#sweepNodes = database.prepare(
      "DELETE FROM node_run WHERE no IN (SELECT no FROM node_run WHERE trie = ? LIMIT ?)"
    )
    this.#removeTrie = database.prepare("DELETE FROM trie WHERE no = ?")
  }

  /** Leaves and nodes indexed in memory, and tries that wait to be deleted. */
  get fill(): { readonly indexed: number; readonly endedTries: number } {
    return { indexed: this.#indexed, endedTries: this.#ended }
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
    this.#changeIndex(trie, (index) => index.addLeaves(first, digests))
  }

  /** Digests of the leaves from `place` on, in the order of their commits. */
  digestsFrom(trie: number, place: number): ReadonlyArray<Uint8Array> {
    return this.#leafRuns.all(trie, place).flatMap((row) => {
      const skipped = Math.max(0, place - integerOf(row, "place"))
      return digestsIn(bytesOf(row, "digests")).slice(skipped)
    })
  }

  /** The encoding of each digest, empty for one that is not stored. */
  read(trie: number, digests: ReadonlyArray<Uint8Array>): ReadonlyArray<Uint8Array> {
    const index = this.#indexOf(trie)
    return digests.map((digest) => {
      const place = index.find(digest)
      if (place === undefined) return NOTHING
      return place.kind === "leaf" ? this.#readLeaf(place.no) : this.#readNode(place.run, place.offset)
    })
  }

  /** Digest and encoding of every stored leaf, one after the other. */
  leaves(trie: number): ReadonlyArray<Uint8Array> {
    const index = this.#indexOf(trie)
    const leaves = new Map<string, readonly [digest: Uint8Array, encoding: Uint8Array]>()
    for (const run of this.#leafRuns.all(trie, 0)) {
      for (const digest of digestsIn(bytesOf(run, "digests"))) {
        const place = index.find(digest)
        if (place?.kind === "leaf") leaves.set(digestKey(digest), [digest, this.#readLeaf(place.no)])
      }
    }
    for (const run of this.#nodeRuns.all(trie)) {
      if (run["gone_before"] !== null) continue
      const encodings = bytesOf(run, "encodings")
      let offset = 0
      for (const digest of digestsIn(bytesOf(run, "digests"))) {
        const encoding = recordAt(encodings, offset)
        if (typeof encoding === "number") break
        offset = encoding.byteOffset + encoding.length - encodings.byteOffset
        if (encoding[0] === LEAF_TAG && index.find(digest) !== undefined) {
          leaves.set(digestKey(digest), [digest, encoding])
        }
      }
    }
    return [...leaves.values()].flat()
  }

  /** Stores nodes; `bytes` are digest and encoding of each, one after the other. */
  write(trie: number, bytes: ReadonlyArray<Uint8Array>): void {
    if (bytes.length === 0) return
    const digests = Buffer.concat(bytes.filter((_, index) => index % 2 === 0))
    const encodings = recordsOf(bytes.filter((_, index) => index % 2 === 1))
    const run = Number(this.#insertNodes.run(trie, null, digests, encodings).lastInsertRowid)
    this.#changeIndex(trie, (index) => index.addNodes(run, digests, encodings))
  }

  /** Gives nodes and leaves up; their bytes stay until the trie ends. Those that are not stored are passed over. */
  remove(trie: number, digests: ReadonlyArray<Uint8Array>): void {
    if (digests.length === 0) return
    const gone = Buffer.concat(digests)
    const next = this.#nextLeaf
    this.#insertNodes.run(trie, next, gone, NOTHING)
    this.#changeIndex(trie, (index) => index.remove(gone, next))
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
      if (this.#sweepLeaves.run(first, last, SWEPT_LEAVES).changes < SWEPT_LEAVES) this.#removeRun.run(first)
      return true
    }
    if (this.#sweepNodes.run(trie, SWEPT_RUNS).changes > 0) return true
    this.#removeTrie.run(trie)
    this.#ended--
    this.#undo.add(() => this.#ended++)
    return this.#ended > 0
  }

  #readLeaf(no: number): Uint8Array {
    const row = this.#leaf.get(no)
    return row === undefined ? NOTHING : bytesOf(row, "encoding")
  }

  #readNode(run: number, offset: number): Uint8Array {
    const part = (length: number) => {
      const row = this.#node.get(offset, length, run)
      return row === undefined ? NOTHING : bytesOf(row, "part")
    }
    const record = recordAt(part(NODE_BYTES), 0)
    if (typeof record !== "number") return record
    const whole = recordAt(part(record), 0)
    return typeof whole === "number" ? NOTHING : whole
  }

  /** Leaves given up come as nodes do, so runs of nodes are read last. */
  #indexOf(trie: number): TrieIndex {
    const known = this.#indexes.get(trie)
    this.#indexes.delete(trie)
    const index = known ?? new TrieIndex()
    this.#indexes.set(trie, index)
    if (known !== undefined) return known
    for (const run of this.#leafRuns.all(trie, 0))
      index.addLeaves(integerOf(run, "first_leaf"), bytesOf(run, "digests"))
    for (const run of this.#nodeRuns.iterate(trie)) {
      if (run["gone_before"] !== null) index.remove(bytesOf(run, "digests"), integerOf(run, "gone_before"))
      else index.addNodes(integerOf(run, "no"), bytesOf(run, "digests"), bytesOf(run, "encodings"))
    }
    this.#indexed += index.size
    for (const oldest of this.#indexes.keys()) {
      if (this.#indexed <= INDEXED || oldest === trie) break
      this.#dropIndex(oldest)
    }
    // Made of rows that may not stay.
    this.#undo.add(() => this.#dropIndex(trie))
    return index
  }

  #changeIndex(trie: number, change: (index: TrieIndex) => void): void {
    const index = this.#indexes.get(trie)
    if (index === undefined) return
    this.#indexed -= index.size
    change(index)
    this.#indexed += index.size
    this.#undo.add(() => this.#dropIndex(trie))
  }

  #dropIndex(trie: number): void {
    this.#indexed -= this.#indexes.get(trie)?.size ?? 0
    this.#indexes.delete(trie)
  }
}

const NOTHING = new Uint8Array(0)
