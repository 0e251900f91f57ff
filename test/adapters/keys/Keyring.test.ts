/** Keyrings that the Cosmos SDK wrote. What is in them: `test/fixtures/keyrings.md`. */
import { chmodSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Result } from "effect"
import { type KeySettings, keySettings, type Passphrase } from "../../../adapters/keys/KeySettings.ts"
import { keySources } from "../../../adapters/keys/KeySources.ts"
import { copyKeyring, lookAt, makeFolder, none, only, write } from "./KeyFolder.ts"

const NORTH = "pokt1l3e9pgs3mmwuwrh95fecme0s0qtn28805vd04p"
const SOUTH = "pokt1sp6x7du904a5fu5kvqps99cfazw3t2xcmv0z6l"

const withPassphrase = (settings: KeySettings, passphrase: Passphrase): KeySettings =>
  settings.keyring === undefined ? settings : { ...settings, keyring: { ...settings.keyring, passphrase } }

describe("keyring", () => {
  it.effect("reads the supplier keys of the test back end and skips the rest, each with its reason", () =>
    Effect.gen(function* () {
      const { addresses, problems } = yield* lookAt(copyKeyring(yield* makeFolder, "test"))
      assert.sameMembers([...addresses], [NORTH, SOUTH])
      assert.deepStrictEqual(
        problems.map(({ path, reason, detail }) => [path.split("/").at(-1), reason, detail]),
        [
          ["committee.info", "not local", "multi"],
          ["edwards.info", "algorithm", "/cosmos.crypto.ed25519.PrivKey"],
          ["hardware.info", "not local", "ledger"],
          ["legacy.info", "not a record", ""],
          ["watched.info", "not local", "offline"]
        ]
      )
    })
  )

  it.effect("reads the file back end with its passphrase", () =>
    Effect.gen(function* () {
      const folder = yield* makeFolder
      const settings = copyKeyring(folder, "file")
      const { addresses, problems } = yield* lookAt(settings)
      assert.deepStrictEqual(problems, [])
      assert.sameMembers([...addresses], [NORTH, SOUTH])
    })
  )

  it.effect("reads the passphrase from a file, and again when it was corrected", () =>
    Effect.gen(function* () {
      const folder = yield* makeFolder
      const path = write(join(folder, "passphrase"), "wrong\n")
      const settings = withPassphrase(copyKeyring(folder, "file"), { _tag: "File", path })
      const [source] = keySources(settings)
      const bad = yield* source!.reader.look
      assert.deepStrictEqual(
        bad.findings.map(({ problem }) => problem.reason),
        ["passphrase", "passphrase"]
      )
      write(path, "correct horse battery\n")
      chmodSync(path, 0o644)
      const good = yield* source!.reader.look
      assert.lengthOf(good.keys, 2)
      assert.deepStrictEqual(
        good.exposed.map((one) => one.path),
        [path]
      )
    })
  )

  it.effect("says what is missing when the passphrase is", () =>
    Effect.gen(function* () {
      const folder = yield* makeFolder
      const settings = copyKeyring(folder, "file")
      const [reason, message] = only((yield* lookAt(withPassphrase(settings, { _tag: "Missing" }))).problems)
      assert.strictEqual(reason, "no passphrase")
      assert.include(message, "RELAYMILL_KEYRING_PASSPHRASE")
      const gone: Passphrase = { _tag: "File", path: join(folder, "gone") }
      assert.strictEqual(only((yield* lookAt(withPassphrase(settings, gone))).problems)[0], "missing")
    })
  )

  it.effect("reads the named keys only, and names those that it has not", () =>
    Effect.gen(function* () {
      const folder = yield* makeFolder
      const one = yield* lookAt(copyKeyring(folder, "test", ["supplier south/β"]))
      assert.deepStrictEqual(one.problems, [])
      assert.deepStrictEqual(one.addresses, [SOUTH])
      const other = yield* lookAt(copyKeyring(folder, "test", ["supplier-north", "supplier-west"]))
      assert.deepStrictEqual(other.addresses, [NORTH])
      const [reason, message] = only(other.problems)
      assert.strictEqual(reason, "name unknown")
      assert.include(message, "supplier-west")
    })
  )

  it.effect("refuses items that were altered, each by itself", () =>
    Effect.gen(function* () {
      const settings = copyKeyring(yield* makeFolder, "test", ["supplier-north"])
      const path = join(settings.keyring.folder, "supplier-north.info")
      const good = readFileSync(path, "utf8")
      const parts = good.split(".")
      const header = (change: Readonly<Record<string, unknown>>): string => {
        const fields: unknown = JSON.parse(Buffer.from(parts[0]!, "base64url").toString())
        const changed = { ...(fields as Readonly<Record<string, unknown>>), ...change }
        return [Buffer.from(JSON.stringify(changed)).toString("base64url"), ...parts.slice(1)].join(".")
      }
      const flipped = (at: number): string =>
        parts
          .map((part, index) => (index === at ? (part.startsWith("A") ? "B" : "A").concat(part.slice(1)) : part))
          .join(".")
      for (const [content, reason] of [
        ["", "empty"],
        ["x", "not an item"],
        ["....", "not an item"],
        [good.slice(0, 300), "not an item"],
        [parts.slice(0, 4).join("."), "not an item"],
        [`${good}.${parts[4]}`, "not an item"],
        [flipped(1), "passphrase"],
        [flipped(2), "not an item"],
        [flipped(3), "not an item"],
        [flipped(4), "not an item"],
        [header({ alg: "dir" }), "not an item"],
        [header({ enc: "A128GCM" }), "not an item"],
        [header({ zip: "DEF" }), "not an item"],
        [header({ crit: ["exp"] }), "not an item"],
        // Would take hours.
        [header({ p2c: 2 ** 40 }), "not an item"],
        [header({ p2c: 0 }), "not an item"],
        [header({ p2c: 4096 }), "passphrase"],
        // The header is authenticated with the content.
        [header({ created: "never" }), "not an item"]
      ] as const) {
        write(path, content)
        const { addresses, problems } = yield* lookAt(settings)
        assert.deepStrictEqual(addresses, [])
        assert.strictEqual(only(problems)[0], reason, content.slice(0, 60))
      }
    })
  )
})

