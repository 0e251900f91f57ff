/** The thread that has the database: shared transactions, bounds, time, its death, and its end. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { Worker } from "node:worker_threads"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Scope } from "effect"
import { DATABASE, openFile } from "../../../adapters/sqlite/SqliteFile.ts"
import { spawnSqliteWorker, type SqliteThread, startSqliteThread } from "../../../adapters/sqlite/SqliteThread.ts"
import { SqliteDatabase } from "../../../adapters/sqlite/SqliteDatabase.ts"
import { temporaryDirectory } from "./SqliteWorld.ts"

const anAppend = { supplier: "pokt1alice", traceparent: null, limit: 1_000_000, bytesLimit: 1_000_000_000 }
const append = ({ call }: SqliteThread, bytes = 10) => call("append", anAppend, [new Uint8Array(bytes)])
const start = (options: Partial<Parameters<typeof startSqliteThread>[0]> = {}) =>
  Effect.flatMap(temporaryDirectory(), (directory) => startSqliteThread({ directory, ...options }))

/** The thread with the means to see what it was sent, and to end it. */
const watched = () => {
  const sent: Array<number> = []
  let worker: Worker | undefined
  const spawn: typeof spawnSqliteWorker = (data) => {
    worker = spawnSqliteWorker(data)
    const post = worker.postMessage.bind(worker)
    worker.postMessage = (message, transfer) => {
      if (message !== "close") sent.push(message.items.length)
      return post(message, transfer)
    }
    return worker
  }
  return { sent, spawn, kill: Effect.promise(async () => worker?.terminate()) }
}

/** Takes messages and never answers. */
const silentWorker = () =>
  new Worker(
    `const { parentPort } = require("node:worker_threads")
     parentPort.on("message", (message) => message === "close" && parentPort.close())
     parentPort.postMessage({ kind: "opened" })`,
    { eval: true }
  )

describe("SqliteThread", () => {
  it.live("lets all who wait share one transaction", () =>
    Effect.gen(function* () {
      const { sent, spawn } = watched()
      const thread = yield* start({ spawn })
      yield* Effect.forEach(Array.from({ length: 500 }), () => append(thread), { concurrency: "unbounded" })
      // The first ones of a turn leave at once, the others while these are under way.
      assert.strictEqual(
        sent.reduce((sum, calls) => sum + calls, 0),
        500
      )
      assert.isAtMost(sent.length, 3)
    })
  )

  it.live("fails every call, those under way included, once the thread has ended, and says so", () =>
    Effect.gen(function* () {
      const { kill, spawn } = watched()
      const thread = yield* start({ spawn })
      yield* append(thread)
      const calls = yield* Effect.forkChild(
        Effect.forEach(Array.from({ length: 2_000 }), () => Effect.result(append(thread, 1_000)), {
          concurrency: "unbounded"
        })
      )
      yield* Effect.yieldNow
      yield* kill
      const failures = (yield* Fiber.join(calls)).flatMap((result) =>
        result._tag === "Failure" ? [result.failure] : []
      )
      assert.isNotEmpty(failures)
      const later = yield* Effect.flip(append(thread))
      for (const failure of [...failures, later, yield* Effect.flip(thread.ended)]) {
        assert.strictEqual(failure._tag, "SqliteUnavailable")
        assert.match(failure.message, /its thread ended/)
      }
    })
  )

  it.live("gives up a call that is not answered in time, and refuses calls beyond its bounds", () =>
    Effect.gen(function* () {
      const thread = yield* start({ spawn: silentWorker, callTime: Duration.millis(300) })
      const first = yield* Effect.forkChild(Effect.flip(append(thread)))
      yield* Effect.yieldNow
      const many = yield* Effect.forkChild(
        Effect.forEach(Array.from({ length: 10_001 }), () => Effect.flip(append(thread)), { concurrency: "unbounded" })
      )
      assert.match((yield* Fiber.join(first)).message, /did not confirm append: its time is over/)
      const failures = (yield* Fiber.join(many)).map(({ message }) => message)
      assert.lengthOf(
        failures.filter((message) => /10000 calls with 100000 bytes wait already/.test(message)),
        1
      )
      assert.lengthOf(
        failures.filter((message) => /its time is over/.test(message)),
        10_000
      )
    })
  )

  it.live("does nothing for a call that was interrupted before it left", () =>
    Effect.gen(function* () {
      const thread = yield* start()
      const under = yield* Effect.forkChild(append(thread))
      yield* Effect.yieldNow
      const waiting = yield* Effect.forkChild(append(thread))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(waiting)
      yield* Fiber.join(under)
      yield* append(thread)
      assert.strictEqual(thread.fill().log, 2)
    })
  )

  it.live("closes the file with its scope: it can be opened again at once, and nothing is left beside it", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory()
      for (let round = 1; round <= 3; round++) {
        const scope = yield* Scope.make()
        const thread = yield* startSqliteThread({ directory }).pipe(Scope.provide(scope))
        yield* append(thread)
        yield* Scope.close(scope, Exit.void)
        assert.match((yield* Effect.flip(append(thread))).message, /it was closed/)
        assert.isFalse(existsSync(join(directory, `${DATABASE}-wal`)))
      }
      const database = openFile(directory)
      assert.strictEqual(database.prepare("SELECT count(*) AS n FROM entry").get()?.["n"], 3)
      database.close()
    })
  )
})

