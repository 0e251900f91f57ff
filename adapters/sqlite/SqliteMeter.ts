/** Counters of applications' claimable shares in the thread. */
import type { DatabaseSync } from "node:sqlite"
import type { MeterName, RequestOf } from "./SqliteCalls.ts"
import { integerOf, textOf } from "./SqliteRow.ts"
import type { SqliteUndo } from "./SqliteUndo.ts"

/** A counter is dropped once a session that ends so many blocks later is served: no grace is longer. */
const KEPT_BLOCKS = 10_000n

/** Counters by session and supplier, in uPOKT. */
export class SqliteMeter {
  readonly #undo: SqliteUndo
  #counters: number
  #newestEnd: bigint
  readonly #find
  readonly #put
  readonly #set
  readonly #drop
  readonly #dropEnded
  readonly #dropOldest

  constructor(database: DatabaseSync, undo: SqliteUndo) {
    this.#undo = undo
    const facts = database
      .prepare("SELECT count(*) AS n, CAST(ifnull(max(session_end), 0) AS TEXT) AS newest FROM meter")
      .get()
    this.#counters = integerOf(facts ?? {}, "n")
    this.#newestEnd = BigInt(textOf(facts ?? {}, "newest"))
    this.#find = database.prepare("SELECT consumed FROM meter WHERE session = ? AND supplier = ?")
    this.#put = database.prepare("INSERT INTO meter (session, supplier, session_end, consumed) VALUES (?, ?, ?, ?)")
    this.#set = database.prepare("UPDATE meter SET consumed = ? WHERE session = ? AND supplier = ?")
    this.#drop = database.prepare("DELETE FROM meter WHERE session = ? AND supplier = ?")
    this.#dropEnded = database.prepare("DELETE FROM meter WHERE session_end < ?")
    this.#dropOldest = database.prepare(
      "DELETE FROM meter WHERE rowid IN (SELECT rowid FROM meter ORDER BY session_end, rowid LIMIT ?)"
    )
  }

  /** Counters kept. */
  get size(): number {
    return this.#counters
  }

  take({ capacity, session, supplier, ...request }: RequestOf<"meterTake">): string {
    const [unit, wanted, limit, sessionEnd] = [request.unit, request.wanted, request.limit, request.sessionEnd].map(
      BigInt
    ) as [bigint, bigint, bigint, bigint] // as many as were given
    const before = this.#consumed({ session, supplier })
    const room = limit - (before ?? 0n)
    const most = wanted < room ? wanted : room
    if (unit <= 0n || most < unit) return "0"
    const taken = (most / unit) * unit
    const consumed = String((before ?? 0n) + taken)
    if (before !== undefined) this.#set.run(consumed, session, supplier)
    else {
      this.#put.run(session, supplier, sessionEnd, consumed)
      this.#grow(1)
      this.#makeRoom(sessionEnd, capacity)
    }
    return String(taken)
  }

  /** A counter that was dropped is not begun again by what comes back late. */
  giveBack({ amount, ...name }: RequestOf<"meterGiveBack">): void {
    const consumed = this.#consumed(name)
    const back = BigInt(amount)
    if (consumed === undefined || back <= 0n) return
    this.#set.run(String(consumed > back ? consumed - back : 0n), name.session, name.supplier)
  }

  consumed(name: MeterName): string {
    return String(this.#consumed(name) ?? 0n)
  }

  drop({ session, supplier }: MeterName): void {
    this.#grow(-Number(this.#drop.run(session, supplier).changes))
  }

  #consumed({ session, supplier }: MeterName): bigint | undefined {
    const row = this.#find.get(session, supplier)
    return row === undefined ? undefined : BigInt(textOf(row, "consumed"))
  }

  /** Counters of sessions long ended go, and beyond the capacity those that end first. */
  #makeRoom(sessionEnd: bigint, capacity: number): void {
    if (sessionEnd > this.#newestEnd) {
      const newest = this.#newestEnd
      this.#undo.add(() => (this.#newestEnd = newest))
      this.#newestEnd = sessionEnd
      this.#grow(-Number(this.#dropEnded.run(sessionEnd - KEPT_BLOCKS).changes))
    }
    if (this.#counters > capacity) this.#grow(-Number(this.#dropOldest.run(this.#counters - capacity).changes))
  }

  #grow(counters: number): void {
    this.#counters += counters
    this.#undo.add(() => (this.#counters -= counters))
  }
}
