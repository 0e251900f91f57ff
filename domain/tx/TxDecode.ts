/**
 * Decodes transaction bytes as strictly as a node does before it runs them: canonical raw transaction, no unknown field
 * at any depth, no unknown type. Used where bytes of others arrive; hostile input is refused with a type, never thrown.
 */
import { type DescField, type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf"
import { AnySchema } from "@bufbuild/protobuf/wkt"
import { Result, Schema } from "effect"
import { SECP256K1_TYPE_URL } from "../chain/Account.ts"
import type { Coin } from "../chain/Coin.ts"
import { PubKeySchema } from "../chain/proto/cosmos/crypto_pb.ts"
import { SignMode } from "../chain/proto/cosmos/signing_pb.ts"
import { AuthInfoSchema, TxBodySchema, TxRawSchema } from "../chain/proto/cosmos/tx_pb.ts"
import { MsgCreateClaimSchema, MsgSubmitProofSchema } from "../chain/proto/pocket/proof_pb.ts"
import { FIXED32, FIXED64, LENGTH_DELIMITED, ProtoReader, VARINT } from "../wire/ProtoReader.ts"
import {
  CREATE_CLAIM,
  decodeCreateClaim,
  decodeSubmitProof,
  type MsgCreateClaim,
  type MsgSubmitProof,
  SUBMIT_PROOF
} from "./ProofMessages.ts"
import { txHash } from "./UnorderedTx.ts"

/** Deepest nesting of messages that is read, `Any` included. Real transactions have five levels. */
export const MAX_DEPTH = 32

/** Refused bytes; a node answers codespace `sdk`, code 2, log `log`. */
export class TxUndecodable extends Schema.TaggedError<TxUndecodable>()("TxUndecodable", {
  /** Where: dotted protobuf path from `TxRaw`, `TxBody` or `AuthInfo`. */
  path: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `${this.path}: ${this.reason}`
  }
  /** Text of the refusal as a node logs it. */
  get log(): string {
    return `${this.message}: tx parse error`
  }
}

/** One message of a transaction. */
export type TxMessage =
  | { readonly _tag: "CreateClaim"; readonly typeUrl: string; readonly message: MsgCreateClaim }
  | { readonly _tag: "SubmitProof"; readonly typeUrl: string; readonly message: MsgSubmitProof }

/** One signer as it stands in the transaction; the account it stands for is not known here. */
export interface TxSigner {
  /** secp256k1 key as sent, any length; absent if the transaction carries none. */
  readonly publicKey: Uint8Array | undefined
  /** Number of the sign mode, 1 = direct; undefined for a multi-signature or none. */
  readonly signMode: number | undefined
  /** 0 for unordered transactions. */
  readonly sequence: bigint
}

/** A transaction that decodes; nothing else about it is checked. */
export interface DecodedTx {
  /** Upper-case hex of SHA-256 of the bytes. */
  readonly hash: string
  /** As received: what the sign document is made of. */
  readonly bodyBytes: Uint8Array
  readonly authInfoBytes: Uint8Array
  readonly signatures: ReadonlyArray<Uint8Array>
  readonly messages: ReadonlyArray<TxMessage>
  readonly memo: string
  readonly timeoutHeight: bigint
  readonly unordered: boolean
  /** Nanoseconds since the Unix epoch, undefined if unset or with 0 seconds, which the chain takes for unset. */
  readonly timeoutUnixNano: bigint | undefined
  readonly hasExtensionOptions: boolean
  readonly signers: ReadonlyArray<TxSigner>
  /** Undefined if the transaction has none: a node refuses that later. */
  readonly fee:
    | {
        readonly amount: ReadonlyArray<Coin>
        readonly gasLimit: bigint
        readonly payer: string
        readonly granter: string
      }
    | undefined
}

/** The number of the only sign mode this program uses and accepts. */
export const DIRECT: number = SignMode.DIRECT

/**
 * Decodes a transaction. A node also lets unknown fields of the body pass whose number has bit 11 set ("non-critical");
 * they are refused here: nobody who speaks to this program sends them.
 * Source: cosmos-sdk `x/tx/decode`, Context.Decode, rejectNonADR027TxRaw, RejectUnknownFields.
 */
export const decodeTx = (bytes: Uint8Array): Result.Result<DecodedTx, TxUndecodable> =>
  Result.gen(function* () {
    yield* checkCanonicalRaw(bytes)
    yield* checkKnownFields(TxRawSchema, bytes, "TxRaw", 0)
    const raw = yield* read(TxRawSchema, bytes, "TxRaw")
    yield* checkKnownFields(TxBodySchema, raw.bodyBytes, "TxBody", 0)
    const body = yield* read(TxBodySchema, raw.bodyBytes, "TxBody")
    yield* checkKnownFields(AuthInfoSchema, raw.authInfoBytes, "AuthInfo", 0)
    const authInfo = yield* read(AuthInfoSchema, raw.authInfoBytes, "AuthInfo")

    const messages: Array<TxMessage> = []
    for (const [index, any] of body.messages.entries()) {
      messages.push(yield* readMessage(any.typeUrl, any.value, `TxBody.messages[${index}]`))
    }
    const signers: Array<TxSigner> = []
    for (const [index, info] of authInfo.signerInfos.entries()) {
      const path = `AuthInfo.signer_infos[${index}]`
      signers.push({
        publicKey: info.publicKey && (yield* readPublicKey(info.publicKey.typeUrl, info.publicKey.value, path)),
        signMode: info.modeInfo?.sum.case === "single" ? info.modeInfo.sum.value.mode : undefined,
        sequence: info.sequence
      })
    }
    const amount: Array<Coin> = []
    for (const coin of authInfo.fee?.amount ?? []) {
      if (!/^[0-9]{1,80}$/.test(coin.amount)) return yield* refuse("AuthInfo.fee.amount", "amount is not a number")
      amount.push({ denom: coin.denom, amount: BigInt(coin.amount) })
    }
    const timestamp = body.timeoutTimestamp
    return {
      hash: txHash(bytes),
      bodyBytes: raw.bodyBytes,
      authInfoBytes: raw.authInfoBytes,
      signatures: raw.signatures,
      messages,
      memo: body.memo,
      timeoutHeight: body.timeoutHeight,
      unordered: body.unordered,
      timeoutUnixNano:
        timestamp === undefined || timestamp.seconds === 0n
          ? undefined
          : timestamp.seconds * 1_000_000_000n + BigInt(timestamp.nanos),
      hasExtensionOptions: body.extensionOptions.length > 0 || body.nonCriticalExtensionOptions.length > 0,
      signers,
      fee: authInfo.fee && {
        amount,
        gasLimit: authInfo.fee.gasLimit,
        payer: authInfo.fee.payer,
        granter: authInfo.fee.granter
      }
    }
  })

/** Types that may stand in an `Any` of a transaction. */
const KNOWN_TYPES: ReadonlyMap<string, DescMessage> = new Map<string, DescMessage>([
  [CREATE_CLAIM, MsgCreateClaimSchema],
  [SUBMIT_PROOF, MsgSubmitProofSchema],
  [SECP256K1_TYPE_URL, PubKeySchema]
])

/** `TxRaw` holds bytes fields only, by ascending number, with lengths as short as possible (ADR-027). */
const checkCanonicalRaw = (bytes: Uint8Array): Result.Result<void, TxUndecodable> => {
  const reader = new ProtoReader(bytes, "google")
  let previous = 0
  let expected = 0
  while (reader.next()) {
    const { field } = reader
    if (reader.wireType !== LENGTH_DELIMITED) return refuse("TxRaw", `field ${field} is not a bytes field`)
    if (field < previous) return refuse("TxRaw", `field ${field} comes after field ${previous}`)
    previous = field
    const { length } = reader.bytes(`#${field}`)
    expected += varintBytes(field * 8) + varintBytes(length) + length
  }
  if (reader.failed) return finish(reader, "TxRaw")
  return expected === bytes.length ? Result.void : refuse("TxRaw", "a varint is not as short as possible")
}

/** Walks a message by its descriptor and into every sub-message and `Any`: no unknown field, type or wire type. */
const checkKnownFields = (
  type: DescMessage,
  bytes: Uint8Array,
  path: string,
  depth: number
): Result.Result<void, TxUndecodable> => {
  if (depth > MAX_DEPTH) return refuse(path, `nested deeper than ${MAX_DEPTH} messages`)
  const reader = new ProtoReader(bytes, "google")
  while (reader.next()) {
    const field = fieldOf(type, reader.field)
    if (field === undefined) return refuse(path, `unknown field ${reader.field}`)
    if (reader.wireType !== wireTypeOf(field)) return refuse(`${path}.${field.name}`, "wrong wire type")
    const message = field.message
    if (message === undefined) {
      reader.skip()
      continue
    }
    const inner = reader.bytes(field.name)
    if (reader.failed) break
    const child = `${path}.${field.name}`
    const checked = checkKnownFields(message, inner, child, depth + 1)
    if (Result.isFailure(checked)) return checked
    if (message.typeName === AnySchema.typeName) {
      const packed = checkPacked(inner, child, depth + 1)
      if (Result.isFailure(packed)) return packed
    }
  }
  return finish(reader, path)
}

const checkPacked = (bytes: Uint8Array, path: string, depth: number): Result.Result<void, TxUndecodable> =>
  Result.flatMap(read(AnySchema, bytes, path), (any) => {
    const type = KNOWN_TYPES.get(any.typeUrl)
    return type === undefined
      ? refuse(path, `type ${named(any.typeUrl)} is not known`)
      : checkKnownFields(type, any.value, `${path}.${type.name}`, depth + 1)
  })

const fieldOf = (type: DescMessage, number: number): DescField | undefined =>
  type.fields.find((field) => field.number === number)

/** Wire type of a field; the messages of a transaction have no packed, fixed or map fields but these kinds. */
const wireTypeOf = (field: DescField): number => {
  if (field.message !== undefined) return LENGTH_DELIMITED
  const scalar = field.fieldKind === "list" ? (field.listKind === "scalar" ? field.scalar : undefined) : field.scalar
  return scalar === undefined ? VARINT : (SCALAR_WIRE_TYPES.get(scalar) ?? VARINT)
}

/** `ScalarType` numbers of @bufbuild/protobuf (those of descriptor.proto) that are not varints. */
const SCALAR_WIRE_TYPES: ReadonlyMap<number, number> = new Map([
  [1, FIXED64],
  [2, FIXED32],
  [6, FIXED64],
  [7, FIXED32],
  [9, LENGTH_DELIMITED],
  [12, LENGTH_DELIMITED],
  [15, FIXED32],
  [16, FIXED64]
])

const read = <Desc extends DescMessage>(
  type: Desc,
  bytes: Uint8Array,
  path: string
): Result.Result<MessageShape<Desc>, TxUndecodable> =>
  Result.try({
    try: () => fromBinary(type, bytes),
    catch: (cause) => new TxUndecodable({ path, reason: cause instanceof Error ? cause.message : String(cause) })
  })

const readMessage = (typeUrl: string, value: Uint8Array, path: string): Result.Result<TxMessage, TxUndecodable> => {
  switch (typeUrl) {
    case CREATE_CLAIM:
      return Result.mapBoth(decodeCreateClaim(value), {
        onFailure: (error) => new TxUndecodable({ path, reason: error.message }),
        onSuccess: (message): TxMessage => ({ _tag: "CreateClaim", typeUrl, message })
      })
    case SUBMIT_PROOF:
      return Result.mapBoth(decodeSubmitProof(value), {
        onFailure: (error) => new TxUndecodable({ path, reason: error.message }),
        onSuccess: (message): TxMessage => ({ _tag: "SubmitProof", typeUrl, message })
      })
    default:
      return refuse(path, `${named(typeUrl)} is not a message`)
  }
}

const readPublicKey = (typeUrl: string, value: Uint8Array, path: string): Result.Result<Uint8Array, TxUndecodable> =>
  typeUrl === SECP256K1_TYPE_URL
    ? Result.map(read(PubKeySchema, value, path), (publicKey) => publicKey.key)
    : refuse(path, `${named(typeUrl)} is not a public key`)

/** A type URL as it is shown: quoted, and cut, since it may be as long as the transaction. */
const named = (typeUrl: string): string => JSON.stringify(typeUrl.slice(0, 100))

const varintBytes = (value: number): number => {
  let count = 1
  for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) count++
  return count
}

const refuse = (path: string, reason: string): Result.Result<never, TxUndecodable> =>
  Result.fail(new TxUndecodable({ path, reason }))

/** The end of a walk: void, or the reader's first failure. */
const finish = (reader: ProtoReader, path: string): Result.Result<void, TxUndecodable> =>
  Result.mapError(reader.finish(path, undefined), (error) => new TxUndecodable({ path, reason: error.message }))
