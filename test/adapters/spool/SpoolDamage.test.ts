import { appendFileSync, copyFileSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Metric, Option, Tracer } from "effect"
import { entryRecord, payloadOf, SEGMENT_HEADER_BYTES as HEADER } from "../../../adapters/spool/SpoolRecord.ts"
import { RelaySpool, type SpoolFull, type SpoolUnavailable } from "../../../domain/ports/RelaySpool.ts"
import { anEntry, aTraced } from "../../contract/StoreFixtures.ts"
import { filesOf, freshDir, numbersOf, opened, segmentsOf, spoolAt } from "./SpoolWorld.ts"

const range = (to: number, from = 0) => Array.from({ length: to - from }, (_, n) => from + n)

/** A spool with this many entries of 200 bytes of relay each, in segments of 64 KiB; closed again. */
const filled = (count: number) =>
  Effect.gen(function* () {
    const dir = yield* freshDir
    const relayBytes = Buffer.alloc(200, 3)
    yield* opened(
      dir,
      (spool) =>
        Effect.forEach(range(count), (n) => spool.offer(anEntry(n, { relayBytes })), { concurrency: "unbounded" }),
      SMALL
    )
    return dir
  })

const SMALL = { maxBytes: 1_048_576 }

const countOf = (name: string, attributes: Readonly<Record<string, string>> = {}) =>
  Effect.map(Metric.snapshot, (all) =>
    all.reduce((sum, { attributes: labels, id, state }) => {
      const matches = id === name && Object.entries(attributes).every(([label, value]) => labels?.[label] === value)
      return matches && "count" in state ? sum + Number(state.count) : sum
    }, 0)
  )
const damaged = (reason: string) => countOf("ha_relayer_spool_damaged_total", { reason })
const commits = countOf("ha_relayer_spool_commit_seconds")

/** Each test has metrics of its own. */
const isolated = <A, E, R>(test: Effect.Effect<A, E, R>) =>
  Effect.provideServiceEffect(
    test,
    Metric.MetricRegistry,
    Effect.sync(() => new Map())
  )

