/** Records of a Cosmos SDK keyring: protobuf `cosmos.crypto.keyring.v1.Record`. Source: cosmos-sdk `crypto/keyring/types.go`. */
import { Effect, Result } from "effect"
import { parsePrivateKey } from "../../domain/keys/PrivateKey.ts"
import { decodeMessage, type ProtoReader } from "../../domain/wire/ProtoReader.ts"
import type { KeyDisk } from "./KeyBytes.ts"
import { holdKey } from "./LoadedKey.ts"

/** Type of the private keys that suppliers have. */
const SECP256K1 = "/cosmos.crypto.secp256k1.PrivKey"

/** The supplier key of a record's bytes. Fails for records that hold none, each kind with its reason. */
export const readRecord = Effect.fnUntraced(function* (disk: KeyDisk, path: string, bytes: Uint8Array) {
  const draft: RecordDraft = { kind: "none", privateKey: { typeUrl: "", value: NONE } }
  const record = decodeMessage("Record", bytes, readFields, draft)
  // Records before SDK 0.46 are amino, which does not decode, or decodes to no kind.
  if (Result.isFailure(record) || record.success.kind === "none") return yield* disk.problem(path, "not a record")
  const { kind, privateKey } = record.success
  if (kind !== "local") return yield* disk.problem(path, "not local", kind)
  if (privateKey.typeUrl !== SECP256K1) return yield* disk.problem(path, "algorithm", knownType(privateKey.typeUrl))
  const scalar = decodeMessage("PrivKey", privateKey.value, readKey, { key: NONE })
  if (Result.isFailure(scalar)) return yield* disk.problem(path, "not a record")
  const key = parsePrivateKey(Buffer.from(scalar.success.key).toString("hex"))
  if (Result.isFailure(key)) return yield* disk.problem(path, "item key", key.failure.reason)
  return [yield* holdKey(key.success)]
})

interface RecordDraft {
  kind: "none" | "local" | "ledger" | "multi" | "offline"
  readonly privateKey: AnyDraft
}
interface AnyDraft {
  typeUrl: string
  value: Uint8Array
}

const NONE = new Uint8Array(0)

const readFields = (reader: ProtoReader, draft: RecordDraft): void => {
  while (reader.next()) {
    if (reader.field === 3) {
      draft.kind = "local"
      reader.message("local", readLocal, draft.privateKey)
    } else {
      draft.kind = KINDS[reader.field] ?? draft.kind
      reader.skip()
    }
  }
}

/** Kinds without a private key, by field. */
const KINDS: Readonly<Record<number, RecordDraft["kind"]>> = { 4: "ledger", 5: "multi", 6: "offline" }

const readLocal = (reader: ProtoReader, draft: AnyDraft): void => {
  while (reader.next()) {
    if (reader.field === 1) reader.message("priv_key", readAny, draft)
    else reader.skip()
  }
}

const readAny = (reader: ProtoReader, draft: AnyDraft): void => {
  while (reader.next()) {
    if (reader.field === 1) draft.typeUrl = reader.text("type_url")
    else if (reader.field === 2) draft.value = reader.bytes("value")
    else reader.skip()
  }
}

const readKey = (reader: ProtoReader, draft: { key: Uint8Array }): void => {
  while (reader.next()) {
    if (reader.field === 1) draft.key = reader.bytes("key")
    else reader.skip()
  }
}

/** The name of the type if it looks like one: whatever else a file holds is not repeated. */
const knownType = (typeUrl: string): string =>
  /^\/[a-z0-9]+(?:\.[a-z0-9]+)*\.PrivKey$/.test(typeUrl) && typeUrl.length < 60 ? typeUrl : "unknown type"
