/**
 * The `keys` section: where the suppliers' private keys are. The keys themselves are never in the configuration file.
 */
import { key, listOf, optional, required, section, type ValueOf } from "./ConfigReader.ts"
import { NonEmptyText, oneOf } from "./GoScalar.ts"
import { text } from "./KeyKinds.ts"

const keyringSentence =
  "the Cosmos keyring is not built in here; export the keys into a file for keys.keys_file and leave the backend out"

const path = (meaning: string) => optional({ codec: NonEmptyText, type: "path", meaning })

const keyring = section({
  backend: key(
    "backend",
    optional({
      codec: oneOf(["file", "os", "test", "memory"]),
      type: "file, os, test, memory",
      meaning: "Kind of the Cosmos keyring; left out: none.",
      notBuilt: { when: () => true, sentence: keyringSentence }
    })
  ),
  dir: key("dir", path("Folder of the keyring; left out: `$HOME/.pocket`.")),
  appName: key("app_name", text("pocket", "Application name of the keyring.")),
  keyNames: key(
    "key_names",
    listOf(
      required("write the name of a key, or remove the item", {
        codec: NonEmptyText,
        type: "list of text",
        meaning: "Only these keys; left out: all."
      }),
      "key names"
    )
  )
})

/** `keys` of both processes. At least one source is the miner's rule, see `MinerConfig`. */
export const keys = section({
  keysFile: key("keys_file", path("YAML or JSON `keys: [hex, …]`, 64 hex digits each, `0x` allowed.")),
  keysDir: key(
    "keys_dir",
    path("Folder with one YAML or JSON file for each key: `operator_address`, `private_key_hex`.")
  ),
  keyring: key("keyring", keyring)
})
/** Value of `keys`: where private keys are read from. Holds no key. */
export type KeysConfig = ValueOf<typeof keys>

/** Whether any source of keys is named. */
export const hasKeySource = (value: KeysConfig): boolean =>
  value.keysFile !== undefined || value.keysDir !== undefined || value.keyring.backend !== undefined
