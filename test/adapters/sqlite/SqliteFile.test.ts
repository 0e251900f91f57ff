/** What happens when the data directory is opened: new, known, newer, foreign, damaged, in use. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { closeFile, DATABASE, FileRefused, openFile } from "../../../adapters/sqlite/SqliteFile.ts"
import { migrations } from "../../../adapters/sqlite/SqliteSchema.ts"
import { SqliteStores } from "../../../adapters/sqlite/SqliteStores.ts"
import { temporaryDirectory } from "./SqliteWorld.ts"

const opener = fileURLToPath(new URL("./SqliteOpener.ts", import.meta.url))

/** The sentence with which the directory is refused. */
const refusalOf = (directory: string, steps = migrations): string => {
  try {
    openFile(directory, steps).close()
  } catch (cause) {
    if (cause instanceof FileRefused) return cause.message
    throw cause
  }
  return assert.fail("it was opened")
}

const used = (directory: string, steps = migrations) => {
  const database = openFile(directory, steps)
  database.exec("INSERT INTO supplier (address, epoch, last_time, last_sequence) VALUES ('pokt1alice', 3, 4, 5)")
  closeFile(database, directory)
}

const addresses = (database: DatabaseSync) =>
  database
    .prepare("SELECT address FROM supplier")
    .all()
    .map(({ address }) => address)

describe("a data directory", () => {
  it.effect("is made for its owner alone, and so is the file", () =>
    Effect.map(temporaryDirectory(), (parent) => {
      const directory = join(parent, "a", "b")
      used(directory)
      assert.strictEqual(statSync(directory).mode & 0o777, 0o700)
      assert.strictEqual(statSync(join(directory, DATABASE)).mode & 0o777, 0o600)
    })
  )

  it.effect("is durable at each commit and gives pages back", () =>
    Effect.map(temporaryDirectory(), (directory) => {
      const database = openFile(directory)
      const setting = (name: string) => Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0]
      assert.deepStrictEqual(
        ["journal_mode", "synchronous", "foreign_keys", "auto_vacuum", "locking_mode", "user_version"].map(setting),
        ["wal", 2, 1, 2, "exclusive", 1]
      )
      database.close()
    })
  )

  it.effect("keeps what it holds", () =>
    Effect.map(temporaryDirectory(), (directory) => {
      used(directory)
      const database = openFile(directory)
      assert.deepStrictEqual(addresses(database), ["pokt1alice"])
      database.close()
    })
  )

  it.effect("is brought to the newest version step by step, each whole or not at all", () =>
    Effect.map(temporaryDirectory(), (directory) => {
      used(directory)
      const [first = ""] = migrations
      const broken = [first, "CREATE TABLE later (a)", "CREATE TABLE half (a); INSERT INTO absent VALUES (1)"]
      assert.match(refusalOf(directory, broken), /cannot be used as data directory \(no such table: absent\)/)
      const database = openFile(directory, [
        first,
        "not run again",
        "CREATE TABLE half (a); INSERT INTO later VALUES (1)"
      ])
      assert.deepStrictEqual(addresses(database), ["pokt1alice"])
      assert.strictEqual(database.prepare("PRAGMA user_version").get()?.["user_version"], 3)
      database.close()
    })
  )

  it.effect("of a newer version is refused and not touched", () =>
    Effect.map(temporaryDirectory(), (directory) => {
      used(directory, [...migrations, "CREATE TABLE later (a)"])
      const before = readFileSync(join(directory, DATABASE))
      assert.match(
        refusalOf(directory),
        /relaymill\.db was written by a newer relaymill \(version 2 of its tables, this one knows 1\); start that version/
      )
      assert.isTrue(readFileSync(join(directory, DATABASE)).equals(before))
    })
  )

  it.effect("with a database of another program is refused and not touched", () =>
    Effect.map(temporaryDirectory(), (directory) => {
      const foreign = new DatabaseSync(join(directory, DATABASE))
      foreign.exec("CREATE TABLE theirs (a)")
      foreign.close()
      const before = readFileSync(join(directory, DATABASE))
      assert.match(refusalOf(directory), /relaymill\.db is a database of another program; choose another directory/)
      assert.isTrue(readFileSync(join(directory, DATABASE)).equals(before))
    })
  )

  it.effect("with a file that is no database is refused", () =>
    Effect.map(temporaryDirectory(), (directory) => {
      writeFileSync(join(directory, DATABASE), "a letter to a friend ".repeat(1_000))
      assert.match(refusalOf(directory), /relaymill\.db is no database of relaymill/)
    })
  )

  it.effect("with a damaged page is refused", () =>
    Effect.map(temporaryDirectory(), (directory) => {
      used(directory)
      const path = join(directory, DATABASE)
      const bytes = readFileSync(path)
      bytes.fill(0x5a, 3 * 8_192, 4 * 8_192)
      writeFileSync(path, bytes)
      assert.match(refusalOf(directory), /relaymill\.db is damaged \(.+\); bring back a copy of it/)
    })
  )

  it.effect("that is a file, or cannot be made, is refused with the cause", () =>
    Effect.map(temporaryDirectory(), (parent) => {
      const file = join(parent, "file")
      writeFileSync(file, "")
      assert.match(refusalOf(file), /file cannot be used as data directory \(.*EEXIST.*\); make it writable/)
      assert.match(refusalOf(join(file, "below")), /cannot be used as data directory \(.*ENOTDIR/)
      mkdirSync(join(parent, "dir", DATABASE), { recursive: true })
      assert.match(refusalOf(join(parent, "dir")), /cannot be used as data directory/)
    })
  )

  it.effect("in use by another process is refused by its number, and free once that was killed", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory()
      const holder = yield* Effect.acquireRelease(
        Effect.promise(() => holding(directory)),
        (child) => Effect.sync(() => child.kill("SIGKILL"))
      )
      const refused = yield* Effect.flip(
        Effect.scoped(SqliteStores.pipe(Effect.provide(SqliteStores.layer({ directory }))))
      )
      assert.strictEqual(refused._tag, "DataDirectoryRefused")
      assert.match(refused.message, new RegExp(`is in use by process ${holder.pid} on .+; stop it, or choose another`))
      const ended = once(holder, "exit")
      holder.kill("SIGKILL")
      yield* Effect.promise(() => ended)
      const database = openFile(directory)
      assert.deepStrictEqual(addresses(database), [])
      database.close()
    })
  )
})

/** A process that has the directory open and said so. */
const holding = async (directory: string): Promise<ChildProcess> => {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", opener, directory], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  await once(child.stdout, "data")
  return child
}
