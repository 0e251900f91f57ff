/** Cached values and sets in the thread. Their lives are of the wall clock, as they outlast the process. */
import type { DatabaseSync } from "node:sqlite"
import { bytesEqual } from "../../domain/smst/TrieSpec.ts"
import type { RequestOf } from "./SqliteCalls.ts"
import { bytesOf, integerOf, textOf } from "./SqliteRow.ts"
import type { SqliteUndo } from "./SqliteUndo.ts"

/** Values by key, bounded; sets by key. */
export class SqliteCache {
  readonly #undo: SqliteUndo
  #values: number
  #next: number
  readonly #find
  readonly #put
  readonly #remove
  readonly #dropOldest
  readonly #members
  readonly #addMember
  readonly #removeMember

  constructor(database: DatabaseSync, undo: SqliteUndo) {
    this.#undo = undo
    const facts = database.prepare("SELECT count(*) AS n, ifnull(max(no), 0) AS last FROM cache").get() ?? {}
    this.#values = integerOf(facts, "n")
    this.#next = integerOf(facts, "last") + 1
    this.#find = database.prepare("SELECT value FROM cache WHERE key = ? AND (expires_at IS NULL OR expires_at > ?)")
    this.#put = database.prepare("INSERT INTO cache (key, no, expires_at, value) VALUES (?, ?, ?, ?)")
    this.#remove = database.prepare("DELETE FROM cache WHERE key = ?")
    this.#dropOldest = database.prepare("DELETE FROM cache WHERE no IN (SELECT no FROM cache ORDER BY no LIMIT ?)")
    this.#members = database.prepare("SELECT member FROM cache_member WHERE key = ?")
    this.#addMember = database.prepare("INSERT INTO cache_member (key, member) VALUES (?, ?) ON CONFLICT DO NOTHING")
    this.#removeMember = database.prepare("DELETE FROM cache_member WHERE key = ? AND member = ?")
  }

  /** Values kept, ended ones that nobody asked for included. */
  get size(): number {
    return this.#values
  }

  get(key: string): Uint8Array | undefined {
    const row = this.#find.get(key, Date.now())
    return row === undefined ? undefined : bytesOf(row, "value")
  }

  /** Whether it was set. The value set longest ago goes when there are more than `capacity`. */
  set({ capacity, key, life, onlyIfAbsent }: RequestOf<"cacheSet">, value: Uint8Array): boolean {
    if (onlyIfAbsent && this.get(key) !== undefined) return false
    this.remove(key)
    this.#put.run(key, this.#next++, life === null ? null : Math.ceil(Date.now() + life), value)
    this.#grow(1)
    if (this.#values > capacity) this.#grow(-Number(this.#dropOldest.run(this.#values - capacity).changes))
    return true
  }

  remove(key: string): void {
    this.#grow(-Number(this.#remove.run(key).changes))
  }

  /** Whether it was these bytes and is gone now. */
  removeIf(key: string, value: Uint8Array): boolean {
    const found = this.get(key)
    if (found === undefined || !bytesEqual(found, value)) return false
    this.remove(key)
    return true
  }

  members(key: string): ReadonlyArray<string> {
    return this.#members.all(key).map((row) => textOf(row, "member"))
  }

  changeMembers({ add, key, remove }: RequestOf<"cacheChangeMembers">): void {
    for (const member of add) this.#addMember.run(key, member)
    for (const member of remove) this.#removeMember.run(key, member)
  }

  #grow(values: number): void {
    if (values === 0) return
    this.#values += values
    this.#undo.add(() => (this.#values -= values))
  }
}
