/**
 * ECDSA signatures of suppliers: over sha256(message), deterministic (RFC 6979), low S, 64 bytes `r ‖ s`.
 * For a relay response the message is the 32-byte signable hash, which is therefore hashed once more.
 */
import { secp256k1 } from "@noble/curves/secp256k1.js"
import { PUBLIC_KEY_BYTES } from "./PrivateKey.ts"

/** Length of a supplier signature in bytes. */
export const SIGNATURE_BYTES = 64

/** Signs `message` (any length) with a 32-byte private key; same key and message, same 64 bytes. About 450 µs. */
export const sign = (privateKey: Uint8Array, message: Uint8Array): Uint8Array => secp256k1.sign(message, privateKey)

/**
 * Whether `signature` is the signature of `message` by the compressed 33-byte `publicKey`.
 *
 * False, never an exception, for any other length, for high S, for a zero or unreduced half and for a key off the curve.
 * Source: cosmos-sdk `crypto/keys/secp256k1`, PubKey.VerifySignature.
 */
export const verify = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean => {
  if (signature.length !== SIGNATURE_BYTES || publicKey.length !== PUBLIC_KEY_BYTES) return false
  return secp256k1.verify(signature, message, publicKey)
}
