/** Directories of their own for spools under test, and spools over them. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Layer } from "effect"
import * as EntropyNode from "../../../adapters/crypto/EntropyNode.ts"
import * as RelaySpoolDisk from "../../../adapters/spool/RelaySpoolDisk.ts"
import { RelaySpool } from "../../../domain/ports/RelaySpool.ts"

const MEGABYTE = 1_048_576

/** A path for a spool that does not exist yet; removed with the scope. */
export const freshDir = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "spool-"))),
    (dir) => Effect.sync(() => rmSync(dir, { recursive: true, force: true }))
  ),
  (dir) => join(dir, "spool")
)

export const spoolAt = (dir: string, options: Partial<RelaySpoolDisk.RelaySpoolDiskOptions> = {}) =>
  RelaySpoolDisk.layer({ dir, maxBytes: 64 * MEGABYTE, fsync: true, ...options }).pipe(Layer.provide(EntropyNode.layer))

/** A spool in a directory of its own. */
export const freshSpool = (options: Partial<RelaySpoolDisk.RelaySpoolDiskOptions> = {}) =>
  Layer.unwrap(Effect.map(freshDir, (dir) => spoolAt(dir, options)))

/** Opens the spool of the directory, uses it, and closes it. */
export const opened = <A, E>(
  dir: string,
  use: (spool: RelaySpool["Service"]) => Effect.Effect<A, E>,
  options: Partial<RelaySpoolDisk.RelaySpoolDiskOptions> = {}
) => Effect.provide(RelaySpool.use(use), spoolAt(dir, options), { local: true })

/** Numbers of the entries kept (`StoreFixtures.anEntry`), in order. */
export const numbersOf = (spool: RelaySpool["Service"], max = 1_000_000) =>
  Effect.gen(function* () {
    const numbers: Array<number> = []
    let after = 0
    while (numbers.length < max) {
      const entries = yield* spool.peek(max - numbers.length, after)
      if (entries.length === 0) break
      for (const { entry } of entries)
        numbers.push(Number(entry.relay.publishedAtUnixNano - 1_700_000_000_000_000_000n))
      after = entries.at(-1)!.id
    }
    return numbers
  })

/** Paths of the segment files, the oldest first. */
export const segmentsOf = (dir: string): ReadonlyArray<string> => filesOf(dir, ".spool")

/** Paths of the files with this ending. */
export const filesOf = (dir: string, ending: string): ReadonlyArray<string> =>
  readdirSync(dir)
    .filter((name) => name.endsWith(ending))
    .sort()
    .map((name) => join(dir, name))
