/**
 * A process that appends relays, takes them and commits their leaves, and prints each step once it is confirmed, until it is
 * killed. What an earlier one left is read from the store. `node SqliteCrashWorker.ts DIR FIRST`; lines: `a N` (relay N is
 * in the log), `c N…` (relays N… are leaves of the session and no longer in the log).
 */
import { Duration, Effect, Layer, Option } from "effect"
import * as EntropyNode from "../../../adapters/crypto/EntropyNode.ts"
import * as LeasesSqlite from "../../../adapters/sqlite/LeasesSqlite.ts"
import * as RelayLogSqlite from "../../../adapters/sqlite/RelayLogSqlite.ts"
import { SqliteStores } from "../../../adapters/sqlite/SqliteStores.ts"
import * as SupplierStoreSqlite from "../../../adapters/sqlite/SupplierStoreSqlite.ts"
import { Leases } from "../../../domain/ports/Leases.ts"
import { RelayLog } from "../../../domain/ports/RelayLog.ts"
import { SupplierStore } from "../../../domain/ports/SupplierStore.ts"
import { decodeMinedRelay } from "../../../domain/relay/MinedRelay.ts"
import { aLeaf, alice, anEntry, aRoot, aTally, first } from "../../contract/StoreFixtures.ts"
import { writeSync } from "node:fs"

const [directory = "", start = "0"] = process.argv.slice(2)

/** Straight into the pipe: what is printed was confirmed, whatever happens next. */
const say = (line: string) => Effect.sync(() => writeSync(1, `${line}\n`))

/** Number of a relay of `anEntry`: its publication time counts it. */
const numberOf = (data: Uint8Array): number => {
  const relay = decodeMinedRelay(data)
  if (relay._tag === "Failure") throw new Error("an entry does not decode")
  return Number(relay.success.publishedAtUnixNano - 1_700_000_000_000_000_000n)
}

const appends = Effect.gen(function* () {
  const log = yield* RelayLog
  for (let n = Number(start); ; n += 10) {
    yield* Effect.forEach(
      Array.from({ length: 10 }, (_, index) => n + index),
      (number) => Effect.andThen(log.append(anEntry(number)), say(`a ${number}`)),
      { concurrency: "unbounded" }
    )
  }
})

const commits = Effect.gen(function* () {
  const store = yield* SupplierStore
  const lease = Option.getOrThrow(yield* Leases.use((leases) => leases.acquire(alice, "crashing")))
  /** Of the batch before: nodes are written of what is committed, as a checkpoint does. */
  let committed: ReadonlyArray<number> = []
  for (;;) {
    const taken = yield* store.deliveries(lease, 7, Duration.seconds(1))
    const stored = yield* store.load(alice, first)
    const { count, version } = Option.getOrElse(stored, () => ({ count: 0n, version: 0 }))
    const numbers = taken.map(({ data }) => numberOf(data))
    const tally = aTally(Number(count) + numbers.length)
    yield* store.writeNodes(lease, first, committed.map(aLeaf))
    yield* store.commit(lease, {
      session: first,
      expectedVersion: version,
      leaves: numbers.map(aLeaf),
      ...tally,
      events: [],
      checkpoint:
        version % 5 === 4 ? Option.some({ liveRoot: aRoot(Number(tally.count)), tailCovered: 1 }) : Option.none(),
      acknowledged: taken.map(({ id }) => id)
    })
    committed = numbers
    yield* say(`c ${numbers.join(" ")}`)
  }
})

const stores = Layer.mergeAll(RelayLogSqlite.layer, SupplierStoreSqlite.layer, LeasesSqlite.layer).pipe(
  Layer.provide([SqliteStores.layer({ directory }), EntropyNode.layer])
)

await Effect.runPromise(Effect.all([appends, commits], { concurrency: "unbounded" }).pipe(Effect.provide(stores)))
