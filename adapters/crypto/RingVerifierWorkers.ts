/**
 * Ring verification in pure code on worker threads, so that its milliseconds never hold the event loop: where there is no
 * native library. While threads are busy, signatures gather in a bounded queue and leave it in batches; a full queue holds
 * callers back. A thread that dies is replaced and its batch is repeated; what cannot be verified dies, it is never "invalid".
 */
import { availableParallelism } from "node:os"
import type { Worker } from "node:worker_threads"
import { Deferred, Effect, Layer, Metric, Option, Queue, Result, type Scope } from "effect"
import { fillGauge } from "../../domain/observability/FillGauge.ts"
import { RingVerifier } from "../../domain/ports/RingVerifier.ts"
import { DEFAULT_MEMBER_CAPACITY, type RingVerifierFill } from "../../domain/ring/RingVerifierPure.ts"
import { DEFECT, encodeBatch, encodeJob, type RingBatchAnswer, VALID } from "./RingBatch.ts"
import { ringCacheGauges } from "./RingCacheGauges.ts"
import { type RingWorkerDied, spawnRingWorker, startRingWorker } from "./RingWorkerThread.ts"

/** What a caller may choose. */
export interface RingVerifierWorkersOptions {
  /** Most members that each thread keeps, near 1 KB each. */
  readonly memberCapacity?: number
  /** Threads. */
  readonly workers?: number
  /** Most signatures that wait for a thread; further callers are suspended. */
  readonly queueCapacity?: number
  /** Starts a thread that answers like `RingVerificationWorker.ts`. */
  readonly spawn?: () => Worker
}

/** Most threads: each takes near 60 MB, and 16 verify some 4000 signatures a second. */
const MAX_WORKERS = 16
/** Signatures that wait: about a second of work for one thread, 200 bytes each. */
const QUEUE_CAPACITY = 512
/** Members that a batch is filled up to: at 1 to 2 ms a member some 50 ms, beside which the hop of 0.1 ms is nothing. */
const BATCH_MEMBERS = 32
/** Times that a signature is given to a thread before it is held to be what kills threads. */
const MAX_ATTEMPTS = 3

const replaced = Metric.counter("ha_relayer_ring_workers_replaced_total", {
  description: "Ring verification threads that ended and were replaced",
  incremental: true
})

/** Threads of the pool: one core is left to the event loop. */
export const defaultWorkers = (cores: number = availableParallelism()): number =>
  Math.min(MAX_WORKERS, Math.max(1, cores - 1))

/** A verifier over threads that end with the scope; verifications under way are then interrupted. */
export const make = (
  options: RingVerifierWorkersOptions = {}
): Effect.Effect<RingVerifier["Service"], never, Scope.Scope> =>
  Effect.gen(function* () {
    const count = options.workers ?? defaultWorkers()
    const spawn = options.spawn ?? (() => spawnRingWorker(options.memberCapacity ?? DEFAULT_MEMBER_CAPACITY))
    const queue = yield* Queue.bounded<Job>(options.queueCapacity ?? QUEUE_CAPACITY)
    const outstanding = new Set<Job>()
    const lanes = Array.from({ length: count }, (): Lane => ({ verifying: 0, fill: NOTHING }))
    // Runs after the threads have ended: nobody is left to answer.
    yield* Effect.addFinalizer(() =>
      Effect.andThen(
        Queue.shutdown(queue),
        Effect.forEach(outstanding, ({ verdict }) => Deferred.interrupt(verdict), { discard: true })
      )
    )
    yield* gauges(queue, lanes)
    for (const lane of lanes) yield* Effect.forkScoped(runLane({ queue, spawn, count }, lane))
    return {
      verify: (message, signature) =>
        Effect.suspend(() => {
          const bytes = encodeJob(message, signature)
          if (bytes === undefined) return Effect.succeed(false)
          const job: Job = {
            bytes,
            members: signature.members.length,
            verdict: Deferred.makeUnsafe(),
            attempts: 0,
            abandoned: false
          }
          outstanding.add(job)
          return Queue.offer(queue, job).pipe(
            Effect.flatMap((accepted) => (accepted ? Deferred.await(job.verdict) : Effect.interrupt)),
            Effect.ensuring(
              Effect.sync(() => {
                job.abandoned = true
                outstanding.delete(job)
              })
            )
          )
        })
    }
  })

/** The verifier with default bounds, or those given. */
export const layerWith = (options: RingVerifierWorkersOptions): Layer.Layer<RingVerifier> =>
  Layer.effect(RingVerifier, make(options))

