/**
 * The documents in which operators write keys down: YAML or JSON, with keys in a list or one in each file.
 * Scalars are taken as written, so that 64 digits without quotes stay what they are.
 */
import { Effect, Result } from "effect"
import { isMap, isScalar, isSeq, parseDocument, type YAMLMap } from "yaml"
import { decodeAddress } from "../../domain/keys/Address.ts"
import { parsePrivateKey } from "../../domain/keys/PrivateKey.ts"
import { holdKey, type LoadedKey } from "./LoadedKey.ts"
import type { KeyDisk } from "./KeyBytes.ts"
import type { KeyProblem } from "./KeyProblem.ts"

/** Entries named in a problem; there may be thousands. */
const NAMED_ENTRIES = 10
/** Characters of a document beside the digits of its keys: at this length the parser's worst case is a second. */
const MAX_MARKUP = 64 * 1024

/** Keys of a document `keys: [hex, …]`, in its order. One bad entry refuses them all, and all bad ones are named. */
export const readKeyList = Effect.fnUntraced(function* (disk: KeyDisk, path: string, bytes: Uint8Array) {
  const root = yield* mapping(disk, path, bytes)
  const list = root.get("keys", true)
  if (!isSeq(list) || list.items.length === 0) return yield* disk.problem(path, "no list")
  const entries = list.items.map((item) => parsePrivateKey(textOf(item) ?? ""))
  const bad = entries.flatMap((entry, at) =>
    Result.isFailure(entry) ? [`keys[${at}]: ${entry.failure.reason}, ${entry.failure.characters} characters`] : []
  )
  if (bad.length > 0) {
    const more = bad.length > NAMED_ENTRIES ? [`and ${bad.length - NAMED_ENTRIES} more`] : []
    return yield* disk.problem(path, "keys", [...bad.slice(0, NAMED_ENTRIES), ...more].join("; "))
  }
  return yield* Effect.forEach(
    entries.flatMap(Result.match({ onFailure: () => [], onSuccess: (key) => [key] })),
    holdKey
  )
})

/** The key of a document `operator_address`, `private_key_hex`; other fields do not count. The address has to be the key's. */
export const readAddressedKey = Effect.fnUntraced(function* (disk: KeyDisk, path: string, bytes: Uint8Array) {
  const root = yield* mapping(disk, path, bytes)
  const address = textOf(root.get("operator_address", true))?.trim()
  if (address === undefined || address === "") return yield* disk.problem(path, "no address")
  const decoded = decodeAddress(address)
  if (Result.isFailure(decoded)) return yield* disk.problem(path, "address", decoded.failure.reason)
  const hex = textOf(root.get("private_key_hex", true))
  if (hex === undefined || hex.trim() === "") return yield* disk.problem(path, "no private key")
  const key = parsePrivateKey(hex)
  if (Result.isFailure(key)) {
    return yield* disk.problem(path, "private key", `${key.failure.reason}, ${key.failure.characters} characters`)
  }
  const held = yield* holdKey(key.success)
  if (held.address === address.toLowerCase()) return [held] satisfies ReadonlyArray<LoadedKey>
  return yield* disk.problem(path, "mismatch", `operator_address ${address}, the key's ${held.address}`)
})

/** UTF-8 text of a file, without a byte order mark. */
export const utf8 = (disk: KeyDisk, path: string, bytes: Uint8Array): Effect.Effect<string, KeyProblem> =>
  Effect.try({
    try: () => new TextDecoder("utf-8", { fatal: true }).decode(bytes),
    catch: () => disk.problem(path, "not UTF-8")
  })

const mapping = Effect.fnUntraced(function* (disk: KeyDisk, path: string, bytes: Uint8Array) {
  const text = yield* utf8(disk, path, bytes)
  if (text.trim() === "") return yield* disk.problem(path, "empty")
  const markup = text.replaceAll(/[0-9a-fA-F]{32,}/g, "").length
  if (markup > MAX_MARKUP) return yield* disk.problem(path, "too large", `${markup} characters beside the keys`)
  // Its errors quote the line, and deep nesting overflows its stack: neither is let through.
  const parsed = Result.try((): YAMLMap | undefined => {
    const document = parseDocument(text, { schema: "failsafe", prettyErrors: false, logLevel: "silent" })
    return document.errors.length === 0 && isMap(document.contents) ? document.contents : undefined
  })
  const root = Result.getOrUndefined(parsed)
  return root ?? (yield* disk.problem(path, "syntax"))
})

const textOf = (node: unknown): string | undefined =>
  isScalar(node) && typeof node.value === "string" ? node.value : undefined
