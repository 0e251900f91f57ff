/**
 * The database as the thread runs it: batches of calls, each batch one transaction and so one wait for the disk, whatever
 * number of callers it serves. A call that breaks is repeated alone, so that it takes no other with it.
 */
import type { DatabaseSync } from "node:sqlite"
import type { Answer, CallName, Calls, RequestOf, SentCall, SentOutcome, SqliteFill, ValueOf } from "./SqliteCalls.ts"
import { SqliteCache } from "./SqliteCache.ts"
import { SqliteLog } from "./SqliteLog.ts"
import { SqliteMeter } from "./SqliteMeter.ts"
import { integerOf } from "./SqliteRow.ts"
import { SqliteSessions } from "./SqliteSessions.ts"
import { FenceLost, SqliteSuppliers } from "./SqliteSuppliers.ts"
import { SqliteTries } from "./SqliteTries.ts"
import { SqliteUndo } from "./SqliteUndo.ts"

type Bytes = ReadonlyArray<Uint8Array>

/** How each call is done; the bytes are those of the request. */
type Handlers = {
  readonly [Name in CallName]: (request: RequestOf<Name>, bytes: Bytes) => Answer<ValueOf<Name>>
}

/** Free pages below which the file is left as it is, 8 MB; above, and above a quarter of the file, it is made smaller. */
const SPARE_PAGES = 1_024
/** Pages given back to the file system in one step. */
const RETURNED_PAGES = 256

/** An outcome with its bytes. */
export interface Done {
  readonly outcome: SentOutcome
  readonly bytes: Bytes
}

/** One open database. Not for two users at once. */
export class SqliteDatabase {
  readonly #undo = new SqliteUndo()
  readonly #handlers: Handlers
  readonly #suppliers: SqliteSuppliers
  readonly #log: SqliteLog
  readonly #tries: SqliteTries
  readonly #meter: SqliteMeter
  readonly #cache: SqliteCache
  readonly #begin
  readonly #commit
  readonly #rollback
  readonly #pages
  readonly #freePages
  readonly #shrink

  constructor(database: DatabaseSync) {
    this.#suppliers = new SqliteSuppliers(database, this.#undo)
    this.#log = new SqliteLog(database, this.#suppliers, this.#undo)
    this.#tries = new SqliteTries(database, this.#undo)
    this.#meter = new SqliteMeter(database, this.#undo)
    this.#cache = new SqliteCache(database, this.#undo)
    const sessions = new SqliteSessions(database, this.#suppliers, this.#log, this.#tries)
    this.#handlers = handlersOf(this.#suppliers, this.#log, sessions, this.#meter, this.#cache)
    this.#begin = database.prepare("BEGIN")
    this.#commit = database.prepare("COMMIT")
    this.#rollback = () => {
      // Some failures of the disk have ended the transaction already.
      if (database.isTransaction) database.exec("ROLLBACK")
      this.#undo.rollback()
    }
    this.#pages = database.prepare("PRAGMA page_count")
    this.#freePages = database.prepare("PRAGMA freelist_count")
    this.#shrink = () => database.exec(`PRAGMA incremental_vacuum(${RETURNED_PAGES})`)
  }

