/** Sessions and intents in the thread: each write checks the fence, then its own rule, then changes everything or nothing. */
import type { DatabaseSync } from "node:sqlite"
import { bytesEqual, DIGEST_SIZE } from "../../domain/smst/TrieSpec.ts"
import type { Answer, Calls, RequestOf, SessionRow, ValueOf } from "./SqliteCalls.ts"
import type { SqliteLog } from "./SqliteLog.ts"
import { bytesOf, integerOf, optionalBytesOf, type Row, textOf } from "./SqliteRow.ts"
import type { SqliteSupplier, SqliteSuppliers } from "./SqliteSuppliers.ts"
import type { SqliteTries } from "./SqliteTries.ts"

type Bytes = ReadonlyArray<Uint8Array>

/** What a session is before its first commit, and what its row says later. */
interface Stored {
  readonly no: number
  readonly version: number
  readonly trie: number
  readonly root: Uint8Array
  readonly count: string
  readonly sum: string
  readonly liveRoot: Uint8Array | null
  readonly sealedRoot: Uint8Array | null
  /** Leaves ever stored in this trie, those that its checkpoint covers, events. */
  readonly leaves: number
  readonly covered: number
  readonly events: number
}

/** Sessions of all suppliers. */
export class SqliteSessions {
  readonly #suppliers: SqliteSuppliers
  readonly #log: SqliteLog
  readonly #tries: SqliteTries
  readonly #find
  readonly #ids
  readonly #insert
  readonly #update
  readonly #clear
  readonly #remove
  readonly #addEvent
  readonly #eventsOf
  readonly #addIntent
  readonly #intentsOf
  readonly #dropIntent

  constructor(database: DatabaseSync, suppliers: SqliteSuppliers, log: SqliteLog, tries: SqliteTries) {
    this.#suppliers = suppliers
    this.#log = log
    this.#tries = tries
    this.#find = database.prepare("SELECT * FROM session WHERE supplier = ? AND id = ?")
    this.#ids = database.prepare("SELECT id FROM session WHERE supplier = ? ORDER BY id")
    this.#insert = database.prepare(
      "INSERT INTO session (supplier, id, version, trie, root, count, sum, leaves, covered, events) VALUES (?, ?, 0, ?, zeroblob(48), '0', '0', 0, 0, 0)"
    )
    this.#update = database.prepare(
      "UPDATE session SET version = ?, root = ?, count = ?, sum = ?, live_root = ?, sealed_root = ?, leaves = ?, covered = ?, events = ? WHERE no = ?"
    )
    this.#clear = database.prepare(
      "UPDATE session SET trie = ?, live_root = NULL, leaves = 0, covered = 0 WHERE no = ?"
    )
    this.#remove = database.prepare("DELETE FROM session WHERE no = ?")
    this.#addEvent = database.prepare("INSERT INTO event (session, place, json) VALUES (?, ?, ?)")
    this.#eventsOf = database.prepare("SELECT json FROM event WHERE session = ? ORDER BY place")
    this.#addIntent = database.prepare(
      "INSERT INTO intent (supplier, tx_hash, json, tx) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
    )
    this.#intentsOf = database.prepare("SELECT json, tx FROM intent WHERE supplier = ? ORDER BY no")
    this.#dropIntent = database.prepare("DELETE FROM intent WHERE supplier = ? AND tx_hash = ?")
  }

  sessions({ supplier }: RequestOf<"sessions">): ReadonlyArray<string> {
    const found = this.#suppliers.find(supplier)
    return found === undefined ? [] : this.#ids.all(found.no).map((row) => textOf(row, "id"))
  }

  load({ session, supplier }: RequestOf<"load">): Answer<SessionRow | null> {
    const stored = this.#stored(this.#suppliers.find(supplier), session)
    if (stored === undefined) return { value: null, bytes: [] }
    return {
      value: {
        version: stored.version,
        count: stored.count,
        sum: stored.sum,
        events: this.#eventsOf.all(stored.no).map((row) => textOf(row, "json")),
        hasLiveRoot: stored.liveRoot !== null
      },
      bytes: [stored.root, stored.liveRoot ?? NOTHING, ...this.#tries.digestsFrom(stored.trie, stored.covered)]
    }
  }

  readNodes({ session, supplier }: RequestOf<"readNodes">, digests: Bytes): Bytes {
    const stored = this.#stored(this.#suppliers.find(supplier), session)
    return stored === undefined ? digests.map(() => NOTHING) : this.#tries.read(stored.trie, digests)
  }

  readLeaves({ session, supplier }: RequestOf<"readLeaves">): Bytes {
    const stored = this.#stored(this.#suppliers.find(supplier), session)
    return stored === undefined ? [] : this.#tries.leaves(stored.trie)
  }

  commit(
    commit: RequestOf<"commit">,
    [root = NOTHING, liveRoot = NOTHING, sealedRoot = NOTHING, digests = NOTHING, ...encodings]: Bytes
  ): Calls["commit"]["value"] {
    const supplier = this.#suppliers.owned(commit)
    const found = this.#stored(supplier, commit.session)
    const refused = refusal(found ?? unstored, commit, root, liveRoot)
    if (refused !== undefined) return { refused, storedVersion: found?.version ?? 0 }
    const stored = found ?? this.#create(supplier, commit.session)
    this.#tries.addLeaves(stored.trie, stored.leaves, digests, encodings)
    for (const [index, json] of commit.events.entries()) this.#addEvent.run(stored.no, stored.events + index, json)
    this.#update.run(
      stored.version + 1,
      root,
      commit.count,
      commit.sum,
      commit.tailCovered === null ? stored.liveRoot : liveRoot,
      commit.seals ? sealedRoot : stored.sealedRoot,
      stored.leaves + encodings.length,
      stored.covered + (commit.tailCovered ?? 0),
      stored.events + commit.events.length,
      stored.no
    )
    this.#log.acknowledge(supplier, commit.acknowledged)
    return null
  }

  writeNodes({ session, ...fenced }: RequestOf<"writeNodes">, nodes: Bytes): void {
    const stored = this.#stored(this.#suppliers.owned(fenced), session)
    if (stored !== undefined) this.#tries.write(stored.trie, nodes)
  }

  deleteNodes({ session, ...fenced }: RequestOf<"deleteNodes">, digests: Bytes): void {
    const stored = this.#stored(this.#suppliers.owned(fenced), session)
    if (stored !== undefined) this.#tries.remove(stored.trie, digests)
  }

  /** Empties the session's trie: it gets a new one. */
  dropNodes({ session, ...fenced }: RequestOf<"dropNodes">): void {
    const stored = this.#stored(this.#suppliers.owned(fenced), session)
    if (stored === undefined) return
    this.#clear.run(this.#tries.make(), stored.no)
    this.#tries.end(stored.trie)
  }

  forget({ session, ...fenced }: RequestOf<"forget">): void {
    const stored = this.#stored(this.#suppliers.owned(fenced), session)
    if (stored === undefined) return
    this.#remove.run(stored.no)
    this.#tries.end(stored.trie)
  }

  /** The first session that is not sealed with its root, or nothing once the intent is stored. */
  saveIntent(intent: RequestOf<"saveIntent">, bytes: Bytes): string | null {
    const supplier = this.#suppliers.owned(intent)
    for (const [index, session] of intent.sessions.entries()) {
      const sealed = this.#stored(supplier, session)?.sealedRoot
      if (sealed === undefined || sealed === null || !bytesEqual(sealed, bytes[index] ?? NOTHING)) return session
    }
    this.#addIntent.run(supplier.no, intent.txHash, intent.json, bytes[intent.sessions.length] ?? NOTHING)
    return null
  }

  intents({ supplier }: RequestOf<"intents">): Answer<ValueOf<"intents">> {
    const found = this.#suppliers.find(supplier)
    const rows = found === undefined ? [] : this.#intentsOf.all(found.no)
    return { value: rows.map((row) => textOf(row, "json")), bytes: rows.map((row) => bytesOf(row, "tx")) }
  }

  dropIntent({ txHash, ...fenced }: RequestOf<"dropIntent">): void {
    this.#dropIntent.run(this.#suppliers.owned(fenced).no, txHash)
  }

  #stored(supplier: SqliteSupplier | undefined, session: string): Stored | undefined {
    const row = supplier === undefined ? undefined : this.#find.get(supplier.no, session)
    return row === undefined ? undefined : storedIn(row)
  }

  #create(supplier: SqliteSupplier, session: string): Stored {
    const trie = this.#tries.make()
    const no = Number(this.#insert.run(supplier.no, session, trie).lastInsertRowid)
    return { ...unstored, no, trie }
  }
}

