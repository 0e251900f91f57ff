/**
 * Byte rules of the sparse Merkle sum trie: paths, bits, node encodings and digests.
 * Pure and stateless. Source: smt v0.14.1 `trie_spec.go`, `node_encoders.go`, `utils.go` with poktroll's spec
 * (SHA-256, values stored unhashed).
 */
import type { Sha256 } from "../crypto/Sha256.ts"

/** Bytes of a path: the SHA-256 of a key. */
export const PATH_SIZE = 32
/** Bits of a path, hence the greatest depth of a leaf. */
export const PATH_BITS = 256
/** Bytes of a digest: hash 32, sum 8, count 8. */
export const DIGEST_SIZE = 48
/** Bytes of the hash at the start of a digest. */
export const HASH_SIZE = 32
/** Bytes of sum and count at the end of a digest, and at the end of a leaf or inner encoding. */
export const TAIL_SIZE = 16
/** Bytes of a leaf encoding besides its value: tag 1, path 32, weight 8, count 8. */
export const LEAF_OVERHEAD = 49
/** Bytes of an inner encoding: tag 1, two digests, sum 8, count 8. */
export const INNER_SIZE = 113
/** Bytes of an extension encoding: tag 1, start 1, end 1, path 32, child digest 48, its tail 16. */
export const EXTENSION_SIZE = 99
/** First byte of a leaf encoding. */
export const LEAF_TAG = 0
/** First byte of an inner encoding. */
export const INNER_TAG = 1
/** First byte of an extension encoding. */
export const EXTENSION_TAG = 2

/** Digest of the empty trie and of an empty child: 48 zero bytes. A fresh array on each call. */
export const emptyDigest = (): Uint8Array => new Uint8Array(DIGEST_SIZE)

/** Whether the digest is that of an empty trie. */
export const isEmptyDigest = (digest: Uint8Array): boolean => {
  for (const byte of digest) if (byte !== 0) return false
  return true
}

/** Path of a key, 32 bytes. In the miner the key is itself a hash: SHA-256 of the relay bytes. */
export const pathOf = (key: Uint8Array, sha256: Sha256): Uint8Array => sha256(key)

/** Bit `index` (0 to 255, most significant bit of byte 0 first) of a path: 0 goes left, 1 goes right. */
export const bitOf = (path: Uint8Array, index: number): 0 | 1 =>
  (((path[index >> 3] ?? 0) >> (7 - (index & 7))) & 1) === 0 ? 0 : 1

/** Whether two byte strings are the same. */
export const bytesEqual = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Unsigned 32-bit big-endian integer at `offset`. The caller guarantees 4 bytes. */
export const uint32At = (bytes: Uint8Array, offset: number): number =>
  (((bytes[offset] ?? 0) << 24) |
    ((bytes[offset + 1] ?? 0) << 16) |
    ((bytes[offset + 2] ?? 0) << 8) |
    (bytes[offset + 3] ?? 0)) >>>
  0

/** Unsigned 64-bit big-endian integer at `offset`. The caller guarantees 8 bytes. */
export const uint64At = (bytes: Uint8Array, offset: number): bigint =>
  (BigInt(uint32At(bytes, offset)) << 32n) | BigInt(uint32At(bytes, offset + 4))

/** Sum of the weights under a digest, modulo 2^64. */
export const sumOf = (digest: Uint8Array): bigint => uint64At(digest, HASH_SIZE)

/** Number of leaves under a digest, modulo 2^64. */
export const countOf = (digest: Uint8Array): bigint => uint64At(digest, HASH_SIZE + 8)

/**
 * Encoding of a leaf: `00`, path, value, weight modulo 2^64, count 1. `49 + value.length` bytes, a fresh array.
 *
 * `path` is 32 bytes; `weight` is the compute units of the relay.
 */
export const encodeLeaf = (path: Uint8Array, value: Uint8Array, weight: bigint): Uint8Array => {
  const encoding = new Uint8Array(LEAF_OVERHEAD + value.length)
  writeLeaf(encoding, path, value, weight)
  return encoding
}

/** Writes the encoding of a leaf into `target`, which has its size and is zero. */
export const writeLeaf = (target: Uint8Array, path: Uint8Array, value: Uint8Array, weight: bigint): void => {
  target.set(path, 1)
  target.set(value, 1 + PATH_SIZE)
  const at = target.length - TAIL_SIZE
  // Most weights fit 32 bits: their upper half needs no bigint arithmetic.
  writeUint32(target, at, weight >= 0n && weight <= 0xffff_ffffn ? 0 : Number(BigInt.asUintN(32, weight >> 32n)))
  writeUint32(target, at + 4, Number(BigInt.asUintN(32, weight)))
  target[target.length - 1] = 1
}

const writeUint32 = (target: Uint8Array, at: number, value: number): void => {
  target[at] = value >>> 24
  target[at + 1] = value >>> 16
  target[at + 2] = value >>> 8
  target[at + 3] = value
}

/** Path inside a leaf encoding: a view of its bytes 1 to 32. */
export const leafPath = (encoding: Uint8Array): Uint8Array => encoding.subarray(1, 1 + PATH_SIZE)

/**
 * Digest of a leaf or inner encoding: its SHA-256 and its last 16 bytes. The encoding has at least 16 bytes.
 * Not for extensions, whose digest is that of the inner nodes they stand for (`InnerHash.fold`).
 */
export const digestOf = (encoding: Uint8Array, sha256: Sha256): Uint8Array => {
  const digest = new Uint8Array(DIGEST_SIZE)
  digest.set(sha256(encoding))
  for (let i = 0; i < TAIL_SIZE; i++) digest[HASH_SIZE + i] = encoding[encoding.length - TAIL_SIZE + i] ?? 0
  return digest
}