describe("damage to the disk spool", () => {
  it.live("a torn end is cut and counted, however much of a record is there", () =>
    Effect.gen(function* () {
      for (const torn of [1, 18, 19, 60, 250]) {
        const dir = yield* filled(10)
        const [segment = ""] = segmentsOf(dir)
        const whole = statSync(segment).size
        const record = readFileSync(segment).subarray(HEADER, HEADER + (whole - HEADER) / 10)
        appendFileSync(segment, record.subarray(0, torn))
        const before = yield* damaged("torn_tail")
        assert.deepStrictEqual(yield* opened(dir, numbersOf), range(10))
        assert.strictEqual(yield* damaged("torn_tail"), before + 1)
        assert.strictEqual(statSync(segment).size, whole)
        truncateSync(segment, whole - torn)
        assert.deepStrictEqual(yield* opened(dir, numbersOf), range(9))
      }
    }).pipe(isolated)
  )

  it.live("an empty file that a crash left at the end is taken away", () =>
    Effect.gen(function* () {
      const dir = yield* filled(3)
      writeFileSync(join(dir, "0000000000000900.spool"), "RMSP")
      assert.deepStrictEqual(yield* opened(dir, numbersOf), range(3))
      assert.strictEqual(segmentsOf(dir).length, 1)
    }).pipe(isolated)
  )

  it.live("a damaged record in the middle costs that record only, is counted and set aside", () =>
    Effect.gen(function* () {
      const dir = yield* filled(600)
      const [first = ""] = segmentsOf(dir)
      assert.isAbove(segmentsOf(dir).length, 2)
      const bytes = readFileSync(first)
      const size = bytes.readUInt32BE(HEADER + 8) + 19
      // The payload of the fourth record, the length of the sixth, and the last of the file.
      bytes[HEADER + 3 * size + 100]! ^= 0x40
      bytes[HEADER + 5 * size + 8]! ^= 0x80
      bytes[bytes.length - 1]! ^= 1
      writeFileSync(first, bytes)
      const inFirst = (bytes.length - HEADER) / size
      const expected = range(600).filter((n) => ![3, 5, inFirst - 1].includes(n))
      assert.deepStrictEqual(yield* opened(dir, numbersOf), expected)
      assert.strictEqual(yield* damaged("corrupt"), 3)
      const aside = filesOf(dir, ".damaged")
      assert.strictEqual(aside.length, 3)
      assert.isTrue(
        readFileSync(join(dir, `0000000000000001-${HEADER + 3 * size}.damaged`)).equals(
          bytes.subarray(HEADER + 3 * size, HEADER + 4 * size)
        )
      )
      // The spool goes on, with what was set aside beside it.
      assert.deepStrictEqual(yield* opened(dir, numbersOf), expected)
    }).pipe(isolated)
  )

  it.live("files of another version, and garbage, are set aside whole", () =>
    Effect.gen(function* () {
      const dir = yield* filled(600)
      const [first = "", second = ""] = segmentsOf(dir)
      const secondCount = (statSync(second).size - HEADER) / (readFileSync(second).readUInt32BE(HEADER + 8) + 19)
      const firstCount = (statSync(first).size - HEADER) / (readFileSync(first).readUInt32BE(HEADER + 8) + 19)
      const bytes = readFileSync(first)
      bytes.write("RMSPOOL9", 0, "latin1")
      writeFileSync(first, bytes)
      writeFileSync(second, "not a segment")
      assert.deepStrictEqual(yield* opened(dir, numbersOf), range(600, firstCount + secondCount))
      assert.strictEqual(yield* damaged("foreign_version"), 2)
      assert.isTrue(readFileSync(first.replace(".spool", ".damaged")).equals(bytes))
    }).pipe(isolated)
  )

  it.live("bytes that a caller put into a relay are never read as a record behind damage", () =>
    Effect.gen(function* () {
      const dir = yield* filled(1)
      // A true record of another spool, which is all that a caller could know.
      const forged = entryRecord(
        {
          marker: readFileSync(segmentsOf(dir)[0]!).subarray(8, 12),
          seed: readFileSync(segmentsOf(dir)[0]!).readUInt32BE(12)
        },
        500,
        payloadOf(anEntry(66))
      )
      const target = yield* freshDir
      yield* opened(target, (spool) =>
        Effect.gen(function* () {
          yield* spool.offer(anEntry(0, { relayBytes: Buffer.concat([forged, forged]) }))
          yield* spool.offer(anEntry(1))
        })
      )
      const [segment = ""] = segmentsOf(target)
      const bytes = readFileSync(segment)
      assert.isAbove(bytes.indexOf(forged), 0)
      bytes[HEADER]! ^= 1
      writeFileSync(segment, bytes)
      assert.deepStrictEqual(yield* opened(target, numbersOf), [1])
    }).pipe(isolated)
  )

  it.live("met while it is read costs that record, not those around it", () =>
    Effect.gen(function* () {
      const dir = yield* filled(5)
      const [segment = ""] = segmentsOf(dir)
      yield* Effect.gen(function* () {
        const spool = yield* RelaySpool
        const bytes = readFileSync(segment)
        const size = bytes.readUInt32BE(HEADER + 8) + 19
        bytes[HEADER + 2 * size + 50]! ^= 1
        writeFileSync(segment, bytes)
        assert.deepStrictEqual(yield* numbersOf(spool), [0, 1, 3, 4])
        assert.strictEqual(yield* spool.size, 4)
        assert.strictEqual(yield* damaged("corrupt"), 1)
        assert.strictEqual(filesOf(dir, ".damaged").length, 1)
        rmSync(segment)
        assert.deepStrictEqual(yield* numbersOf(spool), [])
        assert.isTrue(Option.isNone(yield* spool.lowestSessionEnd))
        assert.strictEqual(yield* damaged("missing"), 1)
        yield* spool.offer(anEntry(9))
        assert.deepStrictEqual(yield* numbersOf(spool), [9])
      }).pipe(Effect.provide(spoolAt(dir)))
    }).pipe(isolated)
  )

  it.live("any byte of a file may be damaged: nothing else is lost, nothing appears, and it opens", () =>
    Effect.gen(function* () {
      const dir = yield* filled(4)
      const [segment = ""] = segmentsOf(dir)
      const whole = readFileSync(segment)
      const size = whole.readUInt32BE(HEADER + 8) + 19
      for (let at = 0; at < whole.length; at += 7) {
        const bytes = Buffer.from(whole)
        bytes[at]! ^= 1 << (at % 8)
        const copy = yield* freshDir
        yield* opened(copy, () => Effect.void)
        writeFileSync(join(copy, "0000000000000001.spool"), bytes)
        const hit = Math.floor((at - HEADER) / size)
        const kept = yield* opened(copy, numbersOf)
        if (at >= HEADER)
          assert.deepStrictEqual(
            kept,
            range(4).filter((n) => n !== hit),
            `byte ${at}`
          )
        else assert.deepStrictEqual([kept.length, filesOf(copy, ".damaged").length], [0, 1], `byte ${at}`)
      }
    }).pipe(isolated)
  )
})

