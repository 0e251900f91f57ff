import {
  appendFileSync,
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync
} from "node:fs"
import { execFileSync } from "node:child_process"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { anEntry } from "../../contract/StoreFixtures.ts"
import { startWriter } from "./SpoolProcess.ts"
import { filesOf, freshDir, numbersOf, opened, segmentsOf } from "./SpoolWorld.ts"

const range = (to: number) => Array.from({ length: to }, (_, n) => n)
const lastConfirmed = (lines: ReadonlyArray<string>) =>
  Math.max(-1, ...lines.filter((line) => line.startsWith("confirmed")).map((line) => Number(line.split(" ")[2])))

describe("the disk spool and the end of its process", () => {
  it.live("keeps what was confirmed through kill -9, in order, at any instant", () =>
    Effect.gen(function* () {
      for (const stop of ["confirmed 0 ", "confirmed 500 ", "confirmed 3000 "]) {
        const dir = yield* freshDir
        const writer = yield* startWriter([dir, "700", "50"])
        yield* writer.said(new RegExp(`^${stop}`))
        writer.child.kill("SIGKILL")
        yield* writer.ended
        const confirmed = lastConfirmed(writer.lines())
        const kept = yield* opened(dir, numbersOf)
        assert.isAtLeast(confirmed, Number(stop.split(" ")[1]))
        // One lot may have been on disk and not confirmed yet.
        assert.isAtLeast(kept.length, confirmed + 1)
        assert.isAtMost(kept.length, confirmed + 1 + 50)
        assert.deepStrictEqual(kept, range(kept.length))
      }
    })
  )

  it.live("does not show again what was removed before a graceful end", () =>
    Effect.gen(function* () {
      const dir = yield* freshDir
      yield* opened(dir, (spool) =>
        Effect.gen(function* () {
          yield* Effect.forEach(range(20), (n) => spool.offer(anEntry(n)), { concurrency: "unbounded" })
          const ids = (yield* spool.peek(100)).map(({ id }) => id)
          yield* spool.remove(ids.slice(0, 7))
          yield* spool.remove([ids[10]!, ids[19]!])
        })
      )
      const left = [7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18]
      assert.deepStrictEqual(yield* opened(dir, numbersOf), left)
      yield* opened(dir, (spool) => spool.offer(anEntry(30)))
      assert.deepStrictEqual(yield* opened(dir, numbersOf), [...left, 30])
      assert.strictEqual(yield* opened(dir, (spool) => spool.size), left.length + 1)
    })
  )

  it.live("leaves no file behind once everything is removed", () =>
    Effect.gen(function* () {
      const dir = yield* freshDir
      yield* opened(dir, (spool) =>
        Effect.gen(function* () {
          for (const n of range(5)) yield* spool.offer(anEntry(n))
          yield* spool.remove((yield* spool.peek(10)).map(({ id }) => id))
        })
      )
      assert.deepStrictEqual(segmentsOf(dir), [])
    })
  )

  it.live("holds entries on disk, not in memory", () =>
    Effect.gen(function* () {
      const dir = yield* freshDir
      const writer = yield* startWriter([dir, "8000", "500", "10000"], { node: ["--expose-gc"] })
      const bytes = Number((yield* writer.said(/^memory/)).split(" ")[1])
      yield* writer.ended
      assert.isBelow(bytes, 16_000_000, `80 MB of relays take ${bytes} bytes of memory`)
      const size = yield* opened(dir, (spool) => spool.size)
      assert.strictEqual(size, 10_000)
    })
  )

  it.live("refuses a second process, and takes the directory over at once after kill -9", () =>
    Effect.gen(function* () {
      const dir = yield* freshDir
      const first = yield* startWriter([dir])
      yield* first.said(/^confirmed 0 /)
      const second = yield* startWriter([dir])
      assert.match(
        yield* second.said(/^SpoolRefused/),
        /^SpoolRefused in_use: spool.dir .* is in use by another process/
      )
      const third = yield* Effect.flip(opened(dir, numbersOf))
      assert.deepInclude(third, { _tag: "SpoolRefused", reason: "in_use" })
      first.child.kill("SIGSTOP")
      assert.deepInclude(yield* Effect.flip(opened(dir, numbersOf)), { _tag: "SpoolRefused", reason: "in_use" })
      first.child.kill("SIGKILL")
      yield* first.ended
      assert.isAbove((yield* opened(dir, numbersOf)).length, 49)
    })
  )

  it.live("refuses relays that a full file takes no more of, keeps the rest, and goes on", () =>
    Effect.gen(function* () {
      const dir = yield* freshDir
      // A limit on file size makes the kernel refuse a write in its middle, as a full disk does.
      const writer = yield* startWriter([dir, "700", "40"], { shell: "ulimit -f 256;" })
      assert.match(yield* writer.said(/^refused/), /^refused SpoolUnavailable EFBIG/)
      yield* writer.ended
      const confirmed = lastConfirmed(writer.lines())
      assert.isAbove(confirmed, 0)
      const kept = yield* opened(dir, numbersOf)
      assert.deepStrictEqual(kept.slice(0, confirmed + 1), range(confirmed + 1))
      assert.strictEqual(kept.length, confirmed + 1)
    })
  )

  /** Ways to leave a running writer without room, and to give it room again. */
  const scarcities = [
    {
      // Above the limit on file size the kernel takes no byte more, as on a full disk; anybody may lower it and lift it.
      code: "EFBIG",
      prepare: () => Effect.void,
      shorten: (_dir: string, pid: number) => limitFiles(pid, 4_096),
      free: (_dir: string, pid: number) => limitFiles(pid, 1_073_741_824)
    },
    {
      code: "ENOSPC",
      prepare: (dir: string) =>
        Effect.acquireRelease(
          Effect.sync(() => execFileSync("mount", ["-t", "tmpfs", "-o", "size=16m,mode=700", "tmpfs", dirname(dir)])),
          () => Effect.sync(() => execFileSync("umount", ["-l", dirname(dir)]))
        ),
      shorten: (dir: string) => fillDisk(join(dirname(dir), "other")),
      free: (dir: string) => rmSync(join(dirname(dir), "other"))
    }
  ]
  // Only root may mount.
  for (const scarcity of scarcities.slice(0, process.getuid?.() === 0 ? 2 : 1)) {
    it.live(`says that the disk is full, and takes relays again once it is not: ${scarcity.code}`, () =>
      Effect.gen(function* () {
        const dir = yield* freshDir
        yield* scarcity.prepare(dir)
        const writer = yield* startWriter([dir, "10000", "1", "600", "again"])
        const pid = writer.child.pid ?? 0
        yield* writer.said(/^confirmed 20 /)
        scarcity.shorten(dir, pid)
        assert.match(yield* writer.said(/^refused/), new RegExp(`^refused SpoolUnavailable ${scarcity.code} kept 0`))
        assert.match(yield* writer.said(/^the relay spool failed/), /\(offer, [A-Z]+\): .*(?:disk is full|file size)/)
        scarcity.free(dir, pid)
        yield* writer.said(/^confirmed 599 /)
        yield* writer.ended
        assert.deepStrictEqual(yield* opened(dir, numbersOf), range(600))
        assert.deepStrictEqual(filesOf(dir, ".damaged"), [])
      })
    )
  }
})

