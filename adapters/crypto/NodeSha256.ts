/** Node's hashes for everything that takes a hash function: three to seven times as fast as pure code. */
import { hash } from "node:crypto"
import type { Sha256 } from "../../domain/crypto/Sha256.ts"
import { type HashToScalar, leftAlign } from "../../domain/ring/HashToScalar.ts"
import { ORDER } from "../../domain/ring/Scalar.ts"

/** Bytes of a SHA-256 digest. */
const HASH_SIZE = 32

/**
 * SHA-256 by OpenSSL, 0.3 µs for 113 bytes and 0.8 µs for 1 KB. Plain bytes: `slice` of Node's `Buffer` is a view, and
 * whoever copies a hash to change it would change the hash.
 */
export const nodeSha256: Sha256 = (bytes) => {
  // Taken as a string of one char for each byte: a Buffer is memory outside the heap, and costs more than the hash.
  const digest = hash("sha256", bytes, "binary")
  const target = new Uint8Array(HASH_SIZE)
  for (let i = 0; i < HASH_SIZE; i++) target[i] = digest.charCodeAt(i)
  return target
}

/** Hash to scalar over OpenSSL's SHA3-512, about 2 µs for 98 bytes; equal to the pure one. */
export const nodeHashToScalar: HashToScalar = (input) =>
  leftAlign(BigInt(`0x${hash("sha3-512", input, "hex")}`) % ORDER)
