/**
 * Suppliers as the thread knows them: number, place in the log, and fence. Fences, replicas and announcements live in
 * memory: whoever has the file is alone, so those of an earlier process are over. Times are of the monotonic clock.
 */
import type { DatabaseSync } from "node:sqlite"
import type { Fenced, LogPlace } from "./SqliteCalls.ts"
import { integerOf, textOf } from "./SqliteRow.ts"
import type { SqliteUndo } from "./SqliteUndo.ts"

/** No entry yet. */
export const NOWHERE: LogPlace = { time: 0, sequence: 0 }

/** The present owner. */
interface Fence {
  readonly nonce: string
  /** Monotonic millisecond from which it is none. */
  readonly expiresAt: number
}

/** One supplier. Entries and bytes are those of its log. */
export interface SqliteSupplier {
  readonly no: number
  readonly address: string
  epoch: number
  fence: Fence | undefined
  lastGenerated: LogPlace
  lastDelivered: LogPlace
  /** Entries after this sequence are handed out next. */
  position: number
  /** Nonce of the owner that was handed entries last. */
  reader: string | undefined
  entries: number
  bytes: number
}

/** The nonce is not the fence: nothing was written. */
export class FenceLost extends Error {}

/** All suppliers of the file. */
export class SqliteSuppliers {
  readonly #byAddress = new Map<string, SqliteSupplier>()
  readonly #replicas = new Map<string, number>()
  readonly #undo: SqliteUndo
  readonly #insert
  readonly #setEpoch
  readonly #setPlace
  /** Suppliers whose last place is not written yet. */
  readonly #moved = new Set<SqliteSupplier>()

  constructor(database: DatabaseSync, undo: SqliteUndo) {
    this.#undo = undo
    this.#insert = database.prepare(
      "INSERT INTO supplier (address, epoch, last_time, last_sequence) VALUES (?, 0, 0, 0)"
    )
    this.#setEpoch = database.prepare("UPDATE supplier SET epoch = ? WHERE no = ?")
    this.#setPlace = database.prepare("UPDATE supplier SET last_time = ?, last_sequence = ? WHERE no = ?")
    const logs = new Map(
      database
        .prepare("SELECT supplier, count(*) AS entries, sum(bytes) AS bytes FROM entry GROUP BY supplier")
        .all()
        .map((row) => [integerOf(row, "supplier"), row])
    )
    for (const row of database.prepare("SELECT no, address, epoch, last_time, last_sequence FROM supplier").all()) {
      const no = integerOf(row, "no")
      const log = logs.get(no)
      const lastGenerated = { time: integerOf(row, "last_time"), sequence: integerOf(row, "last_sequence") }
      this.#byAddress.set(textOf(row, "address"), {
        no,
        address: textOf(row, "address"),
        epoch: integerOf(row, "epoch"),
        fence: undefined,
        lastGenerated,
        // What an earlier process had taken and not settled is there still, and is handed out first.
        lastDelivered: log === undefined ? lastGenerated : NOWHERE,
        position: 0,
        reader: undefined,
        entries: log === undefined ? 0 : integerOf(log, "entries"),
        bytes: log === undefined ? 0 : integerOf(log, "bytes")
      })
    }
  }

  /** Every supplier that was ever written to. */
  get all(): Iterable<SqliteSupplier> {
    return this.#byAddress.values()
  }

  /** The supplier, if anything is stored of it. */
  find(address: string): SqliteSupplier | undefined {
    return this.#byAddress.get(address)
  }

  /** The supplier, with a row of its own. */
  make(address: string): SqliteSupplier {
    const known = this.#byAddress.get(address)
    if (known !== undefined) return known
    const supplier: SqliteSupplier = {
      no: Number(this.#insert.run(address).lastInsertRowid),
      address,
      epoch: 0,
      fence: undefined,
      lastGenerated: NOWHERE,
      lastDelivered: NOWHERE,
      position: 0,
      reader: undefined,
      entries: 0,
      bytes: 0
    }
    this.#byAddress.set(address, supplier)
    this.#undo.add(() => this.#byAddress.delete(address))
    return supplier
  }

  /** The supplier, if the nonce is its fence now; throws `FenceLost`. */
  owned(fenced: Fenced): SqliteSupplier {
    const supplier = this.#held(fenced)
    if (supplier === undefined) throw new FenceLost()
    return supplier
  }

  /** Takes a supplier that nobody holds; its epoch, or nothing. */
  acquire({ supplier: address, nonce, life }: Fenced & { readonly life: number }): number | null {
    const supplier = this.make(address)
    if (this.#fence(supplier) !== undefined) return null
    const { epoch } = supplier
    this.#setEpoch.run(epoch + 1, supplier.no)
    supplier.epoch = epoch + 1
    this.#undo.add(() => (supplier.epoch = epoch))
    this.#setFence(supplier, { nonce, expiresAt: performance.now() + life })
    return supplier.epoch
  }

  /** A full life from now; false when it is not held with this nonce. */
  renew(fenced: Fenced, life: number): boolean {
    const supplier = this.#held(fenced)
    if (supplier === undefined) return false
    this.#setFence(supplier, { nonce: fenced.nonce, expiresAt: performance.now() + life })
    return true
  }

  /** Gives it up, if it is held with this nonce. */
  release(fenced: Fenced): void {
    const supplier = this.#held(fenced)
    if (supplier !== undefined) this.#setFence(supplier, undefined)
  }

  /** A replica lives so long from now. */
  announce(owner: string, life: number): void {
    this.#replicas.set(owner, performance.now() + life)
  }

  /** A replica wants no share any more. */
  withdraw(owner: string): void {
    this.#replicas.delete(owner)
  }

  /** Replicas that live, ascending. */
  replicas(): ReadonlyArray<string> {
    const now = performance.now()
    for (const [owner, expiresAt] of this.#replicas) if (expiresAt <= now) this.#replicas.delete(owner)
    return [...this.#replicas.keys()].sort()
  }

  /** The log of the supplier reaches to `place` now; written at the end of the transaction. */
  moveTo(supplier: SqliteSupplier, place: LogPlace): void {
    const before = supplier.lastGenerated
    supplier.lastGenerated = place
    this.#moved.add(supplier)
    this.#undo.add(() => (supplier.lastGenerated = before))
  }

  /** Writes the places that moved; last in the transaction. */
  flush(): void {
    for (const { lastGenerated, no } of this.#moved) this.#setPlace.run(lastGenerated.time, lastGenerated.sequence, no)
    this.#moved.clear()
  }

  /** The supplier, if the nonce is its fence now. */
  #held({ supplier: address, nonce }: Fenced): SqliteSupplier | undefined {
    const supplier = this.#byAddress.get(address)
    return supplier !== undefined && this.#fence(supplier)?.nonce === nonce ? supplier : undefined
  }

  #fence(supplier: SqliteSupplier): Fence | undefined {
    return supplier.fence !== undefined && supplier.fence.expiresAt > performance.now() ? supplier.fence : undefined
  }

  #setFence(supplier: SqliteSupplier, fence: Fence | undefined): void {
    const before = supplier.fence
    supplier.fence = fence
    this.#undo.add(() => (supplier.fence = before))
  }
}
