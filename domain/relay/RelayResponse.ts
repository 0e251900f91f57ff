/**
 * The response a supplier signs: building, decoding, canonical encoding, the hash to sign and the chain's stateless
 * checks. Signing itself needs a key and happens elsewhere.
 */
import { Result, Schema } from "effect"
import { type Sha256, sha256 as pureSha256 } from "../crypto/Sha256.ts"
import { decodeMessage, type ProtoReader } from "../wire/ProtoReader.ts"
import { encodeMessage, hashMessage, type ProtoWriter } from "../wire/ProtoWriter.ts"
import type { WireError } from "../wire/WireError.ts"
import {
  emptySessionHeader,
  readSessionHeader,
  type SessionHeader,
  type SessionHeaderDraft,
  validateSessionHeader,
  writeSessionHeader
} from "./SessionHeader.ts"

/** `pocket.service.RelayMinerError`: the relayer failed. An error of the backend is payload, not this. */
export interface RelayMinerError {
  readonly codespace: string
  /** uint32. */
  readonly code: number
  readonly description: string
  readonly message: string
}

/** `pocket.service.RelayResponseMetadata`. */
export interface RelayResponseMetadata {
  /** Absent is not the same as empty: only a present header is encoded. */
  readonly sessionHeader: SessionHeader | undefined
  /** ECDSA r‖s, 64 bytes, over SHA-256 of `responseSignableHash`; empty when unsigned. */
  readonly supplierOperatorSignature: Uint8Array
}

/** `pocket.service.RelayResponse`. Bytes of a decoded response are views of the input. */
export interface RelayResponse {
  readonly meta: RelayResponseMetadata
  /** HTTP and gRPC: an encoded `HttpResponsePayload`; WebSocket: the raw frame. */
  readonly payload: Uint8Array
  /** Present, even if empty, means that the relayer failed. */
  readonly relayMinerError: RelayMinerError | undefined
  /** SHA-256 of the payload. Present, even if empty, means that the payload itself is not signed. */
  readonly payloadHash: Uint8Array | undefined
}

/** A relay response while it is being read. */
export interface RelayResponseDraft {
  meta: { sessionHeader: SessionHeaderDraft | undefined; supplierOperatorSignature: Uint8Array }
  payload: Uint8Array
  relayMinerError: RelayMinerErrorDraft | undefined
  payloadHash: Uint8Array | undefined
}

type RelayMinerErrorDraft = { -readonly [Field in keyof RelayMinerError]: RelayMinerError[Field] }

/** A response that `ValidateBasic` refuses: the protobuf field and what is wrong with it. */
export class InvalidRelayResponse extends Schema.TaggedError<InvalidRelayResponse>()("InvalidRelayResponse", {
  field: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `relay response ${this.field}: ${this.problem}`
  }
}

/** A response without payload is never signed: its hash would vouch for nothing. */
export class EmptyResponsePayload extends Schema.TaggedError<EmptyResponsePayload>()("EmptyResponsePayload", {
  sessionId: Schema.String
}) {
  override get message(): string {
    return `response in session ${this.sessionId} has no payload and cannot be signed`
  }
}

/**
 * An unsigned response with `payloadHash` = SHA-256 of `payload`. `sessionHeader` is the request's, unchanged.
 * The payload is kept, not copied. Next: sign `responseSignableHash`, then `withSignature`.
 */
export const buildResponse = (
  parts: {
    readonly sessionHeader: SessionHeader
    readonly payload: Uint8Array
    readonly relayMinerError?: RelayMinerError | undefined
  },
  sha256: Sha256 = pureSha256
): Result.Result<RelayResponse, EmptyResponsePayload> =>
  parts.payload.length === 0
    ? Result.fail(new EmptyResponsePayload({ sessionId: parts.sessionHeader.sessionId }))
    : Result.succeed({
        meta: { sessionHeader: parts.sessionHeader, supplierOperatorSignature: NO_BYTES },
        payload: parts.payload,
        relayMinerError: parts.relayMinerError,
        payloadHash: sha256(parts.payload)
      })

/** The response with this signature (64 bytes r‖s). */
export const withSignature = (response: RelayResponse, signature: Uint8Array): RelayResponse => ({
  meta: { sessionHeader: response.meta.sessionHeader, supplierOperatorSignature: signature },
  payload: response.payload,
  relayMinerError: response.relayMinerError,
  payloadHash: response.payloadHash
})

/** The response as it is mined: everything but the payload, under the same signature. */
export const withoutPayload = (response: RelayResponse): RelayResponse => ({
  meta: response.meta,
  payload: NO_BYTES,
  relayMinerError: response.relayMinerError,
  payloadHash: response.payloadHash
})

/** Decodes a response with Go's verdicts. */
export const decodeRelayResponse = (bytes: Uint8Array): Result.Result<RelayResponse, WireError> =>
  decodeMessage("RelayResponse", bytes, readRelayResponse, emptyRelayResponse())

/** Canonical encoding. `meta` is written even if empty. */
export const encodeRelayResponse = (response: RelayResponse): Uint8Array => encodeMessage(writeRelayResponse, response)