  /** How full the tables are. */
  get fill(): SqliteFill {
    return { ...this.#log.fill, ...this.#tries.fill, meters: this.#meter.size, cache: this.#cache.size }
  }

  /** Does the calls in order and returns once what they wrote is on the disk. */
  run(calls: ReadonlyArray<SentCall>, bytes: ReadonlyArray<Bytes>): ReadonlyArray<Done> {
    try {
      this.#begin.run()
      const done = calls.map(({ name, request }, index) => this.#do(name, request, bytes[index] ?? []))
      this.#suppliers.flush()
      this.#commit.run()
      this.#undo.commit()
      return done
    } catch (cause) {
      this.#rollback()
      return calls.length === 1
        ? [{ outcome: { kind: "failed", cause: String(cause) }, bytes: [] }]
        : calls.flatMap((call, index) => this.run([call], [bytes[index] ?? []]))
    }
  }

  /** One step of what can wait: rows of ended tries, then free pages. Whether there is more of it. */
  tidy(): boolean {
    try {
      this.#begin.run()
      const more = this.#tries.sweep()
      this.#commit.run()
      this.#undo.commit()
      if (more) return true
      const free = integerOf(this.#freePages.get() ?? {}, "freelist_count")
      if (free < SPARE_PAGES || free * 4 < integerOf(this.#pages.get() ?? {}, "page_count")) return false
      this.#shrink()
      return true
    } catch {
      // Nothing is lost: it is tried again after the next batch.
      this.#rollback()
      return false
    }
  }

  #do<Name extends CallName>(name: Name, request: unknown, bytes: Bytes): Done {
    try {
      // `SqliteThread` sent the request that belongs to the name.
      const answer = this.#handlers[name](request as RequestOf<Name>, bytes)
      return { outcome: { kind: "done", value: answer.value }, bytes: answer.bytes }
    } catch (cause) {
      // The fence is looked at before anything is written.
      if (cause instanceof FenceLost) return { outcome: { kind: "lost" }, bytes: [] }
      throw cause
    }
  }
}

const value = <Value>(of: Value): Answer<Value> => ({ value: of, bytes: [] })

/** Does it; there is no result. */
const nothing = (run: () => void): Answer<null> => {
  run()
  return value(null)
}

const handlersOf = (
  suppliers: SqliteSuppliers,
  log: SqliteLog,
  sessions: SqliteSessions,
  meter: SqliteMeter,
  cache: SqliteCache
): Handlers => ({
  append: (request, bytes) => value<Calls["append"]["value"]>(log.append(request, bytes)),
  announceSpool: (request) => nothing(() => log.announceSpool(request)),
  take: (request) => log.take(request),
  redeliver: (request) => nothing(() => log.redeliver(request)),
  backlog: (request) => value(log.backlog(request)),
  sessions: (request) => value(sessions.sessions(request)),
  load: (request) => sessions.load(request),
  readNodes: (request, digests) => ({ value: null, bytes: sessions.readNodes(request, digests) }),
  readLeaves: (request) => ({ value: null, bytes: sessions.readLeaves(request) }),
  commit: (request, bytes) => value(sessions.commit(request, bytes)),
  writeNodes: (request, bytes) => nothing(() => sessions.writeNodes(request, bytes)),
  deleteNodes: (request, bytes) => nothing(() => sessions.deleteNodes(request, bytes)),
  setAside: (request) => nothing(() => log.setAside(request)),
  aside: (request) => value(log.aside(request)),
  saveIntent: (request, bytes) => value(sessions.saveIntent(request, bytes)),
  intents: (request) => sessions.intents(request),
  dropIntent: (request) => nothing(() => sessions.dropIntent(request)),
  dropNodes: (request) => nothing(() => sessions.dropNodes(request)),
  forget: (request) => nothing(() => sessions.forget(request)),
  acquire: (request) => value(suppliers.acquire(request)),
  renew: ({ leases, life }) => value(leases.map((lease) => suppliers.renew(lease, life))),
  release: (request) => nothing(() => suppliers.release(request)),
  announce: ({ life, owner }) => nothing(() => suppliers.announce(owner, life)),
  withdraw: ({ owner }) => nothing(() => suppliers.withdraw(owner)),
  replicas: () => value(suppliers.replicas()),
  meterTake: (request) => value(meter.take(request)),
  meterGiveBack: (request) => nothing(() => meter.giveBack(request)),
  meterConsumed: (request) => value(meter.consumed(request)),
  meterDrop: (request) => nothing(() => meter.drop(request)),
  cacheGet: ({ key }) => {
    const found = cache.get(key)
    return found === undefined ? value(false) : { value: true, bytes: [found] }
  },
  cacheSet: (request, [bytes = new Uint8Array()]) => value(cache.set(request, bytes)),
  cacheRemove: ({ key }) => nothing(() => cache.remove(key)),
  cacheRemoveIf: ({ key }, [bytes = new Uint8Array()]) => value(cache.removeIf(key, bytes)),
  cacheMembers: ({ key }) => value(cache.members(key)),
  cacheChangeMembers: (request) => nothing(() => cache.changeMembers(request))
})
