/**
 * Builds transactions of one signer, byte for byte as the chain's own client does: body, auth info, sign document, raw
 * transaction. Unordered, or with an account sequence for chains that take no others. It signs nothing: the caller hands the
 * sign document to a key and the signature back.
 */
import { create, toBinary } from "@bufbuild/protobuf"
import { bytesToHex } from "@noble/hashes/utils.js"
import { SECP256K1_TYPE_URL } from "../chain/Account.ts"
import { PubKeySchema } from "../chain/proto/cosmos/crypto_pb.ts"
import { SignMode } from "../chain/proto/cosmos/signing_pb.ts"
import { AuthInfoSchema, SignDocSchema, TxBodySchema, TxRawSchema } from "../chain/proto/cosmos/tx_pb.ts"
import { type Sha256, sha256 } from "../crypto/Sha256.ts"

/** Memo of every transaction, the same as the Go fleet's. */
export const MEMO = "HA RelayMiner"

/** A message in its envelope: type URL with leading slash, encoded message. */
export interface PackedMessage {
  readonly typeUrl: string
  readonly value: Uint8Array
}

/** Everything that is signed except gas and fee. */
export interface TxDraft {
  /** In order; all of the same signer. */
  readonly messages: ReadonlyArray<PackedMessage>
  /** Nanoseconds since the Unix epoch; the nonce of the transaction, see `TxTimeout`. */
  readonly timeoutUnixNano: bigint
  /** 33 bytes, compressed secp256k1. */
  readonly publicKey: Uint8Array
  readonly chainId: string
  readonly accountNumber: bigint
  /** Account sequence of an ordered transaction; absent: unordered, without one. */
  readonly sequence?: bigint
  /** At most 256 characters; `MEMO` if absent. */
  readonly memo?: string
}

/** Gas limit and the one coin of the fee; an amount of 0 writes no coin. */
export interface TxFee {
  readonly gasLimit: bigint
  readonly amount: bigint
  readonly denom: string
}

/** The fee of a simulation: empty, but written. */
export const SIMULATION_FEE: TxFee = { gasLimit: 0n, amount: 0n, denom: "" }

/** A transaction before its signature. The byte arrays are final: what is signed is what is sent. */
export interface UnsignedTx {
  readonly bodyBytes: Uint8Array
  readonly authInfoBytes: Uint8Array
  /** What the key signs: 64 bytes r‖s over its SHA-256. */
  readonly signDocBytes: Uint8Array
}

/** A signed transaction and its name. */
export interface SignedTx {
  readonly txBytes: Uint8Array
  /** Upper-case hex of SHA-256(`txBytes`), known before broadcast. */
  readonly hash: string
}

/** Encodes body, auth info and sign document. Use `SIMULATION_FEE` for the bytes of a simulation. */
export const prepareTx = (draft: TxDraft, fee: TxFee): UnsignedTx => {
  const { sequence } = draft
  const bodyBytes = encodeBody(draft.messages, draft.timeoutUnixNano, draft.memo ?? MEMO, sequence === undefined)
  const authInfoBytes = encodeAuthInfo(draft.publicKey, fee, sequence)
  return {
    bodyBytes,
    authInfoBytes,
    signDocBytes: encodeSignDoc(bodyBytes, authInfoBytes, draft.chainId, draft.accountNumber)
  }
}

/** Adds the 64-byte signature over the sign document. */
export const assembleTx = (unsigned: UnsignedTx, signature: Uint8Array, hash: Sha256 = sha256): SignedTx => {
  const txBytes = toBinary(
    TxRawSchema,
    create(TxRawSchema, {
      bodyBytes: unsigned.bodyBytes,
      authInfoBytes: unsigned.authInfoBytes,
      signatures: [signature]
    })
  )
  return { txBytes, hash: txHash(txBytes, hash) }
}

/** `prepareTx` and `assembleTx` in one step for a synchronous key. `sign` returns 64 bytes r‖s, low s. */
export const signTx = (
  draft: TxDraft,
  fee: TxFee,
  sign: (signDocBytes: Uint8Array) => Uint8Array,
  hash: Sha256 = sha256
): SignedTx => {
  const unsigned = prepareTx(draft, fee)
  return assembleTx(unsigned, sign(unsigned.signDocBytes), hash)
}

/** Name of a transaction: upper-case hex of the SHA-256 of its bytes. */
export const txHash = (txBytes: Uint8Array, hash: Sha256 = sha256): string => bytesToHex(hash(txBytes)).toUpperCase()

/** Encodes `TxBody`: messages, memo, whether it is unordered, time-out in nanoseconds. */
export const encodeBody = (
  messages: ReadonlyArray<PackedMessage>,
  timeoutUnixNano: bigint,
  memo: string,
  unordered = true
): Uint8Array =>
  toBinary(
    TxBodySchema,
    create(TxBodySchema, {
      messages: messages.map(({ typeUrl, value }) => ({ typeUrl, value })),
      memo,
      unordered,
      timeoutTimestamp: {
        seconds: timeoutUnixNano / NANOS_PER_SECOND,
        nanos: Number(timeoutUnixNano % NANOS_PER_SECOND)
      }
    })
  )

/** Encodes `AuthInfo`: one signer in direct mode, without sequence if that is 0; the fee is written even if it is empty. */
export const encodeAuthInfo = (publicKey: Uint8Array, fee: TxFee, sequence = 0n): Uint8Array =>
  toBinary(
    AuthInfoSchema,
    create(AuthInfoSchema, {
      signerInfos: [
        {
          publicKey: {
            typeUrl: SECP256K1_TYPE_URL,
            value: toBinary(PubKeySchema, create(PubKeySchema, { key: publicKey }))
          },
          modeInfo: { sum: { case: "single", value: { mode: SignMode.DIRECT } } },
          sequence
        }
      ],
      fee: {
        amount: fee.amount === 0n ? [] : [{ denom: fee.denom, amount: fee.amount.toString() }],
        gasLimit: fee.gasLimit
      }
    })
  )

/** Encodes `SignDoc`. */
export const encodeSignDoc = (
  bodyBytes: Uint8Array,
  authInfoBytes: Uint8Array,
  chainId: string,
  accountNumber: bigint
): Uint8Array =>
  toBinary(
    SignDocSchema,
    create(SignDocSchema, {
      bodyBytes,
      authInfoBytes,
      chainId,
      accountNumber
    })
  )

const NANOS_PER_SECOND = 1_000_000_000n
