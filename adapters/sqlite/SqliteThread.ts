/**
 * The thread that owns the database, and the calls to it. Calls gather while a batch is under way and leave as the next
 * one: the slower the disk, the more of them share a transaction. A thread that ends takes no call with it into silence:
 * each fails, as do all later ones.
 */
import { Worker } from "node:worker_threads"
import { Clock, Deferred, Duration, Effect, Schema, type Scope } from "effect"
import { Arrivals } from "./Arrivals.ts"
import {
  type Answer,
  type CallName,
  type FromThread,
  packBatch,
  type RequestOf,
  type SentCall,
  type SentOutcome,
  type SqliteFill,
  type ToThread,
  unpackBytes,
  type ValueOf
} from "./SqliteCalls.ts"
import type { SqliteWorkerData } from "./SqliteWorker.ts"

/** The data directory cannot be used; the message says why and what to do. */
export class DataDirectoryRefused extends Schema.TaggedError<DataDirectoryRefused>()("DataDirectoryRefused", {
  directory: Schema.String,
  sentence: Schema.String
}) {
  override get message(): string {
    return this.sentence
  }
}

/** The call was not confirmed: thread ended, time over, too many wait, or the database failed. It may have happened. */
export class SqliteUnavailable extends Schema.TaggedError<SqliteUnavailable>()("SqliteUnavailable", {
  call: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `the database did not confirm ${this.call}: ${this.reason}`
  }
}

/** The nonce of the call is not the fence: nothing was written. */
export class FenceRefused extends Schema.TaggedError<FenceRefused>()("FenceRefused", {}) {}

/** What a caller may choose. */
export interface SqliteThreadOptions {
  /** Directory of the database; created with mode 0700 when absent. */
  readonly directory: string
  /** Longest time of one call, to the second. */
  readonly callTime?: Duration.Duration
  /** Starts a thread that answers like `SqliteWorker.ts`. */
  readonly spawn?: (data: SqliteWorkerData) => Worker
}

/** A running thread. */
export interface SqliteThread {
  /**
   * Does one call; returns once what it wrote is on the disk. Fails with `FenceRefused` when the nonce is not the fence. A
   * call that is interrupted before it left does nothing; later it may take effect.
   */
  readonly call: <Name extends CallName>(
    name: Name,
    request: RequestOf<Name>,
    bytes?: ReadonlyArray<Uint8Array>
  ) => Effect.Effect<Answer<ValueOf<Name>>, SqliteUnavailable | FenceRefused>
  readonly arrivals: Arrivals
  /** As of the last answer. */
  readonly fill: () => SqliteFill
  /** Calls that wait for the next batch, and those in the present one. */
  readonly load: () => { readonly waiting: number; readonly running: number }
  /** Fails when the thread ends before its scope does. */
  readonly ended: Effect.Effect<never, SqliteUnavailable>
}

/** A call may take so long; a disk that is slower is as good as away. */
const CALL_TIME = Duration.seconds(10)
/** Calls that wait, and their bytes; a further one fails at once. */
const QUEUE_CALLS = 10_000
const QUEUE_BYTES = 134_217_728
/** Calls of one batch, and their bytes beyond the first call: some 50 ms of work. */
const BATCH_CALLS = 1_024
const BATCH_BYTES = 16_777_216
/** How often calls are looked at whose time is over. */
const LOOK_EVERY = Duration.seconds(1)
/** Longest wait for the file to be closed; then the thread is ended, and the next start recovers. */
const CLOSE_TIME = Duration.seconds(10)

/** Starts the thread and waits until the file is open. The scope closes the file and ends the thread. */
export const startSqliteThread = (
  options: SqliteThreadOptions
): Effect.Effect<SqliteThread, DataDirectoryRefused, Scope.Scope> =>
  Effect.gen(function* () {
    const held = yield* Effect.acquireRelease(
      Effect.sync(() => holdThread(options)),
      ({ close }) => close
    )
    yield* Deferred.await(held.opened)
    const callNanos = BigInt(Duration.toMillis(options.callTime ?? CALL_TIME)) * 1_000_000n
    yield* Effect.forkScoped(
      Effect.forever(
        Effect.flatMap(Clock.monotonicTimeNanos, (now) => Effect.sync(() => held.expire(now - callNanos))).pipe(
          Effect.delay(LOOK_EVERY)
        )
      )
    )
    return held
  })

/** The thread of `SqliteWorker.ts`. */
export const spawnSqliteWorker = (data: SqliteWorkerData): Worker =>
  new Worker(new URL("./SqliteWorker.ts", import.meta.url), {
    name: "sqlite",
    workerData: data,
    // The process may run with options that a thread does not take. Types are stripped without any.
    execArgv: ["--disable-warning=ExperimentalWarning"]
  })

/** One call from its start to its end. */
interface Waiting {
  readonly sent: SentCall
  readonly bytes: ReadonlyArray<Uint8Array>
  readonly size: number
  /** Monotonic nanoseconds. */
  readonly since: bigint
  settle: ((outcome: SentOutcome, bytes: ReadonlyArray<Uint8Array>) => void) | undefined
}

const EMPTY: SqliteFill = { log: 0, logBytes: 0, aside: 0, meters: 0, cache: 0, indexed: 0, endedTries: 0 }

