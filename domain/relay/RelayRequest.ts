/**
 * The request a gateway sends: decoding, canonical re-encoding, the hash the ring signs and the chain's stateless checks.
 * Whether the signature is valid is not decided here.
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

/** `pocket.service.RelayRequestMetadata`. */
export interface RelayRequestMetadata {
  /** Absent is not the same as empty: only a present header is encoded. */
  readonly sessionHeader: SessionHeader | undefined
  /** Ring signature of the application or its gateways over `signableHash`; empty when absent. */
  readonly signature: Uint8Array
  /** Bech32 operator address of the supplier that is to serve, as byte text. */
  readonly supplierOperatorAddress: string
}

/** `pocket.service.RelayRequest`. Bytes of a decoded request are views of the input. */
export interface RelayRequest {
  readonly meta: RelayRequestMetadata
  /** Serialised call for the backend; may be empty. */
  readonly payload: Uint8Array
}

/** A relay request while it is being read. */
export interface RelayRequestDraft {
  meta: {
    sessionHeader: SessionHeaderDraft | undefined
    signature: Uint8Array
    supplierOperatorAddress: string
  }
  payload: Uint8Array
}

/** A request that `ValidateBasic` refuses: the protobuf field and what is wrong with it. */
export class InvalidRelayRequest extends Schema.TaggedError<InvalidRelayRequest>()("InvalidRelayRequest", {
  field: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `relay request ${this.field}: ${this.problem}`
  }
}

/** Decodes a request with Go's verdicts: unknown fields dropped, the last scalar wins, sub-messages merge. */
export const decodeRelayRequest = (bytes: Uint8Array): Result.Result<RelayRequest, WireError> =>
  decodeMessage("RelayRequest", bytes, readRelayRequest, emptyRelayRequest())

/** Canonical encoding. `meta` is written even if empty. */
export const encodeRelayRequest = (request: RelayRequest): Uint8Array => encodeMessage(writeRelayRequest, request)

/** Encoding without the signature: what `signableHash` hashes. */
export const signableBytes = (request: RelayRequest): Uint8Array => encodeMessage(writeSignable, request)

/**
 * The 32 bytes that the ring signs; the ring does not hash them again.
 * Source: poktroll `x/service/types/relay.go`, `RelayRequest.GetSignableBytesHash`.
 */
export const signableHash = (request: RelayRequest, sha256: Sha256 = pureSha256): Uint8Array =>
  hashMessage(writeSignable, request, sha256)

/**
 * The stateless checks of the chain, the first failure decides. The supplier address need only be there.
 * Source: poktroll `x/service/types/relay.go`, `RelayRequest.ValidateBasic`.
 */
export const validateRelayRequest = (request: RelayRequest): Result.Result<void, InvalidRelayRequest> => {
  const { meta } = request
  if (meta.sessionHeader === undefined) return refuse("meta.session_header", "is missing")
  const header = validateSessionHeader(meta.sessionHeader)
  if (Result.isFailure(header)) return refuse(`meta.session_header.${header.failure.field}`, header.failure.problem)
  if (meta.signature.length === 0) return refuse("meta.signature", "is missing")
  if (meta.supplierOperatorAddress === "") return refuse("meta.supplier_operator_address", "is missing")
  return Result.void
}

/** The request with a header that says the same: one object for all relays of a session. */
export const withSessionHeader = ({ meta, payload }: RelayRequest, sessionHeader: SessionHeader): RelayRequest => ({
  meta: { sessionHeader, signature: meta.signature, supplierOperatorAddress: meta.supplierOperatorAddress },
  payload
})

/** A request with every field empty and no session header. */
export const emptyRelayRequest = (): RelayRequestDraft => ({
  meta: { sessionHeader: undefined, signature: NO_BYTES, supplierOperatorAddress: "" },
  payload: NO_BYTES
})

/** Reads the fields of a request into `draft`; for `ProtoReader.message`. */
export const readRelayRequest = (reader: ProtoReader, draft: RelayRequestDraft): void => {
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        reader.message("meta", readMetadata, draft.meta)
        break
      case 2:
        draft.payload = reader.bytes("payload")
        break
      default:
        reader.skip()
    }
  }
}

/** Writes the fields of a request; for `ProtoWriter.message`. */
export const writeRelayRequest = (writer: ProtoWriter, request: RelayRequest): void => {
  writer.message(1, writeMetadata, request.meta, EXPECTED_METADATA_BYTES)
  writer.bytes(2, request.payload)
}

/** Header 125 to 175 bytes, address 45, ring signature of two members 170: a two-byte length prefix. */
const EXPECTED_METADATA_BYTES = 400
const EXPECTED_HEADER_BYTES = 150
const NO_BYTES = new Uint8Array(0)

const readMetadata = (reader: ProtoReader, draft: RelayRequestDraft["meta"]): void => {
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        draft.sessionHeader ??= emptySessionHeader()
        reader.message("session_header", readSessionHeader, draft.sessionHeader)
        break
      case 2:
        draft.signature = reader.bytes("signature")
        break
      case 3:
        draft.supplierOperatorAddress = reader.text("supplier_operator_address")
        break
      default:
        reader.skip()
    }
  }
}

const writeMetadata = (writer: ProtoWriter, meta: RelayRequestMetadata): void => {
  if (meta.sessionHeader !== undefined) {
    writer.message(1, writeSessionHeader, meta.sessionHeader, EXPECTED_HEADER_BYTES)
  }
  writer.bytes(2, meta.signature)
  writer.text(3, meta.supplierOperatorAddress)
}

const writeUnsignedMetadata = (writer: ProtoWriter, meta: RelayRequestMetadata): void => {
  if (meta.sessionHeader !== undefined) {
    writer.message(1, writeSessionHeader, meta.sessionHeader, EXPECTED_HEADER_BYTES)
  }
  writer.text(3, meta.supplierOperatorAddress)
}

const writeSignable = (writer: ProtoWriter, request: RelayRequest): void => {
  writer.message(1, writeUnsignedMetadata, request.meta, EXPECTED_METADATA_BYTES)
  writer.bytes(2, request.payload)
}

const refuse = (field: string, problem: string): Result.Result<never, InvalidRelayRequest> =>
  Result.fail(new InvalidRelayRequest({ field, problem }))
