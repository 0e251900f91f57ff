/** The open database that all SQLite ports of a process share, with gauges of its fill and of its files. */
import { statSync } from "node:fs"
import { join } from "node:path"
import { Context, Effect, Layer, type Scope } from "effect"
import { fillGauge } from "../../domain/observability/FillGauge.ts"
import { DATABASE } from "./SqliteFile.ts"
import {
  type DataDirectoryRefused,
  type SqliteThread,
  type SqliteThreadOptions,
  startSqliteThread
} from "./SqliteThread.ts"

/** The thread with the database; made once for each directory. */
export class SqliteStores extends Context.Service<SqliteStores, SqliteThread>()(
  "relaymill/adapters/sqlite/SqliteStores"
) {
  /** Opens the database of the directory until the scope ends. */
  static readonly layer = (options: SqliteThreadOptions): Layer.Layer<SqliteStores, DataDirectoryRefused> =>
    Layer.effect(
      SqliteStores,
      Effect.gen(function* () {
        const thread = yield* startSqliteThread(options)
        yield* watchFill(thread)
        yield* watchFiles(options.directory)
        return thread
      })
    )
}

const watchFill = ({ fill, load }: SqliteThread): Effect.Effect<void, never, Scope.Scope> => {
  const stores = {
    log: () => fill().log,
    log_bytes: () => fill().logBytes,
    set_aside: () => fill().aside,
    meters: () => fill().meters,
    cache: () => fill().cache,
    indexed_nodes: () => fill().indexed,
    ended_tries: () => fill().endedTries,
    calls_waiting: () => load().waiting,
    calls_running: () => load().running
  }
  return Effect.forEach(
    Object.entries(stores),
    ([store, read]) =>
      fillGauge("relaymill_sqlite_entries", "Entries in the SQLite stores; of log_bytes the bytes", read, { store }),
    { discard: true }
  )
}

/** Looks at sizes only: opening the file a second time in this process would give up its lock. */
const watchFiles = (directory: string): Effect.Effect<void, never, Scope.Scope> => {
  const sizeOf = (name: string) => () => statSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0
  return Effect.andThen(
    fillGauge("relaymill_sqlite_file_bytes", "Size of the database file", sizeOf(DATABASE)),
    fillGauge("relaymill_sqlite_wal_bytes", "Size of the write-ahead log beside it", sizeOf(`${DATABASE}-wal`))
  )
}
