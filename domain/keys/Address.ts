/** Pocket account addresses: bech32 with prefix `pokt` over ripemd160(sha256(compressed public key)). */
import { ripemd160 } from "@noble/hashes/legacy.js"
import { Result, Schema } from "effect"
import { sha256 } from "../crypto/Sha256.ts"
import { decodeBech32, encodeBech32, InvalidBech32 } from "./Bech32.ts"

/** Human-readable part of every account address of the network. */
export const ADDRESS_PREFIX = "pokt"

/** Most bytes an address may have. Source: cosmos-sdk `types/address.MaxAddrLen`. */
const MAX_ADDRESS_BYTES = 255

/** A text that the chain does not take for an account address; `reason` is the first rule it breaks. */
export class InvalidAddress extends Schema.TaggedError<InvalidAddress>()("InvalidAddress", {
  reason: Schema.Literals([...InvalidBech32.fields.reason.literals, "prefix", "bytes"])
}) {
  override get message(): string {
    return `not a ${ADDRESS_PREFIX} address: ${this.reason}`
  }
}

/** The 20 address bytes of a 33-byte compressed public key. Source: cosmos-sdk `crypto/keys/secp256k1`, PubKey.Address. */
export const addressBytesOf = (publicKey: Uint8Array): Uint8Array => ripemd160(sha256(publicKey))

/** The bech32 address of a 33-byte compressed public key. */
export const addressOf = (publicKey: Uint8Array): string => encodeBech32(ADDRESS_PREFIX, addressBytesOf(publicKey))

/**
 * Bytes (1 to 255, not necessarily 20) of an address given as byte text, one character for each byte.
 *
 * Takes exactly what the chain's basic validation takes: upper case too, no bech32m, prefix `pokt`.
 * Source: cosmos-sdk `types/address.go`, AccAddressFromBech32 and VerifyAddressFormat.
 */
export const decodeAddress = (text: string): Result.Result<Uint8Array, InvalidAddress> => {
  const decoded = decodeBech32(text)
  if (Result.isFailure(decoded)) return Result.fail(new InvalidAddress({ reason: decoded.failure.reason }))
  const { prefix, bytes } = decoded.success
  if (prefix !== ADDRESS_PREFIX) return Result.fail(new InvalidAddress({ reason: "prefix" }))
  if (bytes.length < 1 || bytes.length > MAX_ADDRESS_BYTES) return Result.fail(new InvalidAddress({ reason: "bytes" }))
  return Result.succeed(bytes)
}
