/** Scalars of ring signatures: numbers modulo the order N of secp256k1, 32 bytes big-endian on the wire. */
import { secp256k1 } from "@noble/curves/secp256k1.js"
import { bytesToNumberBE, numberToBytesBE } from "@noble/curves/utils.js"

/** Length of a scalar on the wire in bytes. */
export const SCALAR_BYTES = 32

/** Order N of the group. */
export const ORDER: bigint = secp256k1.Point.Fn.ORDER

/** The big-endian number of `bytes` modulo N: a scalar from N up is taken, as the chain does. */
export const scalarFromBytes = (bytes: Uint8Array): bigint => modOrder(bytesToNumberBE(bytes))

/** 32 bytes, big-endian, of a scalar in 0 … 2^256 − 1. */
export const scalarToBytes = (scalar: bigint): Uint8Array => numberToBytesBE(scalar, SCALAR_BYTES)

/** `number` modulo N in 0 … N − 1, also for negative numbers. */
export const modOrder = (number: bigint): bigint => {
  const rest = number % ORDER
  return rest < 0n ? rest + ORDER : rest
}