describe("keySettings", () => {
  const configured = { keysFile: "f", keysDir: undefined }
  const keyring = (backend: "file" | "os" | "test" | "memory", dir?: string) => ({
    ...configured,
    keyring: { backend, dir, keyNames: [] }
  })

  it("finds the keyring where the Cosmos SDK has it", () => {
    const settings = Result.getOrThrow(keySettings(keyring("test", "/home/x"), {}))
    assert.strictEqual(settings.keyring?.folder, "/home/x/keyring-test")
    assert.strictEqual(settings.keysFile, "f")
    const atHome = Result.getOrThrow(keySettings(keyring("file"), { HOME: "/home/y" }))
    assert.strictEqual(atHome.keyring?.folder, "/home/y/.pocket/keyring-file")
  })

  it("takes the passphrase of the file back end from the environment, the value before the file", () => {
    const of = (environment: Readonly<Record<string, string>>) =>
      Result.getOrThrow(keySettings(keyring("file", "/x"), environment)).keyring?.passphrase
    assert.deepStrictEqual(of({}), { _tag: "Missing" })
    assert.deepStrictEqual(of({ RELAYMILL_KEYRING_PASSPHRASE_FILE: "/p" }), { _tag: "File", path: "/p" })
    const both = of({ RELAYMILL_KEYRING_PASSPHRASE: "secret", RELAYMILL_KEYRING_PASSPHRASE_FILE: "/p" })
    assert.strictEqual(both?._tag, "Value")
    assert.strictEqual(both?._tag === "Value" ? Redacted.value(both.value) : "", "secret")
  })

  it("refuses back ends that only another program can open, with a remedy", () => {
    for (const backend of ["os", "memory"] as const) {
      const refused = Result.getOrThrow(Result.flip(keySettings(keyring(backend), {})))
      assert.include(refused.message, `the ${backend} keyring`)
      assert.include(refused.message, "backend file or test")
    }
  })

  it("has no source where none is configured", () => {
    const nothing = {
      keysFile: undefined,
      keysDir: undefined,
      keyring: { ...keyring("test").keyring, backend: undefined }
    }
    assert.deepStrictEqual(Result.getOrThrow(keySettings(nothing, {})), none)
  })
})
