/**
 * The log of mined relays in the thread: entries stay until acknowledged. A cursor for each supplier says what is handed
 * out next; set back to the start, everything that is not acknowledged comes again, oldest first, before what is new.
 */
import type { DatabaseSync } from "node:sqlite"
import type { Answer, Calls, Fenced, LogFull, LogPlace, RequestOf, ValueOf } from "./SqliteCalls.ts"
import { bytesOf, integerOf, optionalTextOf, type Row, textOf } from "./SqliteRow.ts"
import type { SqliteSupplier, SqliteSuppliers } from "./SqliteSuppliers.ts"
import type { SqliteUndo } from "./SqliteUndo.ts"

/** Bytes of entries in one answer, beyond the first entry. */
const TAKEN_BYTES = 16_777_216

/** Log, entries set aside, and announcements of spools. */
export class SqliteLog {
  readonly #suppliers: SqliteSuppliers
  readonly #undo: SqliteUndo
  readonly #spools = new Map<string, { readonly lowest: bigint; readonly expiresAt: number }>()
  #sequence: number
  #aside: number
  readonly #insert
  readonly #after
  readonly #oldest
  readonly #range
  readonly #removeRange
  readonly #remove
  readonly #copyAside
  readonly #asideOf
  readonly #asideCount
  readonly #dropAside

