/** Where the suppliers' private keys are, as the configuration and the environment say it. Holds no key. */
import { homedir } from "node:os"
import { join } from "node:path"
import { Redacted, Result, Schema } from "effect"

/** The part of a configuration that names sources of keys; `KeysConfig` has this shape. */
export interface ConfiguredKeys {
  readonly keysFile: string | undefined
  readonly keysDir: string | undefined
  readonly keyring: {
    readonly backend: "file" | "os" | "test" | "memory" | undefined
    /** Home of the keyring; undefined: `$HOME/.pocket`. */
    readonly dir: string | undefined
    /** Names of the wanted keys; empty: all. */
    readonly keyNames: ReadonlyArray<string>
  }
}

/** What opens the items of a `file` keyring. */
export type Passphrase =
  | { readonly _tag: "Value"; readonly value: Redacted.Redacted }
  /** Read again with each look at the keyring; one line break at its end does not count. */
  | { readonly _tag: "File"; readonly path: string }
  | { readonly _tag: "Missing" }

/** A keyring of the Cosmos SDK on disk. */
export interface KeyringPlace {
  /** `{home}/keyring-test` or `{home}/keyring-file`. */
  readonly folder: string
  readonly keyNames: ReadonlyArray<string>
  readonly passphrase: Passphrase
}

/** Every source of keys of one process; those left out are undefined. */
export interface KeySettings {
  readonly keysFile: string | undefined
  readonly keysDir: string | undefined
  readonly keyring: KeyringPlace | undefined
}

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Holds the passphrase of a `file` keyring. */
export const PASSPHRASE = "RELAYMILL_KEYRING_PASSPHRASE"
/** Names a file that holds it; counts where `PASSPHRASE` is not set. */
export const PASSPHRASE_FILE = "RELAYMILL_KEYRING_PASSPHRASE_FILE"

/** The configured keyring cannot be read by this process on any machine. */
export class KeyringRefused extends Schema.TaggedError<KeyringRefused>()("KeyringRefused", {
  backend: Schema.Literals(["os", "memory"])
}) {
  override get message(): string {
    const why =
      this.backend === "os"
        ? "is kept by a service of the operating system that is not reachable from here"
        : "ends with the process that made it"
    return `keys.keyring.backend: the ${this.backend} keyring ${why}; copy the keys into a keyring of the backend file or test, or into keys.keys_file`
  }
}

/** Resolves configured sources: the keyring's folder as the Cosmos SDK names it, its passphrase from the environment. */
export const keySettings = (
  configured: ConfiguredKeys,
  environment: Environment = process.env
): Result.Result<KeySettings, KeyringRefused> => {
  const { keysFile, keysDir } = configured
  const { backend, dir, keyNames } = configured.keyring
  if (backend === undefined) return Result.succeed({ keysFile, keysDir, keyring: undefined })
  if (backend === "os" || backend === "memory") return Result.fail(new KeyringRefused({ backend }))
  return Result.succeed({
    keysFile,
    keysDir,
    keyring: {
      folder: join(dir ?? join(environment["HOME"] ?? homedir(), ".pocket"), `keyring-${backend}`),
      keyNames,
      // Source: cosmos-sdk `crypto/keyring`, newTestBackendKeyringConfig.
      passphrase: backend === "test" ? { _tag: "Value", value: Redacted.make("test") } : passphraseOf(environment)
    }
  })
}

const passphraseOf = (environment: Environment): Passphrase => {
  const value = environment[PASSPHRASE] ?? ""
  if (value !== "") return { _tag: "Value", value: Redacted.make(value, { label: "keyring passphrase" }) }
  const path = environment[PASSPHRASE_FILE] ?? ""
  return path === "" ? { _tag: "Missing" } : { _tag: "File", path }
}
