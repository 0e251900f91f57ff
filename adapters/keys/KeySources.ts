/** The sources that a process may have: a file of keys, a folder with a file for each key, a keyring of the Cosmos SDK. */
import { createHash } from "node:crypto"
import { join } from "node:path"
import { Effect, Redacted } from "effect"
import { KeyDisk } from "./KeyBytes.ts"
import { readAddressedKey, readKeyList, utf8 } from "./KeyDocument.ts"
import { openItem } from "./KeyringItem.ts"
import { readRecord } from "./KeyringRecord.ts"
import type { KeyringPlace, KeySettings } from "./KeySettings.ts"
import { type ExposedPath, type Inventory, KeySourceReader, OTHERS } from "./KeySourceReader.ts"
import type { KeySource } from "./KeyProblem.ts"
import type { WatchedPlace } from "./KeyWatch.ts"

/** One configured source. */
export interface ConfiguredSource {
  readonly source: KeySource
  readonly reader: KeySourceReader
  readonly places: ReadonlyArray<WatchedPlace>
}

/** Write permission of group and others: who has it in a folder can put keys there. */
const OTHERS_WRITE = 0o022

/** The configured sources in the order in which they are merged. */
export const keySources = ({ keysFile, keysDir, keyring }: KeySettings): ReadonlyArray<ConfiguredSource> => [
  ...(keysFile === undefined ? [] : [fileSource(keysFile)]),
  ...(keysDir === undefined ? [] : [folderSource(keysDir)]),
  ...(keyring === undefined ? [] : [keyringSource(keyring)])
]

const fileSource = (path: string): ConfiguredSource => {
  const disk = new KeyDisk("keys_file")
  const inventory: Inventory = {
    paths: [path],
    decode: (file, bytes) => readKeyList(disk, file, bytes),
    context: "",
    problems: [],
    exposed: []
  }
  return {
    source: disk.source,
    reader: new KeySourceReader(disk, path, Effect.succeed(inventory)),
    places: [{ path, kind: "file" }]
  }
}

const folderSource = (folder: string): ConfiguredSource => {
  const disk = new KeyDisk("keys_dir")
  const take = Effect.gen(function* () {
    // Editors' lock files and Kubernetes' own links begin with a dot.
    const names = yield* disk.list(folder, (name) => /^[^.].*\.(?:ya?ml|json)$/i.test(name))
    return {
      paths: names.map((name) => join(folder, name)),
      decode: (file: string, bytes: Uint8Array) => readAddressedKey(disk, file, bytes),
      context: "",
      problems: names.length === 0 ? [disk.problem(folder, "no key")] : [],
      exposed: yield* exposedFolder(disk, folder)
    }
  })
  return {
    source: disk.source,
    reader: new KeySourceReader(disk, folder, take),
    places: [{ path: folder, kind: "folder" }]
  }
}

const keyringSource = ({ folder, keyNames, passphrase }: KeyringPlace): ConfiguredSource => {
  const disk = new KeyDisk("keyring")
  const opened = Effect.gen(function* () {
    if (passphrase._tag === "Missing") return yield* disk.problem(folder, "no passphrase")
    if (passphrase._tag === "Value") return { value: passphrase.value, exposed: [] }
    const { bytes, stamp } = yield* disk.read(passphrase.path)
    const text = (yield* utf8(disk, passphrase.path, bytes)).replace(/\r?\n$/, "")
    if (text === "") return yield* disk.problem(passphrase.path, "empty")
    const exposed: ReadonlyArray<ExposedPath> =
      (stamp.mode & OTHERS) === 0 ? [] : [{ path: passphrase.path, mode: stamp.mode, excess: OTHERS }]
    return { value: Redacted.make(text, { label: "keyring passphrase" }), exposed }
  })
  const take = Effect.gen(function* () {
    const all = yield* disk.list(folder, (name) => name.endsWith(".info"))
    const names = all.filter((name) => keyNames.length === 0 || keyNames.includes(keyName(name)))
    const unknown = keyNames.filter((name) => !names.some((file) => keyName(file) === name))
    const { value, exposed } = yield* opened
    return {
      paths: names.map((name) => join(folder, name)),
      decode: Effect.fnUntraced(function* (file: string, bytes: Uint8Array) {
        return yield* readRecord(disk, file, yield* openItem(disk, file, bytes, value))
      }),
      context: createHash("sha256").update(Redacted.value(value)).digest("hex"),
      problems: [
        ...(names.length === 0 && unknown.length === 0 ? [disk.problem(folder, "no key")] : []),
        ...(unknown.length === 0 ? [] : [disk.problem(folder, "name unknown", unknown.join(", "))])
      ],
      exposed: [...exposed, ...(yield* exposedFolder(disk, folder))]
    }
  })
  const passphraseFile = passphrase._tag === "File" ? [{ path: passphrase.path, kind: "file" as const }] : []
  return {
    source: disk.source,
    reader: new KeySourceReader(disk, folder, take),
    places: [{ path: folder, kind: "folder" }, ...passphraseFile]
  }
}

/** Name of the key in an item's file. Source: 99designs/keyring `file.go`, filenameEscape: `%` and two hex digits. */
const keyName = (file: string): string => {
  const escaped = file.slice(0, -".info".length)
  // Bytes are escaped one by one and may not be UTF-8 together: such a name cannot be configured, so it stays escaped.
  try {
    return decodeURIComponent(escaped)
  } catch {
    return escaped
  }
}

const exposedFolder = (disk: KeyDisk, folder: string) =>
  Effect.map(disk.folderMode(folder), (mode): ReadonlyArray<ExposedPath> =>
    (mode & OTHERS_WRITE) === 0 ? [] : [{ path: folder, mode, excess: OTHERS_WRITE }]
  )