describe("the disk spool", () => {
  it.live("keeps the trace context of an entry over a start", () =>
    Effect.gen(function* () {
      const dir = yield* freshDir
      const span = Tracer.externalSpan({
        traceId: "0123456789abcdef0123456789abcdef",
        spanId: "0123456789abcdef",
        sampled: true
      })
      yield* opened(dir, (spool) => Effect.andThen(spool.offer(aTraced(1, span)), spool.offer(anEntry(2))))
      const entries = yield* opened(dir, (spool) => spool.peek(5))
      const { sampled, spanId, traceId } = Option.getOrThrow(entries[0]!.entry.trace)
      assert.deepStrictEqual(
        { sampled, spanId, traceId },
        { sampled: true, spanId: span.spanId, traceId: span.traceId }
      )
      assert.isTrue(Option.isNone(entries[1]!.entry.trace))
      assert.deepStrictEqual(
        entries.map(({ entry }) => entry.relay),
        [anEntry(1), anEntry(2)].map(({ relay }) => ({ ...relay, relayHash: new Uint8Array(relay.relayHash) }))
      )
    }).pipe(isolated)
  )

  it.live("lets relays that are offered together share a write and its sync", () =>
    Effect.gen(function* () {
      const dir = yield* freshDir
      const rounds = yield* opened(dir, (spool) =>
        Effect.gen(function* () {
          yield* Effect.forEach(range(2_000), (n) => spool.offer(anEntry(n)), { concurrency: "unbounded" })
          const before = yield* commits
          for (const n of range(20)) yield* spool.offer(anEntry(n))
          return { together: before, all: yield* commits }
        })
      )
      assert.isAtMost(rounds.together, 10)
      // One that is alone waits for nobody.
      assert.strictEqual(rounds.all - rounds.together, 20)
    }).pipe(isolated)
  )

  it.live("refuses beyond its bytes, and has room again when the oldest file is done with", () =>
    Effect.gen(function* () {
      const dir = yield* freshDir
      const relayBytes = Buffer.alloc(1_000, 1)
      yield* opened(
        dir,
        (spool) =>
          Effect.gen(function* () {
            let kept = 0
            let full: SpoolFull | SpoolUnavailable | undefined
            while (full === undefined) {
              const offered = yield* Effect.result(spool.offer(anEntry(kept, { relayBytes })))
              if (offered._tag === "Failure") full = offered.failure
              else kept++
            }
            assert.deepInclude(full, { _tag: "SpoolFull", bytesLimit: 1_048_576, entries: kept })
            const bytes = segmentsOf(dir).reduce((sum, path) => sum + statSync(path).size, 0)
            assert.isAtMost(bytes, 1_048_576)
            assert.isAbove(bytes, 1_000_000)
            assert.isAbove(segmentsOf(dir).length, 10)
            yield* spool.remove((yield* spool.peek(100)).map(({ id }) => id))
            yield* until(() => segmentsOf(dir).length < 16)
            yield* spool.offer(anEntry(kept, { relayBytes }))
            assert.deepStrictEqual((yield* numbersOf(spool)).at(-1), kept)
          }),
        { maxBytes: 1_048_576 }
      )
    }).pipe(isolated)
  )

  it.live("takes up after a start where a copy of its directory was", () =>
    Effect.gen(function* () {
      // A copy at any time is what a machine that lost its power would find.
      const dir = yield* freshDir
      const copy = yield* freshDir
      yield* opened(copy, () => Effect.void)
      yield* opened(dir, (spool) =>
        Effect.gen(function* () {
          yield* Effect.forEach(range(50), (n) => spool.offer(anEntry(n)), { concurrency: "unbounded" })
          yield* spool.remove((yield* spool.peek(10)).map(({ id }) => id))
          yield* spool.offer(anEntry(50))
          for (const path of segmentsOf(dir)) copyFileSync(path, join(copy, path.slice(-22)))
        })
      )
      const kept = yield* opened(copy, numbersOf)
      assert.deepStrictEqual(kept.slice(-41), range(51, 10))
    }).pipe(isolated)
  )
})

const until = (condition: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (condition() ? Effect.void : Effect.andThen(Effect.sleep(1), until(condition))))