  constructor(database: DatabaseSync, suppliers: SqliteSuppliers, undo: SqliteUndo) {
    this.#suppliers = suppliers
    this.#undo = undo
    this.#sequence = Math.max(0, ...Array.from(suppliers.all, ({ lastGenerated }) => lastGenerated.sequence))
    this.#aside = integerOf(database.prepare("SELECT count(*) AS n FROM aside").get() ?? {}, "n")
    this.#insert = database.prepare(
      "INSERT INTO entry (sequence, supplier, time, traceparent, bytes, data) VALUES (?, ?, ?, ?, ?, ?)"
    )
    this.#after = database.prepare(
      "SELECT sequence, time, traceparent, data FROM entry WHERE supplier = ? AND sequence > ? ORDER BY sequence LIMIT ?"
    )
    this.#oldest = database.prepare("SELECT sequence, time FROM entry WHERE supplier = ? ORDER BY sequence LIMIT 1")
    this.#range = database.prepare(
      "SELECT count(*) AS entries, ifnull(sum(bytes), 0) AS bytes FROM entry WHERE supplier = ? AND sequence BETWEEN ? AND ?"
    )
    this.#removeRange = database.prepare("DELETE FROM entry WHERE supplier = ? AND sequence BETWEEN ? AND ?")
    this.#remove = database.prepare("DELETE FROM entry WHERE sequence = ? AND supplier = ? RETURNING bytes")
    this.#copyAside = database.prepare(
      "INSERT INTO aside (supplier, sequence, time, traceparent, reason, data) SELECT supplier, sequence, time, traceparent, ?, data FROM entry WHERE sequence = ? AND supplier = ?"
    )
    this.#asideOf = database.prepare("SELECT sequence, time, reason FROM aside WHERE supplier = ? ORDER BY no")
    this.#asideCount = database.prepare("SELECT count(*) AS n FROM aside WHERE supplier = ?")
    this.#dropAside = database.prepare(
      "DELETE FROM aside WHERE no IN (SELECT no FROM aside WHERE supplier = ? ORDER BY no LIMIT ?)"
    )
  }

  /** Entries of all suppliers, and their bytes. */
  get fill(): { readonly log: number; readonly logBytes: number; readonly aside: number } {
    let log = 0
    let logBytes = 0
    for (const { bytes, entries } of this.#suppliers.all) {
      log += entries
      logBytes += bytes
    }
    return { log, logBytes, aside: this.#aside }
  }

  append(
    { bytesLimit, limit, supplier: address, traceparent }: RequestOf<"append">,
    [data = new Uint8Array()]: ReadonlyArray<Uint8Array>
  ): LogPlace | LogFull {
    const supplier = this.#suppliers.make(address)
    const { bytes, entries, lastGenerated } = supplier
    if (entries >= limit || bytes >= bytesLimit) return { entries, bytes }
    // A clock that goes back does not put an entry before its predecessor.
    const place = { time: Math.max(Date.now(), lastGenerated.time), sequence: this.#sequence + 1 }
    this.#insert.run(place.sequence, supplier.no, place.time, traceparent, data.length, data)
    this.#sequence = place.sequence
    this.#undo.add(() => (this.#sequence = place.sequence - 1))
    this.#suppliers.moveTo(supplier, place)
    this.#grow(supplier, 1, data.length)
    return place
  }

  announceSpool({ life, lowestSessionEnd, relayer }: RequestOf<"announceSpool">): void {
    if (lowestSessionEnd === null) this.#spools.delete(relayer)
    else this.#spools.set(relayer, { lowest: BigInt(lowestSessionEnd), expiresAt: performance.now() + life })
  }

  take({ max, ...fenced }: RequestOf<"take">): Answer<ValueOf<"take">> {
    const supplier = this.#suppliers.owned(fenced)
    const { lastDelivered, position, reader } = supplier
    this.#undo.add(() => Object.assign(supplier, { lastDelivered, position, reader }))
    if (fenced.nonce !== reader) {
      supplier.reader = fenced.nonce
      supplier.position = 0
    }
    const value: Array<LogPlace & { readonly traceparent: string | null }> = []
    const bytes: Array<Uint8Array> = []
    let size = 0
    for (const row of this.#after.iterate(supplier.no, supplier.position, Math.max(0, max))) {
      const data = bytesOf(row, "data")
      size += data.length
      if (value.length > 0 && size > TAKEN_BYTES) break
      value.push({ ...placeOf(row), traceparent: optionalTextOf(row, "traceparent") })
      bytes.push(data)
    }
    const last = value.at(-1)
    if (last !== undefined) {
      supplier.position = last.sequence
      if (last.sequence > supplier.lastDelivered.sequence) {
        supplier.lastDelivered = { time: last.time, sequence: last.sequence }
      }
    }
    return { value, bytes }
  }

  redeliver(fenced: Fenced): void {
    const supplier = this.#suppliers.owned(fenced)
    // What a later owner has not taken yet is due for it in any case.
    if (supplier.reader !== fenced.nonce) return
    const { position } = supplier
    this.#undo.add(() => (supplier.position = position))
    supplier.position = 0
  }

  backlog({ supplier: address }: RequestOf<"backlog">): Calls["backlog"]["value"] {
    const supplier = this.#suppliers.find(address)
    const oldest = supplier === undefined ? undefined : this.#oldest.get(supplier.no)
    const place = oldest === undefined ? undefined : placeOf(oldest)
    const nowhere = { time: 0, sequence: 0 }
    const lastDelivered = supplier?.lastDelivered ?? nowhere
    return {
      lastGenerated: supplier?.lastGenerated ?? nowhere,
      lastDelivered,
      oldestPending: place !== undefined && place.sequence <= lastDelivered.sequence ? place : null,
      lowestSpooledSessionEnd: this.#lowestSpooled()?.toString() ?? null
    }
  }

  /** Removes what was handed out, for good; the rest is passed over. */
  acknowledge(supplier: SqliteSupplier, sequences: ReadonlyArray<number>): void {
    const due = handedOut(supplier, sequences)
    const [first] = due
    const last = due.at(-1)
    if (first === undefined || last === undefined) return
    // A batch is mostly everything between its first and its last entry: one statement then.
    const range = this.#range.get(supplier.no, first, last) ?? {}
    if (integerOf(range, "entries") === due.length) {
      this.#removeRange.run(supplier.no, first, last)
      return this.#grow(supplier, -due.length, -integerOf(range, "bytes"))
    }
    for (const sequence of due) this.#removeOne(supplier, sequence)
  }

  setAside({ limit, reason, sequences, ...fenced }: RequestOf<"setAside">): void {
    const supplier = this.#suppliers.owned(fenced)
    for (const sequence of handedOut(supplier, sequences)) {
      this.#growAside(Number(this.#copyAside.run(reason, sequence, supplier.no).changes))
      this.#removeOne(supplier, sequence)
    }
    const beyond = integerOf(this.#asideCount.get(supplier.no) ?? {}, "n") - limit
    if (beyond > 0) this.#growAside(-Number(this.#dropAside.run(supplier.no, beyond).changes))
  }

  /** Entries set aside, oldest first. */
  aside({ supplier: address }: RequestOf<"aside">): ValueOf<"aside"> {
    const supplier = this.#suppliers.find(address)
    if (supplier === undefined) return []
    return this.#asideOf.all(supplier.no).map((row) => ({ ...placeOf(row), reason: textOf(row, "reason") }))
  }

  #removeOne(supplier: SqliteSupplier, sequence: number): void {
    const removed = this.#remove.get(sequence, supplier.no)
    if (removed !== undefined) this.#grow(supplier, -1, -integerOf(removed, "bytes"))
  }

  #lowestSpooled(): bigint | undefined {
    const now = performance.now()
    let lowest: bigint | undefined
    for (const [relayer, spool] of this.#spools) {
      if (spool.expiresAt <= now) this.#spools.delete(relayer)
      else if (lowest === undefined || spool.lowest < lowest) lowest = spool.lowest
    }
    return lowest
  }

  #grow(supplier: SqliteSupplier, entries: number, bytes: number): void {
    supplier.entries += entries
    supplier.bytes += bytes
    this.#undo.add(() => {
      supplier.entries -= entries
      supplier.bytes -= bytes
    })
  }

  #growAside(entries: number): void {
    this.#aside += entries
    this.#undo.add(() => (this.#aside -= entries))
  }
}

const placeOf = (row: Row): LogPlace => ({ time: integerOf(row, "time"), sequence: integerOf(row, "sequence") })

/** Each once, ascending. */
const handedOut = ({ lastDelivered }: SqliteSupplier, sequences: ReadonlyArray<number>): ReadonlyArray<number> =>
  [...new Set(sequences)].filter((sequence) => sequence <= lastDelivered.sequence).sort((a, b) => a - b)
