/** One verification thread: takes a batch at a time, answers it or says that it died; ended by its scope. */
import { Worker } from "node:worker_threads"
import { Effect, Schema, type Scope } from "effect"
import type { RingBatchAnswer } from "./RingBatch.ts"
import type { RingWorkerData } from "./RingVerificationWorker.ts"

/** The thread ended, could not be started, or answered what is no answer; its batch has no verdicts. */
export class RingWorkerDied extends Schema.TaggedError<RingWorkerDied>()("RingWorkerDied", {
  cause: Schema.Defect()
}) {
  override get message(): string {
    return `a ring verification thread ended: ${String(this.cause)}`
  }
}

/** A running thread. */
export interface RingWorkerThread {
  /**
   * Verdicts for a batch of `jobs` signatures (`encodeBatch`), whose memory moves to the thread. One batch at a time; a
   * thread that has died answers no later one either.
   */
  readonly run: (batch: Uint8Array<ArrayBuffer>, jobs: number) => Effect.Effect<RingBatchAnswer, RingWorkerDied>
}

/** Heap of a thread in MB: some five times what full caches take; above, the thread ends and is replaced. */
const HEAP_MEGABYTES = 256

/** The thread of `RingVerificationWorker.ts`. Its caches keep at most `memberCapacity` members. */
export const spawnRingWorker = (memberCapacity: number): Worker => {
  const data: RingWorkerData = { memberCapacity }
  return new Worker(new URL("./RingVerificationWorker.ts", import.meta.url), {
    name: "ring verification",
    workerData: data,
    // The process may run with options that a thread does not take. Types are stripped without any.
    execArgv: ["--disable-warning=ExperimentalWarning"],
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MEGABYTES }
  })
}

/** Starts a thread without waiting for it. A failed start shows in the first batch. */
export const startRingWorker = (spawn: () => Worker): Effect.Effect<RingWorkerThread, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => holdWorker(spawn)),
      ({ worker }) => Effect.promise(async () => worker?.terminate())
    ),
    ({ run }) => ({ run })
  )

const holdWorker = (spawn: () => Worker) => {
  let worker: Worker | undefined
  let died: RingWorkerDied | undefined
  let waiting:
    | { readonly jobs: number; readonly settle: (answer: RingBatchAnswer | RingWorkerDied) => void }
    | undefined

  const settle = (answer: RingBatchAnswer | RingWorkerDied): void => {
    const { settle } = waiting ?? {}
    waiting = undefined
    worker?.unref()
    settle?.(answer)
  }
  const end = (cause: unknown): void => {
    died ??= new RingWorkerDied({ cause })
    settle(died)
  }
  try {
    worker = spawn()
    worker.on("message", (answer: RingBatchAnswer) => {
      if (answer.verdicts?.length === waiting?.jobs) settle(answer)
      else end(new Error("the answer does not fit the batch"))
    })
    worker.on("messageerror", end)
    worker.on("error", end)
    worker.on("exit", (code) => end(new Error(`exit code ${code}`)))
    // A thread without work does not keep the process alive.
    worker.unref()
  } catch (cause) {
    end(cause)
  }

  const run: RingWorkerThread["run"] = (batch, jobs) =>
    Effect.callback((resume) => {
      if (died !== undefined || worker === undefined)
        return resume(Effect.fail(died ?? new RingWorkerDied({ cause: "" })))
      waiting = {
        jobs,
        settle: (answer) => resume(answer instanceof RingWorkerDied ? Effect.fail(answer) : Effect.succeed(answer))
      }
      worker.ref()
      worker.postMessage(batch, [batch.buffer])
      return Effect.sync(() => {
        waiting = undefined
      })
    })
  return { worker, run }
}
