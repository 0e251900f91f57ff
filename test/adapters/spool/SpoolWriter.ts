/**
 * A process that fills a spool until it is killed, or until the spool refuses: `dir`, bytes of a relay, entries at once,
 * most entries. Prints `confirmed <first> <last>` after each lot, in one write. With `again` what was refused is offered
 * until it is taken, and the filling goes on.
 */
import { writeSync } from "node:fs"
import { setImmediate } from "node:timers/promises"
import { Effect, Layer, Schedule } from "effect"
import * as EntropyNode from "../../../adapters/crypto/EntropyNode.ts"
import * as RelaySpoolDisk from "../../../adapters/spool/RelaySpoolDisk.ts"
import { RelaySpool } from "../../../domain/ports/RelaySpool.ts"
import { anEntry } from "../../contract/StoreFixtures.ts"

const [dir = "", relayBytes = "100", lot = "50", most = "1000000", again = ""] = process.argv.slice(2)
const say = (line: string) => writeSync(1, `${line}\n`)
/** Bytes in use once what is garbage is gone; memory of buffers is given back some turns after its collection. */
const memory = Effect.promise(async () => {
  for (let turn = 0; turn < 5; turn++) {
    globalThis.gc?.()
    await setImmediate()
  }
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return arrayBuffers + heapUsed
})

const fill = Effect.gen(function* () {
  const spool = yield* RelaySpool
  say(`opened ${yield* spool.size}`)
  const before = yield* memory
  const filling = Buffer.alloc(Number(relayBytes), 1)
  for (let n = 0; n < Number(most); n += Number(lot)) {
    const numbers = Array.from({ length: Number(lot) }, (_, i) => n + i)
    const results = yield* Effect.forEach(
      numbers,
      (number) => Effect.result(spool.offer(anEntry(number, { relayBytes: filling }))),
      { concurrency: "unbounded" }
    )
    const failed = results.find((result) => result._tag === "Failure")
    if (failed !== undefined) {
      const kept = results.filter((result) => result._tag === "Success").length
      say(`refused ${failed.failure._tag} ${"code" in failed.failure ? failed.failure.code : ""} kept ${kept}`)
      say(failed.failure.message)
      if (again === "") return
      for (const [place, number] of numbers.entries()) {
        if (results[place]?._tag === "Success") continue
        yield* Effect.orDie(
          Effect.retry(spool.offer(anEntry(number, { relayBytes: filling })), Schedule.spaced("10 millis"))
        )
      }
    }
    say(`confirmed ${n} ${n + Number(lot) - 1}`)
  }
  say(`memory ${(yield* memory) - before}`)
})

process.on("SIGXFSZ", () => {})
await Effect.runPromise(
  fill.pipe(
    Effect.provide(
      RelaySpoolDisk.layer({ dir, maxBytes: 1_073_741_824, fsync: true }).pipe(Layer.provide(EntropyNode.layer))
    ),
    Effect.catch((refused) => Effect.sync(() => say(`${refused._tag} ${refused.reason}: ${refused.message}`)))
  )
)
