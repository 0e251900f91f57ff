/**
 * The `keys` section: where the suppliers' private keys are. The keys themselves are never in the configuration file.
 */
import { joinPlace, key, listOf, optional, required, section, type ValueOf } from "./ConfigReader.ts"
import { NonEmptyText, oneOf } from "./GoScalar.ts"
import { text, withoutEffect } from "./KeyKinds.ts"

const path = (meaning: string) => optional({ codec: NonEmptyText, type: "path", meaning })

const keyring = section(
  {
    backend: key(
      "backend",
      optional({
        codec: oneOf(["file", "os", "test", "memory"]),
        type: "file, os, test, memory",
        meaning: "Kind of the Cosmos keyring; left out: none. `os` and `memory` refuse the start."
      })
    ),
    dir: key("dir", path("Home of the keyring, in it `keyring-file` or `keyring-test`; left out: `$HOME/.pocket`.")),
    appName: key(
      "app_name",
      withoutEffect(
        text("pocket", "Application name of the keyring."),
        "keyrings of the kinds file and test do not use it"
      )
    ),
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
  },
  {
    check: ({ backend }, place, node, findings) => {
      if (backend !== "os" && backend !== "memory") return
      findings.problem(
        joinPlace(place, "backend"),
        node?.entries.get("backend"),
        `the ${backend} keyring cannot be opened from here; copy the keys into a keyring of the backend file or test, or into keys.keys_file`
      )
    }
  }
)

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