/** The verifier with default bounds. */
export const layer: Layer.Layer<RingVerifier> = Layer.suspend(() => layerWith({}))

interface Job {
  readonly bytes: Uint8Array
  readonly members: number
  readonly verdict: Deferred.Deferred<boolean>
  /** Times given to a thread. */
  attempts: number
  /** The caller is gone: not worth a thread's time. */
  abandoned: boolean
}

/** One thread after the other. */
interface Lane {
  /** Signatures in the batch under way. */
  verifying: number
  fill: RingVerifierFill
}

interface Pool {
  readonly queue: Queue.Queue<Job>
  readonly spawn: () => Worker
  readonly count: number
}

const NOTHING: RingVerifierFill = { members: 0, memberTables: 0, imageTables: 0 }

const runLane = Effect.fnUntraced(function* (pool: Pool, lane: Lane) {
  let repeated: ReadonlyArray<Job> = []
  while (true) {
    repeated = yield* Effect.scoped(runThread(pool, lane, repeated))
    yield* Metric.update(replaced, 1)
  }
})

/** The life of one thread; returns the jobs that its successor has to repeat. */
const runThread = Effect.fnUntraced(function* (pool: Pool, lane: Lane, repeated: ReadonlyArray<Job>) {
  const thread = yield* startRingWorker(pool.spawn)
  const repeats = [...repeated]
  while (true) {
    // Repeated one by one, so that a signature which kills threads takes no other with it.
    const repeat = repeats.shift()
    const taken = repeat === undefined ? yield* nextBatch(pool) : [repeat]
    const batch = taken.filter((job) => !job.abandoned)
    if (batch.length === 0) continue
    lane.verifying = batch.length
    const answer = yield* Effect.result(thread.run(encodeBatch(batch.map(({ bytes }) => bytes)), batch.length))
    lane.verifying = 0
    if (Result.isFailure(answer)) {
      lane.fill = NOTHING
      yield* Effect.logWarning("ring verification thread replaced").pipe(
        Effect.annotateLogs({ signatures: batch.length, cause: answer.failure.message })
      )
      return [...survivors(batch, answer.failure), ...repeats]
    }
    lane.fill = answer.success.fill
    settle(batch, answer.success)
  }
})

/** Waits for a signature and adds what waits behind it: this thread's share, up to `BATCH_MEMBERS`. */
const nextBatch = Effect.fnUntraced(function* ({ count, queue }: Pool) {
  const first = yield* Queue.take(queue)
  const batch = [first]
  let members = first.members
  const share = Math.ceil(Queue.sizeUnsafe(queue) / count)
  while (batch.length <= share && members < BATCH_MEMBERS) {
    const next = yield* Queue.poll(queue)
    if (Option.isNone(next)) break
    batch.push(next.value)
    members += next.value.members
  }
  return batch
})

const survivors = (batch: ReadonlyArray<Job>, cause: RingWorkerDied): ReadonlyArray<Job> =>
  batch.filter((job) => {
    job.attempts++
    if (job.attempts < MAX_ATTEMPTS) return true
    Deferred.doneUnsafe(job.verdict, Effect.die(cause))
    return false
  })

const settle = (batch: ReadonlyArray<Job>, { defects, verdicts }: RingBatchAnswer): void => {
  let thrown = 0
  for (const [index, { verdict }] of batch.entries()) {
    const code = verdicts[index]
    Deferred.doneUnsafe(
      verdict,
      code === DEFECT
        ? Effect.die(new Error(`ring verification: ${defects[thrown++]}`))
        : Effect.succeed(code === VALID)
    )
  }
}

const gauges = Effect.fnUntraced(function* (queue: Queue.Queue<Job>, lanes: ReadonlyArray<Lane>) {
  const sum = (read: (lane: Lane) => number) => lanes.reduce((total, lane) => total + read(lane), 0)
  yield* fillGauge("ha_relayer_ring_worker_queue_entries", "Signatures that wait for a verification thread", () =>
    Queue.sizeUnsafe(queue)
  )
  yield* fillGauge("ha_relayer_ring_worker_batch_entries", "Signatures that verification threads have in work", () =>
    sum(({ verifying }) => verifying)
  )
  yield* ringCacheGauges(() => ({
    members: sum(({ fill }) => fill.members),
    memberTables: sum(({ fill }) => fill.memberTables),
    imageTables: sum(({ fill }) => fill.imageTables)
  }))
})
