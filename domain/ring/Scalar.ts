/** Scalars of ring signatures: numbers modulo the order N of secp256k1, 32 bytes big-endian on the wire. */
import { secp256k1 } from "@noble/curves/secp256k1.js"
import { bytesToNumberBE, numberToBytesBE } from "@noble/curves/utils.js"

/** Length of a scalar on the wire in bytes. */
export const SCALAR_BYTES = 32

/** Order N of the group. */
export const ORDER: bigint = secp256k1.Point.Fn.ORDER

/** The big-endian number of `bytes` modulo N: a scalar from N up is taken, as the chain does. */
export const scalarFromBytes = (bytes: Uint8Array): bigint => modOrder(bytesToNumberBE(bytes))

/** The same of the 32 bytes at `offset` of `view`, in a third of the time: each request has one scalar for each member. */
export const scalarAt = (view: DataView, offset: number): bigint => {
  const high = (view.getBigUint64(offset) << 64n) | view.getBigUint64(offset + 8)
  const number = (high << 128n) | (view.getBigUint64(offset + 16) << 64n) | view.getBigUint64(offset + 24)
  // Twice N is more than 2^256.
  return number < ORDER ? number : number - ORDER
}

/** 32 bytes, big-endian, of a scalar in 0 … 2^256 − 1. */
export const scalarToBytes = (scalar: bigint): Uint8Array => numberToBytesBE(scalar, SCALAR_BYTES)

/** `number` modulo N in 0 … N − 1, also for negative numbers. */
export const modOrder = (number: bigint): bigint => {
  const rest = number % ORDER
  return rest < 0n ? rest + ORDER : rest
}
