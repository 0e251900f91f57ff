/** The SQLite adapters as the contract suites want them: a data directory of its own each time a layer is built. */
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Duration, Effect, Layer, type Scope } from "effect"
import * as EntropyNode from "../../../adapters/crypto/EntropyNode.ts"
import * as LeasesSqlite from "../../../adapters/sqlite/LeasesSqlite.ts"
import { logId } from "../../../adapters/sqlite/LogId.ts"
import * as RelayLogSqlite from "../../../adapters/sqlite/RelayLogSqlite.ts"
import { SqliteStores } from "../../../adapters/sqlite/SqliteStores.ts"
import * as SupplierStoreSqlite from "../../../adapters/sqlite/SupplierStoreSqlite.ts"
import type { RelayLog } from "../../../domain/ports/RelayLog.ts"
import { StoreInspector, type StorePorts } from "../../contract/SupplierStoreWorld.ts"

/** The laws of the ports need no disk; what a disk must keep is tested with one (`SqliteCrash.test.ts`). */
const parent = existsSync("/dev/shm") ? "/dev/shm" : tmpdir()

/** An empty directory that is removed with the scope. */
export const temporaryDirectory = (within = parent): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(within, "relaymill-sqlite-"))),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
  )

/** The database of one directory. */
export const storesIn = (directory: string): Layer.Layer<SqliteStores> => Layer.orDie(SqliteStores.layer({ directory }))

/** A fresh database, shared by the layers it is given to. */
export const freshStores: Layer.Layer<SqliteStores> = Layer.fresh(
  Layer.unwrap(Effect.map(temporaryDirectory(), storesIn))
)

/** Short lives, since tests wait for their end. */
export const LEASE_LIFE = Duration.seconds(3)
export const ANNOUNCEMENT_LIFE = Duration.seconds(3)
export const SET_ASIDE_LIMIT = 50

const inspector = Layer.effect(
  StoreInspector,
  Effect.map(SqliteStores, ({ call }) => ({
    setAside: (supplier) =>
      Effect.orDie(
        Effect.map(call("aside", { supplier }), ({ value }) =>
          value.map(({ reason, ...place }) => ({ id: logId(place), reason }))
        )
      ),
    setAsideLimit: SET_ASIDE_LIMIT
  }))
)

export const layerLeases = LeasesSqlite.layerWith(LEASE_LIFE).pipe(Layer.provide(EntropyNode.layer))

/** This log, with store and leases, over the given stores. */
export const storePortsWith = (
  log: Layer.Layer<RelayLog, never, SqliteStores>,
  stores: Layer.Layer<SqliteStores> = freshStores
): Layer.Layer<StorePorts> =>
  Layer.mergeAll(SupplierStoreSqlite.layerWith(SET_ASIDE_LIMIT), log, layerLeases, inspector).pipe(
    Layer.provide(stores)
  )

export const storePorts = storePortsWith(RelayLogSqlite.layerWith({ announcementLife: ANNOUNCEMENT_LIFE }))
