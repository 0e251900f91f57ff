/**
 * Secp256k1 private keys of suppliers, applications and gateways: 32 bytes, big-endian, between 1 and N − 1.
 * A key stays `Redacted` from decode to use; no error of this module carries any part of it.
 */
import { secp256k1 } from "@noble/curves/secp256k1.js"
import { bytesToNumberBE, hexToBytes, numberToBytesBE } from "@noble/curves/utils.js"
import { Redacted, Result, Schema } from "effect"
import { sha256 } from "../crypto/Sha256.ts"

/** Length of a private key in bytes. */
export const PRIVATE_KEY_BYTES = 32
/** Length of a compressed public key in bytes. */
export const PUBLIC_KEY_BYTES = 33

/** Text that is not a usable key: wrong number of digits, another character, zero, or not below the group order. */
export class InvalidPrivateKey extends Schema.TaggedError<InvalidPrivateKey>()("InvalidPrivateKey", {
  reason: Schema.Literals(["length", "digit", "zero", "not below the group order"]),
  /** Characters of the text after prefix and white space were removed; 64 are expected. */
  characters: Schema.Int
}) {
  override get message(): string {
    return `private key must be 64 hex digits of a number from 1 to N-1: ${this.reason} (${this.characters} characters)`
  }
}

/**
 * Reads a key as key files hold it: one leading `0x` is removed, then white space around it, then 64 hex digits of either case.
 *
 * Zero and numbers from N up are refused, although the Go miner reduces them silently to another key.
 */
export const parsePrivateKey = (text: string): Result.Result<Redacted.Redacted<Uint8Array>, InvalidPrivateKey> => {
  const digits = (text.startsWith("0x") ? text.slice(2) : text).trim()
  const refuse = (reason: InvalidPrivateKey["reason"]) =>
    Result.fail(new InvalidPrivateKey({ reason, characters: digits.length }))
  if (digits.length !== 2 * PRIVATE_KEY_BYTES) return refuse("length")
  if (!/^[0-9a-fA-F]+$/.test(digits)) return refuse("digit")
  const bytes = hexToBytes(digits)
  const number = bytesToNumberBE(bytes)
  if (number === 0n) return refuse("zero")
  if (number >= secp256k1.Point.Fn.ORDER) return refuse("not below the group order")
  return Result.succeed(Redacted.make(bytes, { label: "private key" }))
}

/** Compressed public key (33 bytes) of a private key of 32 bytes between 1 and N − 1; throws on any other. */
export const publicKeyOf = (privateKey: Uint8Array): Uint8Array => secp256k1.getPublicKey(privateKey, true)

/**
 * The key derived from a secret text: 1 + (sha256(secret) mod (N − 1)). Only the placeholder of rings without gateways
 * is made this way; operators' keys are the 32 bytes themselves. Source: cosmos-sdk `secp256k1.GenPrivKeyFromSecret`.
 */
export const privateKeyFromSecret = (secret: Uint8Array): Uint8Array =>
  numberToBytesBE((bytesToNumberBE(sha256(secret)) % (secp256k1.Point.Fn.ORDER - 1n)) + 1n, PRIVATE_KEY_BYTES)
