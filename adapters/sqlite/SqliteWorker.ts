/** Body of the database thread of `SqliteThread`: opens the file, answers batches, tidies up between them, closes. */
import { parentPort, workerData } from "node:worker_threads"
import { type FromThread, packBatch, type ToThread, unpackBytes } from "./SqliteCalls.ts"
import { SqliteDatabase } from "./SqliteDatabase.ts"
import { closeFile, FileRefused, openFile } from "./SqliteFile.ts"

/** What a worker is started with. */
export interface SqliteWorkerData {
  readonly directory: string
}

/** Pause before a step of tidying up, milliseconds: calls come first. */
const TIDY_PAUSE = 20

// `SqliteThread` starts this file, with data of this shape.
const { directory } = workerData as SqliteWorkerData

const say = (message: FromThread, transfer: ReadonlyArray<ArrayBuffer> = []): void =>
  parentPort?.postMessage(message, transfer)

const serve = (): void => {
  const file = openFile(directory)
  const database = new SqliteDatabase(file)
  let tidying: NodeJS.Timeout | undefined

  const tidySoon = () => {
    tidying ??= setTimeout(() => {
      tidying = undefined
      if (database.tidy()) tidySoon()
    }, TIDY_PAUSE)
  }

  parentPort?.on("message", (message: ToThread) => {
    if (message === "close") {
      clearTimeout(tidying)
      closeFile(file, directory)
      return parentPort?.close()
    }
    const done = database.run(message.items, unpackBytes(message))
    const batch = packBatch(
      done.map(({ outcome }) => outcome),
      done.map(({ bytes }) => bytes)
    )
    say({ kind: "answers", batch, fill: database.fill }, [batch.buffer.buffer])
    tidySoon()
  })
  say({ kind: "opened" })
  tidySoon()
}

try {
  serve()
} catch (cause) {
  if (!(cause instanceof FileRefused)) throw cause
  say({ kind: "refused", sentence: cause.message })
  parentPort?.close()
}