/** Sets the soft limit on the size of files that a process of this user writes. */
const limitFiles = (pid: number, bytes: number) => execFileSync("prlimit", ["--pid", String(pid), `--fsize=${bytes}:`])

/** Takes all that is left of a disk. */
const fillDisk = (path: string): void => {
  const file = openSync(path, "w")
  try {
    while (writeSync(file, Buffer.alloc(65_536)) > 0);
  } catch {
    // No room is left.
  } finally {
    closeSync(file)
  }
}

describe("a directory that is not fit for a spool", () => {
  const refused = (dir: string) => Effect.flip(opened(dir, numbersOf))

  it.live("is made with mode 700, with all files closed to others", () =>
    Effect.gen(function* () {
      const dir = yield* freshDir
      yield* opened(join(dir, "deep"), (spool) => spool.offer(anEntry(1)))
      assert.strictEqual(statSync(join(dir, "deep")).mode & 0o777, 0o700)
      for (const file of [...segmentsOf(join(dir, "deep")), join(dir, "deep", "lock")]) {
        assert.strictEqual(statSync(file).mode & 0o077, 0, file)
      }
    })
  )

  it.live("is refused with the reason and the remedy", () =>
    Effect.gen(function* () {
      const dir = yield* freshDir
      mkdirSync(dir, { mode: 0o700 })
      chmodSync(dir, 0o755)
      const open = yield* refused(dir)
      assert.deepInclude(open, { _tag: "SpoolRefused", reason: "open_to_others" })
      assert.include(open.message, `spool.dir ${dir} is open to other users (mode 755); chmod 700 it`)
      chmodSync(dir, 0o700)
      writeFileSync(join(dir, "notes.txt"), "")
      appendFileSync(join(dir, "1.spool"), "")
      const foreign = yield* refused(dir)
      assert.deepInclude(foreign, { _tag: "SpoolRefused", reason: "foreign_files" })
      assert.include(foreign.message, "1.spool, notes.txt")
      const file = yield* refused(join(dir, "notes.txt"))
      assert.deepInclude(file, { _tag: "SpoolRefused", reason: "not_a_directory" })
      const below = yield* refused(join(dir, "notes.txt", "x"))
      assert.deepInclude(below, { _tag: "SpoolRefused", reason: "not_a_directory" })
    })
  )

  it.live("is refused where this user may not write", () =>
    Effect.gen(function* () {
      const dir = yield* freshDir
      const parent = dirname(dir)
      mkdirSync(dir, { mode: 0o700 })
      // Nothing is closed to root, so another user asks there.
      const isRoot = process.getuid?.() === 0
      const user = isRoot ? { uid: 65_534, gid: 65_534 } : {}
      chmodSync(parent, isRoot ? 0o755 : 0o555)
      if (!isRoot) chmodSync(dir, 0o500)
      yield* Effect.addFinalizer(() => Effect.sync(() => [parent, dir].forEach((path) => chmodSync(path, 0o700))))
      const writer = yield* startWriter([dir], user)
      assert.match(
        yield* writer.said(/^SpoolRefused/),
        /^SpoolRefused not_usable: spool.dir .* cannot be read and written \(EACCES\); give it to the user/
      )
      const made = yield* startWriter([join(parent, "new")], user)
      assert.match(yield* made.said(/^SpoolRefused/), /^SpoolRefused not_usable: .*EACCES/)
    })
  )
})
