/**
 * Items of the `test` and `file` keyrings of the Cosmos SDK: each a file with a JWE in compact form, PBES2-HS256+A128KW
 * and A256GCM (RFC 7516, RFC 7518 §4.8), which holds the JSON of 99designs/keyring, which holds the record.
 * By hand on `node:crypto`: one fixed pair of algorithms is less than what a library has to be told to refuse.
 */
import { createDecipheriv, pbkdf2 } from "node:crypto"
import { promisify } from "node:util"
import { Effect, Option, Redacted, Schema } from "effect"
import type { KeyDisk } from "./KeyBytes.ts"
import { utf8 } from "./KeyDocument.ts"

const ALGORITHM = "PBES2-HS256+A128KW"
/** Iterations that are still made for one item; the SDK writes 8192. A million takes 0.3 s of a thread. */
const MAX_ITERATIONS = 1_000_000

const Header = Schema.fromJsonString(
  Schema.Struct({
    alg: Schema.Literal(ALGORITHM),
    enc: Schema.Literal("A256GCM"),
    p2c: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: MAX_ITERATIONS })),
    p2s: Schema.String,
    zip: Schema.optionalKey(Schema.Never),
    crit: Schema.optionalKey(Schema.Never)
  })
)
const Item = Schema.fromJsonString(Schema.Struct({ Key: Schema.String, Data: Schema.Uint8ArrayFromBase64 }))

const decodeHeader = Schema.decodeUnknownOption(Header)
const decodeItem = Schema.decodeUnknownOption(Item)
const deriveKey = promisify(pbkdf2)

/** The record in an item's file: bytes of `cosmos.crypto.keyring.v1.Record`. */
export const openItem = Effect.fnUntraced(function* (
  disk: KeyDisk,
  path: string,
  bytes: Uint8Array,
  passphrase: Redacted.Redacted
) {
  const text = yield* utf8(disk, path, bytes)
  if (text.trim() === "") return yield* disk.problem(path, "empty")
  const parts = text.trim().split(".")
  const [protectedHeader = "", wrapped = "", nonce = "", sealed = "", tag = ""] = parts
  const header = decodeHeader(base64Url(protectedHeader).toString("utf8"))
  if (parts.length !== 5 || Option.isNone(header)) return yield* disk.problem(path, "not an item")
  const { p2c, p2s } = header.value
  const salt = Buffer.concat([Buffer.from(`${ALGORITHM}\0`), base64Url(p2s)])
  const wrapping = yield* Effect.promise(() => deriveKey(Redacted.value(passphrase), salt, p2c, 16, "sha256"))
  const key = yield* Effect.try({
    // A wrong passphrase shows here: the wrapping has a check value. Source: RFC 3394 §2.2.3.
    try: () => decrypt(createDecipheriv("id-aes128-wrap", wrapping, Buffer.alloc(8, 0xa6)), base64Url(wrapped)),
    catch: () => disk.problem(path, "passphrase")
  })
  const plain = yield* Effect.try({
    try: () => {
      const decipher = createDecipheriv("aes-256-gcm", key, base64Url(nonce), { authTagLength: 16 })
      decipher.setAAD(Buffer.from(protectedHeader, "ascii"))
      decipher.setAuthTag(base64Url(tag))
      return decrypt(decipher, base64Url(sealed))
    },
    catch: () => disk.problem(path, "not an item")
  })
  const item = decodeItem(plain.toString("utf8"))
  return Option.isSome(item) ? item.value.Data : yield* disk.problem(path, "not an item")
})

const base64Url = (text: string): Buffer => Buffer.from(text, "base64url")

const decrypt = (decipher: { update: (data: Buffer) => Buffer; final: () => Buffer }, data: Buffer): Buffer =>
  Buffer.concat([decipher.update(data), decipher.final()])