const holdThread = ({ directory, spawn = spawnSqliteWorker }: SqliteThreadOptions) => {
  const opened = Deferred.makeUnsafe<void, DataDirectoryRefused>()
  const ended = Deferred.makeUnsafe<never, SqliteUnavailable>()
  const gone = Deferred.makeUnsafe<void>()
  const arrivals = new Arrivals()
  let worker: Worker | undefined
  const queue: Array<Waiting> = []
  let queuedBytes = 0
  let running: ReadonlyArray<Waiting> = []
  let fill = EMPTY
  let over: string | undefined
  let isLeaving = false

  const fail = (calls: ReadonlyArray<Waiting>, cause: string): void => {
    for (const call of calls) settleCall(call, { kind: "failed", cause }, [])
  }

  const end = (reason: string): void => {
    over ??= reason
    fail([...running, ...queue.splice(0)], over)
    running = []
    queuedBytes = 0
    Deferred.doneUnsafe(opened, Effect.fail(new DataDirectoryRefused({ directory, sentence: over })))
    Deferred.doneUnsafe(ended, Effect.fail(new SqliteUnavailable({ call: "anything", reason: over })))
  }

  const settleCall = (call: Waiting, outcome: SentOutcome, bytes: ReadonlyArray<Uint8Array>): void => {
    const { settle } = call
    call.settle = undefined
    settle?.(outcome, bytes)
  }

  const take = (message: FromThread): void => {
    switch (message.kind) {
      case "opened":
        Deferred.doneUnsafe(opened, Effect.void)
        return
      case "refused":
        return end(message.sentence)
      case "answers": {
        const calls = running
        running = []
        fill = message.fill
        const bytes = unpackBytes(message.batch)
        for (const [index, call] of calls.entries()) {
          const outcome = message.batch.items[index] ?? { kind: "failed", cause: "the answer does not fit the batch" }
          arrived(call, outcome)
          settleCall(call, outcome, bytes[index] ?? [])
        }
        leaveSoon()
      }
    }
  }

  /** Also when the caller is gone: the entry is there. */
  const arrived = ({ sent: { name, request } }: Waiting, { kind }: SentOutcome): void => {
    if (kind !== "done" || (name !== "append" && name !== "redeliver")) return
    arrivals.signal((request as RequestOf<"append" | "redeliver">).supplier) // by its name
  }

  const leaveSoon = (): void => {
    if (isLeaving || running.length > 0 || queue.length === 0) return
    isLeaving = true
    // Callers of the same turn go together.
    queueMicrotask(leave)
  }

  const leave = (): void => {
    isLeaving = false
    if (worker === undefined || running.length > 0) return
    const batch: Array<Waiting> = []
    let size = 0
    let next = 0
    for (; next < queue.length && batch.length < BATCH_CALLS; next++) {
      const call = queue[next]
      if (call === undefined) continue
      if (call.settle === undefined) {
        queuedBytes -= call.size
        continue
      }
      if (batch.length > 0 && size + call.size > BATCH_BYTES) break
      size += call.size
      queuedBytes -= call.size
      batch.push(call)
    }
    queue.splice(0, next)
    if (batch.length === 0) return
    running = batch
    const packed: ToThread = packBatch(
      batch.map(({ sent }) => sent),
      batch.map(({ bytes }) => bytes)
    )
    worker.postMessage(packed, [packed.buffer.buffer])
  }

  try {
    worker = spawn({ directory })
    worker.on("message", take)
    worker.on("messageerror", (cause) => end(String(cause)))
    worker.on("error", (cause) => end(`its thread ended: ${String(cause)}`))
    worker.on("exit", (code) => {
      end(`its thread ended with code ${code}`)
      Deferred.doneUnsafe(gone, Effect.void)
    })
  } catch (cause) {
    end(`its thread could not be started: ${String(cause)}`)
    Deferred.doneUnsafe(gone, Effect.void)
  }

  const call: SqliteThread["call"] = (name, request, bytes = []) =>
    Effect.flatMap(Clock.monotonicTimeNanos, (since) =>
      Effect.callback<Answer<ValueOf<typeof name>>, SqliteUnavailable | FenceRefused>((resume) => {
        const size = bytes.reduce((sum, string) => sum + string.length, 0)
        const unavailable = (reason: string) => resume(Effect.fail(new SqliteUnavailable({ call: name, reason })))
        if (over !== undefined) return unavailable(over)
        if (queue.length >= QUEUE_CALLS || (queue.length > 0 && queuedBytes + size > QUEUE_BYTES)) {
          return unavailable(`${queue.length} calls with ${queuedBytes} bytes wait already`)
        }
        const waiting: Waiting = {
          sent: { name, request },
          bytes,
          size,
          since,
          settle: (outcome, answerBytes) => {
            switch (outcome.kind) {
              case "done":
                // The value that the handler of this name returned.
                return resume(Effect.succeed({ value: outcome.value as ValueOf<typeof name>, bytes: answerBytes }))
              case "lost":
                return resume(Effect.fail(new FenceRefused()))
              case "failed":
                return unavailable(outcome.cause)
            }
          }
        }
        queue.push(waiting)
        queuedBytes += size
        leaveSoon()
        return Effect.sync(() => {
          waiting.settle = undefined
        })
      })
    )

  return {
    opened,
    call,
    arrivals,
    fill: () => fill,
    load: () => ({ waiting: queue.length, running: running.length }),
    ended: Deferred.await(ended),
    /** Fails the calls that began before `moment`; the thread may still do them. */
    expire: (moment: bigint): void => {
      const isLate = ({ settle, since }: Waiting) => settle !== undefined && since < moment
      fail(running.filter(isLate), "its time is over")
      fail(queue.filter(isLate), "its time is over")
    },
    close: Effect.suspend(() => {
      over ??= "it was closed"
      const close: ToThread = "close"
      worker?.postMessage(close, [])
      return Deferred.await(gone).pipe(
        Effect.timeoutOption(CLOSE_TIME),
        Effect.andThen(Effect.promise(async () => worker?.terminate()))
      )
    })
  }
}