describe("SqliteDatabase", () => {
  const acquire = { name: "acquire", request: { supplier: "pokt1alice", nonce: "n", life: 60_000 } } as const
  const broken = { name: "append", request: { ...anAppend, traceparent: "breaks" } } as const
  const good = { name: "append", request: anAppend } as const
  const bytes = [new Uint8Array(10)]

  it.effect("repeats a batch call by call when one of them breaks, and that one alone fails", () =>
    Effect.map(temporaryDirectory(), (directory) => {
      const file = openFile(directory)
      const database = new SqliteDatabase(file)
      file.exec(
        "CREATE TRIGGER breaks BEFORE INSERT ON entry WHEN new.traceparent = 'breaks' BEGIN SELECT raise(ABORT, 'no'); END"
      )
      const done = database.run([acquire, good, broken, good], [[], bytes, bytes, bytes])
      assert.deepStrictEqual(
        done.map(({ outcome }) => outcome.kind),
        ["done", "done", "failed", "done"]
      )
      // As if the broken one had never been: the supplier was acquired once, two entries have the next two numbers.
      const values = done.map(({ outcome }) => (outcome.kind === "done" ? outcome.value : undefined))
      assert.strictEqual(values[0], 1)
      assert.deepInclude(values[1], { sequence: 1 })
      assert.deepInclude(values[3], { sequence: 2 })
      assert.deepInclude(database.fill, { log: 2, logBytes: 20 })
      const [backlog] = database.run([{ name: "backlog", request: { supplier: "pokt1alice" } }], [[]])
      assert.deepInclude(backlog?.outcome, { kind: "done" })
      assert.include(JSON.stringify(backlog?.outcome), '"sequence":2')
      file.close()
    })
  )

  it.effect("deletes ended tries in steps and then gives their pages back", () =>
    Effect.map(temporaryDirectory(), (directory) => {
      const file = openFile(directory)
      const database = new SqliteDatabase(file)
      const fenced = { supplier: "pokt1alice", nonce: "n", session: "s" }
      database.run([acquire], [[]])
      const leaves = Array.from({ length: 12_000 }, () => new Uint8Array(1_100).fill(1))
      const digests = new Uint8Array(48 * leaves.length)
      const commit = { ...fenced, expectedVersion: 0, count: "1", sum: "1", events: [], tailCovered: null }
      const [committed] = database.run(
        [{ name: "commit", request: { ...commit, seals: false, leaves: leaves.length, acknowledged: [] } }],
        [[new Uint8Array(48), new Uint8Array(), new Uint8Array(), digests, ...leaves]]
      )
      assert.deepStrictEqual(committed?.outcome, { kind: "done", value: null })
      const pages = () => Number(file.prepare("PRAGMA page_count").get()?.["page_count"])
      const most = pages()
      database.run([{ name: "forget", request: fenced }], [[]])
      assert.strictEqual(database.fill.endedTries, 1)
      let steps = 1
      while (database.tidy()) steps++
      assert.strictEqual(database.fill.endedTries, 0)
      assert.isAbove(steps, 12)
      assert.isBelow(pages(), most * 0.75)
      for (const table of ["leaf", "leaf_run", "node_run", "trie", "session"]) {
        assert.strictEqual(file.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.["n"], 0, table)
      }
      file.close()
    })
  )
})
