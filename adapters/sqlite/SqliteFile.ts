/**
 * Opens the one database file of a data directory: this process alone, durable at each commit, of a known version. What
 * cannot be opened is refused with a sentence that names the file and the remedy; nothing is changed then.
 */
import { existsSync, mkdirSync, openSync, closeSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { hostname } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { integerOf } from "./SqliteRow.ts"
import { APPLICATION_ID, migrations as released } from "./SqliteSchema.ts"

/** Name of the database within the data directory. */
export const DATABASE = "relaymill.db"
/** Who has it open, for people; the lock itself is the operating system's and ends with the process. */
const HOLDER = "holder.json"

/** Wait for a predecessor that is just ending, milliseconds. */
const LOCK_WAIT = 2_000
/** Fewer, larger pages: three relays of 1 KB fill one of 4 KB, seven one of 8 KB. */
const PAGE_BYTES = 8_192
/** Pages of the write-ahead log after which it is copied into the file: 32 MB, of which log entries are gone by then. */
const WAL_PAGES = 4_096
/** The write-ahead log is cut to this size after a large transaction, bytes. */
const WAL_BYTES = 67_108_864
/** Pages kept in memory, KB. */
const CACHE_KILOBYTES = 65_536
/** Files up to this size are checked page by page at each start, near 1 ms for each MB; larger ones as they are read. */
const CHECKED_BYTES = 268_435_456

/** SQLite's primary result codes. Source: sqlite.org/rescode.html. */
const BUSY = 5
const CORRUPT = 11
const NOT_A_DATABASE = 26

/** The file cannot be used; the message is for the operator. */
export class FileRefused extends Error {}

/** Opens, or creates, the database of `directory` (mode 0700) at the newest version. Throws `FileRefused`. */
export const openFile = (directory: string, migrations: ReadonlyArray<string> = released): DatabaseSync => {
  const path = join(directory, DATABASE)
  let database: DatabaseSync | undefined
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    // Only when there is none: closing a second descriptor of an open file would give up its locks.
    if (!existsSync(path)) closeSync(openSync(path, "ax", 0o600))
    const isEmpty = statSync(path).size === 0
    database = new DatabaseSync(path, { timeout: LOCK_WAIT, enableForeignKeyConstraints: true })
    // What only an empty file takes; a file in use would be written to.
    if (isEmpty) database.exec(`PRAGMA page_size = ${PAGE_BYTES}; PRAGMA auto_vacuum = INCREMENTAL`)
    lock(database)
    checkIdentity(database, path, migrations.length)
    configure(database)
    migrate(database, migrations)
    checkPages(database, path)
    writeFileSync(join(directory, HOLDER), JSON.stringify({ pid: process.pid, host: hostname() }), { mode: 0o600 })
    return database
  } catch (cause) {
    database?.close()
    throw cause instanceof FileRefused ? cause : new FileRefused(sentenceOf(cause, directory, path))
  }
}

/** Brings everything into the file and gives it up. */
export const closeFile = (database: DatabaseSync, directory: string): void => {
  rmSync(join(directory, HOLDER), { force: true })
  database.close()
}

/** Takes the file for this connection until it is closed, in an index of its own memory instead of a shared file. */
const lock = (database: DatabaseSync): void => {
  database.exec("PRAGMA locking_mode = EXCLUSIVE")
  database.exec("BEGIN EXCLUSIVE; ROLLBACK")
}

const checkIdentity = (database: DatabaseSync, path: string, newest: number): void => {
  const tables = integerOf(database.prepare("SELECT count(*) AS n FROM sqlite_schema").get() ?? {}, "n")
  const id = pragma(database, "application_id")
  const version = pragma(database, "user_version")
  if (tables === 0 && id === 0 && version === 0) return
  if (id !== APPLICATION_ID) {
    throw new FileRefused(`${path} is a database of another program; choose another directory`)
  }
  if (version > newest) {
    throw new FileRefused(
      `${path} was written by a newer relaymill (version ${version} of its tables, this one knows ${newest}); start that version, or choose another directory`
    )
  }
}

const configure = (database: DatabaseSync): void => {
  database.exec("PRAGMA journal_mode = WAL")
  database.exec("PRAGMA synchronous = FULL")
  database.exec(`PRAGMA wal_autocheckpoint = ${WAL_PAGES}`)
  database.exec(`PRAGMA journal_size_limit = ${WAL_BYTES}`)
  database.exec(`PRAGMA cache_size = -${CACHE_KILOBYTES}`)
}

/** Each step is a transaction of its own, with the version it leads to. */
const migrate = (database: DatabaseSync, migrations: ReadonlyArray<string>): void => {
  for (let version = pragma(database, "user_version"); version < migrations.length; version++) {
    database.exec("BEGIN IMMEDIATE")
    database.exec(migrations[version] ?? "")
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${version + 1}`)
    database.exec("COMMIT")
  }
}

const checkPages = (database: DatabaseSync, path: string): void => {
  if (statSync(path).size > CHECKED_BYTES) return
  const result = database.prepare("PRAGMA quick_check(1)").get()?.["quick_check"]
  if (result !== "ok") throw new FileRefused(damaged(path, String(result).split("\n").at(-1) ?? ""))
}

const pragma = (database: DatabaseSync, name: "application_id" | "user_version"): number =>
  integerOf(database.prepare(`PRAGMA ${name}`).get() ?? {}, name)

const damaged = (path: string, problem: string): string =>
  `${path} is damaged (${problem}); bring back a copy of it, or choose another directory and keep this one to look at`

const sentenceOf = (cause: unknown, directory: string, path: string): string => {
  const message = cause instanceof Error ? cause.message : String(cause)
  switch (resultCode(cause)) {
    case BUSY:
      return `${directory} is in use by ${holderOf(directory)}; stop it, or choose another directory`
    case CORRUPT:
      return damaged(path, message)
    case NOT_A_DATABASE:
      return `${path} is no database of relaymill; choose another directory, or move that file away`
    default:
      return `${directory} cannot be used as data directory (${message}); make it writable for this user, or choose another`
  }
}

const resultCode = (cause: unknown): number | undefined =>
  cause instanceof Error && "errcode" in cause && typeof cause.errcode === "number" ? cause.errcode & 0xff : undefined

const holderOf = (directory: string): string => {
  try {
    const holder: unknown = JSON.parse(readFileSync(join(directory, HOLDER), "utf8"))
    if (typeof holder === "object" && holder !== null && "pid" in holder && "host" in holder) {
      return `process ${Number(holder.pid)} on ${String(holder.host)}`
    }
  } catch {
    // It is written after the lock is taken: there may be none yet.
  }
  return "another process"
}
