/**
 * A process that goes on filling and emptying a spool of 1 MiB until it is killed: of each lot of 20 entries the first
 * stays and the others are removed. Prints `kept <number>` once that is confirmed.
 */
import { writeSync } from "node:fs"
import { Effect, Layer } from "effect"
import * as EntropyNode from "../../../adapters/crypto/EntropyNode.ts"
import * as RelaySpoolDisk from "../../../adapters/spool/RelaySpoolDisk.ts"
import { RelaySpool } from "../../../domain/ports/RelaySpool.ts"
import { anEntry } from "../../contract/StoreFixtures.ts"

const [dir = "", from = "0"] = process.argv.slice(2)
const relayBytes = Buffer.alloc(1_000, 1)

const churn = Effect.gen(function* () {
  const spool = yield* RelaySpool
  let after = 0
  for (let n = Number(from); n < Number(from) + 20 * 500; n += 20) {
    yield* Effect.forEach(
      Array.from({ length: 20 }, (_, i) => n + i),
      (number) => spool.offer(anEntry(number, { relayBytes })),
      { concurrency: "unbounded" }
    )
    writeSync(1, `kept ${n}\n`)
    const entries = yield* spool.peek(1_000, after)
    const lot = entries.filter(({ entry }) => Number(entry.relay.publishedAtUnixNano % 20n) !== 0)
    yield* spool.remove(lot.map(({ id }) => id))
    after = entries.at(-1)?.id ?? after
  }
})

await Effect.runPromise(
  churn.pipe(
    Effect.provide(
      RelaySpoolDisk.layer({ dir, maxBytes: 1_048_576, fsync: false }).pipe(Layer.provide(EntropyNode.layer))
    ),
    Effect.catch((failed) => Effect.sync(() => writeSync(1, `failed ${failed._tag}: ${failed.message}\n`)))
  )
)
