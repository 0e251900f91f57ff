/** A folder of its own for one test, with files of keys in it; gone when the test ends. */
import { chmodSync, cpSync, readdirSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { Effect, Layer, Logger, Redacted, References } from "effect"
import type { KeyProblem } from "../../../adapters/keys/KeyProblem.ts"
import type { KeySettings, Passphrase } from "../../../adapters/keys/KeySettings.ts"
import { keySources } from "../../../adapters/keys/KeySources.ts"
import { testKey, type TestKey } from "../../support/RelayBuilder.ts"
import { toHex } from "../../vectors/load.ts"

/** Keys of these tests. */
export const keys = Array.from({ length: 6 }, (_, index) => testKey(`on disk ${index}`))
const [first, second, third, fourth] = keys as [TestKey, TestKey, TestKey, TestKey]
/** The first four, by name. */
export { first, second, third, fourth }

/** 64 digits of a key. */
export const hexOf = (key: TestKey): string => toHex(key.privateKey)
/** Addresses in the order in which they are held. */
export const addressesOf = (held: ReadonlyArray<TestKey>): ReadonlyArray<string> =>
  held.map(({ address }) => address).sort()

/** A file of keys. */
export const list = (...held: ReadonlyArray<TestKey>): string =>
  `keys:\n${held.map((key) => `  - "0x${hexOf(key)}"\n`).join("")}`
/** A file of one key with its address. */
export const addressed = (key: TestKey, address = key.address): string =>
  `operator_address: ${address}\nprivate_key_hex: ${hexOf(key)}\n`

/** A new folder. */
export const makeFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "relaymill-keys-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** Writes a file that only its owner may read, and the folders above it. */
export const write = (path: string, content: string | Uint8Array): string => {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  writeFileSync(path, content, { mode: 0o600 })
  return path
}

/** No source. */
export const none: KeySettings = { keysFile: undefined, keysDir: undefined, keyring: undefined }

/** A copy of a keyring of the fixtures, and the settings that read it. */
export const copyKeyring = (folder: string, backend: "test" | "file", keyNames: ReadonlyArray<string> = []) => {
  const copy = join(folder, `keyring-${backend}`)
  cpSync(fileURLToPath(new URL(`../../fixtures/keyring-${backend}`, import.meta.url)), copy, { recursive: true })
  // A checkout has no permissions of its own.
  for (const name of readdirSync(copy)) chmodSync(join(copy, name), 0o600)
  const passphrase: Passphrase = {
    _tag: "Value",
    value: Redacted.make(backend === "test" ? "test" : "correct horse battery")
  }
  return { ...none, keyring: { folder: copy, keyNames, passphrase } }
}

/** One look at the sources: addresses in their order, problems, and paths that are open to others. */
export const lookAt = (settings: KeySettings) =>
  Effect.map(
    Effect.forEach(keySources(settings), ({ reader }) => reader.look),
    (readings) => ({
      addresses: readings.flatMap((reading) => reading.keys.map(({ address }): string => address)),
      problems: readings.flatMap(({ findings }) => findings.map(({ problem }) => problem)),
      exposed: readings.flatMap(({ exposed }) => exposed.map(({ path }) => path)),
      readings
    })
  )

/** Reason and message of the only problem. */
export const only = (problems: ReadonlyArray<KeyProblem>): readonly [string, string] => {
  const [problem, ...others] = problems
  if (problem === undefined || others.length > 0) throw new Error(`${problems.length} problems instead of one`)
  return [problem.reason, problem.message]
}

/** Milliseconds of real time after which a wait has failed. */
const DEADLINE = 20_000

/** Goes on with `step` until `isDone`; fails after a deadline of real time. */
export const until = (
  what: string,
  isDone: () => boolean | Promise<boolean>,
  step: Effect.Effect<void>
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const end = performance.now() + DEADLINE
    while (!(yield* Effect.promise(async () => isDone()))) {
      if (performance.now() > end) return yield* Effect.die(new Error(`in vain: ${what}`))
      yield* step
      // Files are read in real time, whatever the clock of the test says.
      yield* Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))
    }
  })

/** Everything logged, one text for each line, newest last; `all` has every level. */
export const logsInto = (lines: Array<string>) =>
  Layer.merge(
    Logger.layer([Logger.map(Logger.formatJson, (line) => void lines.push(line))]),
    Layer.succeed(References.MinimumLogLevel, "All")
  )
