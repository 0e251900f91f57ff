import { Worker } from "node:worker_threads"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Logger, Metric, Result, Scope } from "effect"
import * as RingVerifierNative from "../../../adapters/crypto/RingVerifierNative.ts"
import * as RingVerifierWorkers from "../../../adapters/crypto/RingVerifierWorkers.ts"
import { spawnRingWorker } from "../../../adapters/crypto/RingWorkerThread.ts"
import { NativeUnavailable } from "../../../adapters/crypto/Secp256k1Native.ts"
import type { RingVerifier } from "../../../domain/ports/RingVerifier.ts"
import { ringVerifierContract } from "../../contract/RingVerifierContract.ts"
import { randomCases, type RingCase } from "../../domain/ring/RingSignatureCases.ts"

const unavailable = Result.fail(new NativeUnavailable({ platform: "none", cause: new Error("not built") }))

ringVerifierContract("on worker threads, without a native library", RingVerifierNative.layerWith(1000, unavailable))

const known = randomCases("workers", 4).filter(({ valid }) => valid !== undefined)
const valid = known.filter((each) => each.valid)
const repeat = (count: number): ReadonlyArray<RingCase> =>
  Array.from({ length: count }, (_, index) => known[index % known.length]!)

const verifyAll = (verifier: RingVerifier["Service"], cases: ReadonlyArray<RingCase>) =>
  Effect.forEach(cases, ({ message, signature }) => verifier.verify(message, signature), { concurrency: "unbounded" })

const expected = (cases: ReadonlyArray<RingCase>) => cases.map((each) => each.valid)

/** A spawner that keeps what it started. */
const recording = () => {
  const started: Array<Worker> = []
  const spawn = () => {
    const worker = spawnRingWorker(100)
    started.push(worker)
    return worker
  }
  return { started, spawn }
}

/** Threads that run this text instead; `answer` is what the real one would post for a batch of zeros and ones. */
const scripted = (source: string) => () => new Worker(source, { eval: true })

const quiet = Effect.provide(Logger.layer([]))
const live = <A, E>(name: string, body: () => Effect.Effect<A, E, Scope.Scope>) =>
  it.live(name, () => Effect.scoped(body()).pipe(quiet))

/** Value of a gauge, by its name and, of a cache's, by that cache. */
const gauge = (name: string, cache?: string) =>
  Effect.map(Metric.snapshot, (all) => {
    const found = all.find(({ attributes, id }) => id === name && attributes?.["cache"] === cache)
    return found?.type === "Gauge" ? Number(found.state.value) : Number.NaN
  })

