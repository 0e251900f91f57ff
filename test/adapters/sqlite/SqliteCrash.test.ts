/**
 * kill -9 at any moment, on a real disk: whatever was confirmed is there, nothing is there twice, the file is whole. (That
 * the disk itself keeps what it was told to keep when the power goes is SQLite's `synchronous = FULL`, not tested here.)
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { tmpdir } from "node:os"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { closeFile, openFile } from "../../../adapters/sqlite/SqliteFile.ts"
import * as RelayLogSqlite from "../../../adapters/sqlite/RelayLogSqlite.ts"
import { SupplierStore } from "../../../domain/ports/SupplierStore.ts"
import { decodeMinedRelay } from "../../../domain/relay/MinedRelay.ts"
import { aLeaf, alice, aTally, first, hexes } from "../../contract/StoreFixtures.ts"
import { acquire, takeAll } from "../../contract/SupplierStoreWorld.ts"
import { storePortsWith, storesIn, temporaryDirectory } from "./SqliteWorld.ts"

const worker = fileURLToPath(new URL("./SqliteCrashWorker.ts", import.meta.url))

/** Confirmed steps after which each process is killed. */
const LIVES = [1, 3, 20, 55, 56, 90, 140, 233]

interface Confirmed {
  readonly appended: Set<number>
  readonly committed: Array<number>
}

/** Runs a process until it confirmed `steps` steps and kills it; takes in all that it printed. */
const live = async (directory: string, from: number, steps: number, { appended, committed }: Confirmed) => {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", worker, directory, String(from)], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  const exited = once(child, "exit")
  let left = steps
  for await (const line of createInterface({ input: child.stdout })) {
    const [kind, ...numbers] = line.split(" ")
    for (const number of numbers.filter((text) => text !== "").map(Number)) {
      if (kind === "a") appended.add(number)
      else committed.push(number)
    }
    if (--left === 0) child.kill("SIGKILL")
  }
  const [, signal] = await exited
  assert.strictEqual(signal, "SIGKILL", "it ends by nothing else")
}

const numberOf = (data: Uint8Array): number => {
  const relay = decodeMinedRelay(data)
  return relay._tag === "Success"
    ? Number(relay.success.publishedAtUnixNano - 1_700_000_000_000_000_000n)
    : assert.fail("an entry does not decode")
}

describe("SQLite stores", () => {
  it.live("keep what they confirmed through kill -9, once, in a whole file", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory(tmpdir())
      const confirmed: Confirmed = { appended: new Set(), committed: [] }
      for (const [life, steps] of LIVES.entries()) {
        yield* Effect.promise(() => live(directory, life * 100_000, steps, confirmed))
        const database = openFile(directory)
        assert.deepEqual({ ...database.prepare("PRAGMA integrity_check").get() }, { integrity_check: "ok" })
        assert.deepStrictEqual(database.prepare("PRAGMA foreign_key_check").all(), [])
        closeFile(database, directory)
        yield* isWhole(confirmed).pipe(
          Effect.provide(storePortsWith(RelayLogSqlite.layer, storesIn(directory))),
          Effect.scoped
        )
      }
      assert.isAbove(confirmed.committed.length, 50)
      assert.strictEqual(new Set(confirmed.committed).size, confirmed.committed.length, "committed twice")
    })
  )
})

/** Each relay that was confirmed is a leaf or in the log, not both; each that was committed is a leaf. */
const isWhole = Effect.fnUntraced(function* ({ appended, committed }: Confirmed) {
  const store = yield* SupplierStore
  const inLog = (yield* takeAll(yield* acquire())).map(({ data }) => numberOf(data))
  const stored = yield* store.load(alice, first)
  const leaves = hexes((yield* store.readLeaves(alice, first)).map(({ digest }) => digest))
  const leafSet = new Set(leaves)
  assert.strictEqual(new Set(inLog).size, inLog.length, "in the log twice")
  assert.strictEqual(leafSet.size, leaves.length, "a leaf twice")
  for (const number of inLog) assert.isFalse(leafSet.has(leafHex(number)), `${number} is in the log and a leaf`)
  for (const number of committed) assert.isTrue(leafSet.has(leafHex(number)), `${number} was committed and is no leaf`)
  const logSet = new Set(inLog)
  for (const number of appended) {
    assert.isTrue(logSet.has(number) || leafSet.has(leafHex(number)), `${number} was appended and is lost`)
  }
  if (Option.isNone(stored)) return assert.lengthOf(leaves, 0)
  const { count, root, tail } = stored.value
  assert.strictEqual(Number(count), leaves.length)
  assert.deepStrictEqual(hexes([root]), hexes([aTally(leaves.length).root]))
  assert.isAtMost(tail.length, leaves.length)
})

const leafHex = (number: number): string => hexes([aLeaf(number).digest])[0] ?? ""