const NOTHING = new Uint8Array(0)

const unstored: Stored = {
  no: 0,
  version: 0,
  trie: 0,
  root: new Uint8Array(DIGEST_SIZE),
  count: "0",
  sum: "0",
  liveRoot: null,
  sealedRoot: null,
  leaves: 0,
  covered: 0,
  events: 0
}

const storedIn = (row: Row): Stored => ({
  no: integerOf(row, "no"),
  version: integerOf(row, "version"),
  trie: integerOf(row, "trie"),
  root: bytesOf(row, "root"),
  count: textOf(row, "count"),
  sum: textOf(row, "sum"),
  liveRoot: optionalBytesOf(row, "live_root"),
  sealedRoot: optionalBytesOf(row, "sealed_root"),
  leaves: integerOf(row, "leaves"),
  covered: integerOf(row, "covered"),
  events: integerOf(row, "events")
})

/** Why the commit may not take effect, if so. */
const refusal = (
  stored: Stored,
  commit: RequestOf<"commit">,
  root: Uint8Array,
  liveRoot: Uint8Array
): "version" | "sealed" | "tail" | undefined => {
  if (commit.expectedVersion !== stored.version) return "version"
  const { sealedRoot } = stored
  if (sealedRoot !== null) {
    const touchesTrie =
      commit.leaves > 0 ||
      commit.seals ||
      commit.count !== stored.count ||
      commit.sum !== stored.sum ||
      !bytesEqual(root, stored.root) ||
      (commit.tailCovered !== null && !bytesEqual(liveRoot, sealedRoot))
    if (touchesTrie) return "sealed"
  }
  const covered = commit.tailCovered ?? 0
  return covered < 0 || covered > stored.leaves - stored.covered + commit.leaves ? "tail" : undefined
}