/** Encoding without the signature and, where a payload hash is present, without the payload. */
export const responseSignableBytes = (response: RelayResponse): Uint8Array => encodeMessage(writeSignable, response)

/**
 * 32 bytes; the supplier signs their SHA-256 (they are hashed again).
 * Source: poktroll `x/service/types/relay.go`, `RelayResponse.GetSignableBytesHash`.
 */
export const responseSignableHash = (response: RelayResponse, sha256: Sha256 = pureSha256): Uint8Array =>
  hashMessage(writeSignable, response, sha256)

/**
 * The stateless checks of the chain, the first failure decides. The payload hash may be missing.
 * Source: poktroll `x/service/types/relay.go`, `RelayResponse.ValidateBasic`.
 */
export const validateRelayResponse = (response: RelayResponse): Result.Result<void, InvalidRelayResponse> => {
  const { meta } = response
  if (meta.sessionHeader === undefined) return refuse("meta.session_header", "is missing")
  const header = validateSessionHeader(meta.sessionHeader)
  if (Result.isFailure(header)) return refuse(`meta.session_header.${header.failure.field}`, header.failure.problem)
  if (meta.supplierOperatorSignature.length === 0) return refuse("meta.supplier_operator_signature", "is missing")
  return Result.void
}

/** A response with every field empty or absent. */
export const emptyRelayResponse = (): RelayResponseDraft => ({
  meta: { sessionHeader: undefined, supplierOperatorSignature: NO_BYTES },
  payload: NO_BYTES,
  relayMinerError: undefined,
  payloadHash: undefined
})

/** Reads the fields of a response into `draft`; for `ProtoReader.message`. */
export const readRelayResponse = (reader: ProtoReader, draft: RelayResponseDraft): void => {
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        reader.message("meta", readMetadata, draft.meta)
        break
      case 2:
        draft.payload = reader.bytes("payload")
        break
      case 3:
        draft.relayMinerError ??= { codespace: "", code: 0, description: "", message: "" }
        reader.message("relay_miner_error", readRelayMinerError, draft.relayMinerError)
        break
      case 4:
        draft.payloadHash = reader.bytes("payload_hash")
        break
      default:
        reader.skip()
    }
  }
}

/** Writes the fields of a response; for `ProtoWriter.message`. */
export const writeRelayResponse = (writer: ProtoWriter, response: RelayResponse): void => {
  writer.message(1, writeMetadata, response.meta, EXPECTED_METADATA_BYTES)
  writer.bytes(2, response.payload)
  writeTail(writer, response)
}

/** Header 125 to 175 bytes and a signature of 66: a two-byte length prefix. */
const EXPECTED_METADATA_BYTES = 220
const EXPECTED_HEADER_BYTES = 150
const NO_BYTES = new Uint8Array(0)

const readMetadata = (reader: ProtoReader, draft: RelayResponseDraft["meta"]): void => {
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        draft.sessionHeader ??= emptySessionHeader()
        reader.message("session_header", readSessionHeader, draft.sessionHeader)
        break
      case 2:
        draft.supplierOperatorSignature = reader.bytes("supplier_operator_signature")
        break
      default:
        reader.skip()
    }
  }
}

const readRelayMinerError = (reader: ProtoReader, draft: RelayMinerErrorDraft): void => {
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        draft.codespace = reader.text("codespace")
        break
      case 2:
        draft.code = reader.uint32("code")
        break
      case 3:
        draft.description = reader.text("description")
        break
      case 4:
        draft.message = reader.text("message")
        break
      default:
        reader.skip()
    }
  }
}

const writeMetadata = (writer: ProtoWriter, meta: RelayResponseMetadata): void => {
  writeUnsignedMetadata(writer, meta)
  writer.bytes(2, meta.supplierOperatorSignature)
}

const writeUnsignedMetadata = (writer: ProtoWriter, meta: RelayResponseMetadata): void => {
  if (meta.sessionHeader !== undefined) {
    writer.message(1, writeSessionHeader, meta.sessionHeader, EXPECTED_HEADER_BYTES)
  }
}

const writeRelayMinerError = (writer: ProtoWriter, error: RelayMinerError): void => {
  writer.text(1, error.codespace)
  writer.uint(2, error.code)
  writer.text(3, error.description)
  writer.text(4, error.message)
}

/** Fields 3 and 4: always signed. An explicit empty payload hash is present but not written again. */
const writeTail = (writer: ProtoWriter, response: RelayResponse): void => {
  if (response.relayMinerError !== undefined) writer.message(3, writeRelayMinerError, response.relayMinerError)
  if (response.payloadHash !== undefined) writer.bytes(4, response.payloadHash)
}

const writeSignable = (writer: ProtoWriter, response: RelayResponse): void => {
  writer.message(1, writeUnsignedMetadata, response.meta, EXPECTED_METADATA_BYTES)
  if (response.payloadHash === undefined) writer.bytes(2, response.payload)
  writeTail(writer, response)
}

const refuse = (field: string, problem: string): Result.Result<never, InvalidRelayResponse> =>
  Result.fail(new InvalidRelayResponse({ field, problem }))
