/** Entries that stay do not hold the room of those that are gone; and a rewriting that is cut off costs nothing. */
import { copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { RelaySpool } from "../../../domain/ports/RelaySpool.ts"
import { anEntry } from "../../contract/StoreFixtures.ts"
import { eventually } from "../../support/RedisProcess.ts"
import { startWriter } from "./SpoolProcess.ts"
import { filesOf, freshDir, numbersOf, opened, segmentsOf, spoolAt } from "./SpoolWorld.ts"

const MEGABYTE = { maxBytes: 1_048_576, fsync: false }
const relayBytes = Buffer.alloc(1_000, 5)
const range = (to: number) => Array.from({ length: to }, (_, n) => n)
const bytesOf = (dir: string) => segmentsOf(dir).reduce((sum, path) => sum + statSync(path).size, 0)

/** Offers the entries with these numbers at once. */
const offer = (spool: RelaySpool["Service"], numbers: ReadonlyArray<number>) =>
  Effect.forEach(numbers, (n) => spool.offer(anEntry(n, { relayBytes })), { concurrency: "unbounded" })

/** Removes the entries whose numbers are not kept. */
const removeAllBut = (spool: RelaySpool["Service"], isKept: (n: number) => boolean) =>
  Effect.gen(function* () {
    const gone = (yield* spool.peek(1_000_000))
      .filter(({ entry }) => !isKept(Number(entry.relay.publishedAtUnixNano - 1_700_000_000_000_000_000n)))
      .map(({ id }) => id)
    yield* spool.remove(gone)
  })

/** A spool of which one entry in ten is kept, not rewritten yet: its room is far from short. */
const scattered = Effect.gen(function* () {
  const dir = yield* freshDir
  yield* opened(
    dir,
    (spool) =>
      Effect.gen(function* () {
        yield* offer(spool, range(100))
        yield* removeAllBut(spool, (n) => n % 10 === 0)
      }),
    { maxBytes: 64 * MEGABYTE.maxBytes }
  )
  return dir
})

const KEPT = range(100).filter((n) => n % 10 === 0)

describe("a spool of which a few entries stay", () => {
  it.live("goes on taking others, in the order of all", () =>
    Effect.gen(function* () {
      const dir = yield* freshDir
      yield* Effect.gen(function* () {
        const spool = yield* RelaySpool
        const isStuck = (n: number) => n % 20 === 0
        // Five times what there is room for.
        for (let from = 0; from < 4_000; from += 100) {
          yield* offer(
            spool,
            range(100).map((n) => from + n)
          )
          yield* removeAllBut(spool, isStuck)
          yield* eventually(
            Effect.suspend(() => (bytesOf(dir) < 700_000 ? Effect.void : Effect.fail("the room is not given back")))
          )
        }
        const stuck = range(4_000).filter(isStuck)
        assert.deepStrictEqual(yield* numbersOf(spool), stuck)
        assert.strictEqual(yield* spool.size, stuck.length)
      }).pipe(Effect.provide(spoolAt(dir, MEGABYTE)))
      assert.deepStrictEqual(
        yield* opened(dir, numbersOf, MEGABYTE),
        range(4_000).filter((n) => n % 20 === 0)
      )
      assert.deepStrictEqual(filesOf(dir, ".damaged"), [])
    })
  )

  it.live("is refused by what stays alone", () =>
    Effect.gen(function* () {
      const dir = yield* freshDir
      yield* Effect.gen(function* () {
        const spool = yield* RelaySpool
        let taken = 0
        while (taken < 5_000 && (yield* Effect.result(offer(spool, [taken])))._tag === "Success") taken++
        assert.isAbove(taken, 800)
        assert.isBelow(taken, 1_100)
      }).pipe(Effect.provide(spoolAt(dir, MEGABYTE)))
    })
  )

  it.live("can be read while it is rewritten", () =>
    Effect.gen(function* () {
      const dir = yield* freshDir
      yield* Effect.gen(function* () {
        const spool = yield* RelaySpool
        const isKept = (n: number) => n % 4 === 0
        yield* offer(spool, range(800))
        const kept = range(800).filter(isKept)
        const ids = (yield* spool.peek(1_000)).filter((_, n) => !isKept(n)).map(({ id }) => id)
        for (let at = 0; at < ids.length; at += 25) {
          yield* spool.remove(ids.slice(at, at + 25))
          const seen = yield* numbersOf(spool)
          assert.deepStrictEqual(seen.filter(isKept), kept)
        }
        assert.deepStrictEqual(yield* numbersOf(spool), kept)
      }).pipe(Effect.provide(spoolAt(dir, MEGABYTE)))
    })
  )

  it.live("does not show again what was removed, in whatever file that was said", () =>
    Effect.gen(function* () {
      const dir = yield* freshDir
      yield* opened(dir, (spool) => offer(spool, range(300)), MEGABYTE)
      // Each run says it in a file of its own.
      for (const kept of [9, 27, 81]) {
        yield* opened(
          dir,
          (spool) =>
            Effect.andThen(
              removeAllBut(spool, (n) => n >= 1_000 || n % kept === 0),
              offer(
                spool,
                range(150).map((n) => kept * 1_000 + n)
              )
            ),
          MEGABYTE
        )
      }
      const expected = [
        ...range(300).filter((n) => n % 81 === 0),
        ...[9, 27, 81].flatMap((kept) => range(150).map((n) => kept * 1_000 + n))
      ]
      assert.deepStrictEqual(yield* opened(dir, numbersOf, MEGABYTE), expected)
    })
  )
})

describe("a rewriting that is cut off", () => {
  it.live("at any byte leaves what was kept, and its file goes with the next start", () =>
    Effect.gen(function* () {
      const dir = yield* scattered
      const [before = ""] = segmentsOf(dir)
      const original = join(dirname(dir), "original")
      cpSync(dir, original, { recursive: true })
      // Little room: everything is rewritten at once.
      const small = { maxBytes: 150_000, fsync: false }
      yield* opened(
        dir,
        () =>
          eventually(
            Effect.suspend(() => (statSync(before).size < 20_000 ? Effect.void : Effect.fail("it is not rewritten")))
          ),
        small
      )
      const rewritten = readFileSync(before)
      assert.isBelow(rewritten.length, statSync(join(original, basename(before))).size / 4)
      const cuts = [...range(40), ...range(Math.floor(rewritten.length / 97)).map((n) => 40 + n * 97), rewritten.length]
      for (const cut of cuts) {
        const copy = join(dirname(dir), `cut-${cut}`)
        mkdirSync(copy, { mode: 0o700 })
        for (const path of segmentsOf(original)) copyFileSync(path, join(copy, basename(path)))
        writeFileSync(join(copy, basename(before).replace(".spool", ".rewriting")), rewritten.subarray(0, cut))
        assert.deepStrictEqual(yield* opened(copy, numbersOf, { maxBytes: 64 * MEGABYTE.maxBytes }), KEPT)
        assert.deepStrictEqual(filesOf(copy, ".rewriting"), [])
        assert.deepStrictEqual(filesOf(copy, ".damaged"), [])
      }
      // With its name, and with all the others as they were.
      const taken = join(dirname(dir), "taken")
      mkdirSync(taken, { mode: 0o700 })
      for (const path of segmentsOf(original)) copyFileSync(path, join(taken, basename(path)))
      writeFileSync(join(taken, basename(before)), rewritten)
      assert.deepStrictEqual(yield* opened(taken, numbersOf), KEPT)
    })
  )

  it.live("by kill -9 leaves what was confirmed and not removed", () =>
    Effect.gen(function* () {
      const dir = yield* freshDir
      const kept = new Set<number>()
      for (const [round, stop] of [40, 60, 80].entries()) {
        const churner = yield* startWriter([dir, String(round * 10_000)], { program: "SpoolChurner.ts" })
        yield* churner.said(new RegExp(`^kept ${round * 10_000 + stop * 20}$`))
        churner.child.kill("SIGKILL")
        yield* churner.ended
        assert.deepStrictEqual(
          churner.lines().filter((line) => line.startsWith("failed")),
          []
        )
        for (const line of churner.lines()) if (line.startsWith("kept ")) kept.add(Number(line.slice(5)))
        yield* opened(
          dir,
          (spool) =>
            Effect.gen(function* () {
              const found = yield* numbersOf(spool)
              assert.deepStrictEqual(
                found,
                [...new Set(found)].toSorted((a, b) => a - b)
              )
              for (const n of kept) assert.isTrue(found.includes(n), `${n} is gone`)
              yield* removeAllBut(spool, (n) => n % 20 === 0)
            }),
          MEGABYTE
        )
      }
      assert.isAbove(kept.size, 175)
      assert.deepStrictEqual(
        readdirSync(dir).filter((name) => name.endsWith(".damaged")),
        []
      )
    })
  )
})
