/**
 * Hashes of committed blocks by height, as the chain stores them at the end of each block. A value: appending gives a new
 * one, and the bytes before it are shared. Bounded: very old hashes are dropped, later lookups of them give nothing.
 */

/** Most hashes kept; at one block a second about a day. Sessions and proofs look back a few dozen blocks. */
export const MAX_KEPT_HASHES = 100_000

/** Hashes of consecutive blocks. Read it with `blockHashAt` only: later values share the array. */
export interface BlockHashes {
  /** Height of `hashes[0]`. */
  readonly first: bigint
  /** Number of hashes that belong to this value; the array may already hold those of later blocks. */
  readonly length: number
  readonly hashes: Array<Uint8Array>
}

/** A chain whose first block will be the one at `first`. */
export const emptyBlockHashes = (first: bigint): BlockHashes => ({ first, length: 0, hashes: [] })

/** Hash of the block at `height`, 32 bytes; empty (length 0) where none is stored, as the chain reads it. */
export const blockHashAt = (stored: BlockHashes, height: bigint): Uint8Array => {
  const index = height - stored.first
  return index < 0n || index >= BigInt(stored.length) ? NO_HASH : (stored.hashes[Number(index)] ?? NO_HASH)
}

/** The value with the hash of the next block. Constant time, except for a branch off an older value or a cut. */
export const appendBlockHash = (stored: BlockHashes, hash: Uint8Array): BlockHashes => {
  if (stored.length >= 2 * MAX_KEPT_HASHES) {
    const kept = [...stored.hashes.slice(stored.length - MAX_KEPT_HASHES, stored.length), hash]
    return { first: stored.first + BigInt(stored.length - MAX_KEPT_HASHES), length: kept.length, hashes: kept }
  }
  const shared = stored.hashes.length === stored.length
  const hashes = shared ? stored.hashes : stored.hashes.slice(0, stored.length)
  hashes.push(hash)
  return { first: stored.first, length: stored.length + 1, hashes }
}

const NO_HASH = new Uint8Array(0)
