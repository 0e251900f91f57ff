/**
 * Gas of transactions. The amounts are invented, since none are known for claims and proofs: 50 000 + 10 for each byte +
 * 40 000 for a claim + 120 000 for a proof. What a simulation leaves out, and where gas runs out, is as on the chain.
 */
import type { DecodedTx } from "../../domain/tx/TxDecode.ts"
import { refuse, SDK, type TxRefusal } from "./ChainErrors.ts"

/** Everything before the messages, except what depends on bytes, fee and nonce. */
const BASE_GAS = 50_000n
/** Cosmos SDK default `tx_size_cost_per_byte`. */
const BYTE_GAS = 10n
/** First read of params, before the size is counted. Source: cosmos-sdk `store/types/gas.go`, ReadCostFlat. */
const FIRST_READ_GAS = 1_000n
/** Fee transfer, left out by a simulation with an empty fee (measured on Cosmos SDK 0.53). */
const FEE_GAS = 17_789n
/** Nonce write, left out by every simulation (measured on Cosmos SDK 0.53). */
const NONCE_GAS = 3_870n
/** What an empty instead of a real signature adds in a simulation (measured on Cosmos SDK 0.53). */
const EMPTY_SIGNATURE_GAS = 2_000n

/** Gas of one message. */
export const messageGas = (message: DecodedTx["messages"][number]): bigint =>
  message._tag === "CreateClaim" ? 40_000n : 120_000n

/** Gas used before the messages run. `isSimulation`: no nonce is written, an empty signature costs more. */
export const anteGas = (tx: DecodedTx, byteLength: number, isSimulation: boolean): bigint => {
  const fee = tx.fee !== undefined && tx.fee.amount.some((coin) => coin.amount > 0n) ? FEE_GAS : 0n
  const nonce = isSimulation ? 0n : NONCE_GAS
  const signature = isSimulation && tx.signatures.some((bytes) => bytes.length === 0) ? EMPTY_SIGNATURE_GAS : 0n
  return BASE_GAS + BYTE_GAS * BigInt(byteLength) + fee + nonce + signature
}

/** Gas used when the memo check has read the auth params. */
export const memoGas = (): bigint => FIRST_READ_GAS

/** Gas used when the bytes are counted. */
export const sizeGas = (byteLength: number): bigint => FIRST_READ_GAS + BYTE_GAS * BigInt(byteLength)

/** A refusal if `gasUsed` is above what the transaction wants; `location` is where it ran out. */
export const outOfGas = (location: string, gasWanted: bigint, gasUsed: bigint): TxRefusal | undefined =>
  gasUsed <= gasWanted
    ? undefined
    : refuse(SDK.outOfGas, `out of gas in location: ${location}; gasWanted: ${gasWanted}, gasUsed: ${gasUsed}`)