describe("RingVerifierWorkers", () => {
  live("leaves the event loop free: this thread spends little on what takes milliseconds", () =>
    Effect.gen(function* () {
      const verifier = yield* RingVerifierWorkers.make({ workers: 1 })
      yield* verifyAll(verifier, repeat(20))
      const cases = repeat(100)
      const [thread, whole] = [process.threadCpuUsage(), process.cpuUsage()]
      assert.deepStrictEqual(yield* verifyAll(verifier, cases), expected(cases))
      const [inline, all] = [process.threadCpuUsage(thread), process.cpuUsage(whole)]
      const perCall = (inline.user + inline.system) / cases.length
      assert.isBelow(perCall, 500)
      assert.isBelow(inline.user + inline.system, (all.user + all.system) / 3)
    })
  )

  live("sends what waits in batches", () =>
    Effect.gen(function* () {
      const { spawn, started } = recording()
      const verifier = yield* RingVerifierWorkers.make({ workers: 2, spawn })
      yield* verifyAll(verifier, repeat(2))
      let messages = 0
      for (const worker of started) worker.on("message", () => messages++)
      const cases = repeat(200)
      assert.deepStrictEqual(yield* verifyAll(verifier, cases), expected(cases))
      assert.isAtLeast(messages, 2)
      assert.isBelow(messages, 60)
    })
  )

  live("gives the order of callers their own verdicts when the queue is full", () =>
    Effect.gen(function* () {
      const verifier = yield* RingVerifierWorkers.make({ workers: 1, queueCapacity: 2 })
      const cases = repeat(60)
      const running = yield* Effect.forkChild(verifyAll(verifier, cases))
      yield* Effect.sleep("20 millis")
      assert.isAtMost(yield* gauge("ha_relayer_ring_worker_queue_entries"), 2)
      assert.deepStrictEqual(yield* Fiber.join(running), expected(cases))
    })
  )

  live("replaces a thread that dies in the middle of a batch, and repeats the batch", () =>
    Effect.gen(function* () {
      const { spawn, started } = recording()
      const verifier = yield* RingVerifierWorkers.make({ workers: 1, spawn })
      const cases = repeat(40)
      const running = yield* Effect.forkChild(verifyAll(verifier, cases))
      yield* Effect.yieldNow
      for (let crash = 0; crash < 2; crash++) {
        yield* Effect.sleep("5 millis")
        yield* Effect.promise(() => started.at(-1)!.terminate())
      }
      assert.deepStrictEqual(yield* Fiber.join(running), expected(cases))
      assert.isAtLeast(started.length, 2)
    })
  )

  live("replaces a thread that died without work", () =>
    Effect.gen(function* () {
      const { spawn, started } = recording()
      const verifier = yield* RingVerifierWorkers.make({ workers: 1, spawn })
      yield* verifyAll(verifier, valid)
      yield* Effect.promise(() => started[0]!.terminate())
      assert.deepStrictEqual(yield* verifyAll(verifier, known), expected(known))
      assert.strictEqual(started.length, 2)
    })
  )

  live("dies, and does not say invalid, when every thread dies of a signature", () =>
    Effect.gen(function* () {
      let started = 0
      const crashing = scripted(`require("node:worker_threads").parentPort.once("message", () => process.exit(3))`)
      const verifier = yield* RingVerifierWorkers.make({
        workers: 1,
        spawn: () => {
          started++
          return crashing()
        }
      })
      const exit = yield* Effect.exit(verifier.verify(valid[0]!.message, valid[0]!.signature))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      assert.include(String(exit), "exit code 3")
      assert.isAtMost(started, 4)
    })
  )

  for (const [reason, start] of [
    ["cannot be started", () => new Worker("./missing.ts")],
    ["cannot be read", scripted("syntax error")],
    [
      "answers too little",
      scripted(`const { parentPort } = require("node:worker_threads")
        parentPort.on("message", () => parentPort.postMessage({ verdicts: new Uint8Array(0), defects: [] }))`)
    ]
  ] as ReadonlyArray<readonly [string, () => Worker]>) {
    live(`dies when the thread ${reason}`, () =>
      Effect.gen(function* () {
        const verifier = yield* RingVerifierWorkers.make({ workers: 1, spawn: start })
        const exit = yield* Effect.exit(verifier.verify(valid[0]!.message, valid[0]!.signature))
        assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      })
    )
  }

  live("hands a defect of verification to its caller alone", () =>
    Effect.gen(function* () {
      const verifier = yield* RingVerifierWorkers.make({
        workers: 1,
        spawn: scripted(`const { parentPort } = require("node:worker_threads")
          const fill = { members: 0, memberTables: 0, imageTables: 0 }
          let calls = 0
          parentPort.on("message", (batch) => {
            const verdicts = new Uint8Array(batch.length / ${32 + 69 + 65})
            for (let i = 0; i < verdicts.length; i++) verdicts[i] = calls++ === 1 ? 2 : 1
            parentPort.postMessage({ verdicts, defects: verdicts.includes(2) ? ["broken"] : [], fill })
          })`)
      })
      const single = { ...valid[0]!.signature, members: valid[0]!.signature.members.slice(0, 1) }
      const exits = yield* Effect.forEach([1, 2, 3], () => Effect.exit(verifier.verify(valid[0]!.message, single)), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(
        exits.map((exit) => (Exit.isSuccess(exit) ? exit.value : String(Cause.squash(exit.cause)))),
        [true, "Error: ring verification: broken", true]
      )
    })
  )

  live("spends no time on callers that are gone", () =>
    Effect.gen(function* () {
      const verifier = yield* RingVerifierWorkers.make({ workers: 1 })
      yield* verifyAll(verifier, repeat(4))
      const gone = yield* Effect.forkChild(verifyAll(verifier, repeat(400)))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(gone)
      const before = process.cpuUsage()
      assert.deepStrictEqual(yield* verifyAll(verifier, valid), expected(valid))
      const { user } = process.cpuUsage(before)
      assert.isBelow(user, 400_000)
      assert.strictEqual(yield* gauge("ha_relayer_ring_worker_queue_entries"), 0)
    })
  )

  live("interrupts what is under way when it shuts down, and ends its threads", () =>
    Effect.gen(function* () {
      const { spawn, started } = recording()
      const scope = yield* Scope.make()
      const verifier = yield* RingVerifierWorkers.make({ workers: 2, queueCapacity: 10, spawn }).pipe(
        Scope.provide(scope)
      )
      yield* verifyAll(verifier, valid)
      const running = yield* Effect.forEach(repeat(200), ({ message, signature }) =>
        Effect.forkChild(verifier.verify(message, signature))
      )
      yield* Effect.sleep("5 millis")
      const ended = started.map((worker) => new Promise((done) => worker.once("exit", done)))
      yield* Scope.close(scope, Exit.void)
      const exits = yield* Effect.forEach(running, Fiber.await)
      for (const [index, exit] of exits.entries()) {
        if (Exit.isSuccess(exit)) assert.strictEqual(exit.value, repeat(200)[index]!.valid)
        else assert.isTrue(Cause.hasInterruptsOnly(exit.cause))
      }
      assert.isAbove(exits.filter(Exit.isFailure).length, 100)
      yield* Effect.promise(() => Promise.all(ended))
      const after = yield* Effect.exit(verifier.verify(valid[0]!.message, valid[0]!.signature))
      assert.isTrue(Exit.isFailure(after) && Cause.hasInterruptsOnly(after.cause))
    })
  )

  live("tells how full its caches and its queue are", () =>
    Effect.gen(function* () {
      const verifier = yield* RingVerifierWorkers.make({ workers: 1, memberCapacity: 2 })
      yield* verifyAll(verifier, known)
      assert.strictEqual(yield* gauge("ha_relayer_ring_cache_entries", "members"), 2)
      assert.strictEqual(yield* gauge("ha_relayer_ring_cache_entries", "member_tables"), 0)
      assert.strictEqual(yield* gauge("ha_relayer_ring_worker_batch_entries"), 0)
    })
  )

  it("leaves one core to the event loop", () => {
    assert.deepStrictEqual([1, 2, 8, 100].map(RingVerifierWorkers.defaultWorkers), [1, 1, 7, 16])
  })
})
