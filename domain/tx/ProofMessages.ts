/**
 * Claims and proofs on the wire: the two messages a supplier sends, and the claim as the chain stores it. Encoding and
 * decoding give gogoproto's bytes and verdicts; the stored claim is hashed by the chain, so its bytes matter.
 */
import type { Result } from "effect"
import {
  emptySessionHeader,
  readSessionHeader,
  type SessionHeader,
  type SessionHeaderDraft,
  writeSessionHeader
} from "../relay/SessionHeader.ts"
import { decodeMessage, type ProtoReader } from "../wire/ProtoReader.ts"
import { encodeMessage, type ProtoWriter } from "../wire/ProtoWriter.ts"
import type { WireError } from "../wire/WireError.ts"
import type { PackedMessage } from "./UnorderedTx.ts"

/** Type URL of `MsgCreateClaim`. */
export const CREATE_CLAIM = "/pocket.proof.MsgCreateClaim"

/** Type URL of `MsgSubmitProof`. */
export const SUBMIT_PROOF = "/pocket.proof.MsgSubmitProof"

/** `pocket.proof.MsgCreateClaim`. Signed by the supplier. */
export interface MsgCreateClaim {
  /** Bech32 operator address, byte text. */
  readonly supplierOperatorAddress: string
  readonly sessionHeader: SessionHeader | undefined
  /** 48 bytes: digest 32, sum 8, count 8, big-endian. */
  readonly rootHash: Uint8Array
}

/** `pocket.proof.MsgSubmitProof`. Signed by the supplier. */
export interface MsgSubmitProof {
  /** Bech32 operator address, byte text. */
  readonly supplierOperatorAddress: string
  readonly sessionHeader: SessionHeader | undefined
  /** Compact closest proof, gob-encoded. */
  readonly proof: Uint8Array
}

/** `pocket.proof.ClaimProofStatus`. The enum is open: a stored claim may carry a number of a newer chain. */
export const ClaimProofStatus = { pending: 0, validated: 1, invalid: 2 } as const

/** `pocket.proof.Claim`: a claim as stored by the chain. */
export interface Claim extends MsgCreateClaim {
  /** One of `ClaimProofStatus`. It is hashed with the rest when the chain decides whether a proof is required. */
  readonly proofValidationStatus: number
}

/** Encodes a claim message. A present but empty session header is written. */
export const encodeCreateClaim = (message: MsgCreateClaim): Uint8Array => encodeMessage(writeCreateClaim, message)

/** Decodes a claim message; unknown fields are dropped. The bytes are copied. */
export const decodeCreateClaim = (bytes: Uint8Array): Result.Result<MsgCreateClaim, WireError> =>
  decodeMessage("MsgCreateClaim", bytes, readCreateClaim, emptyClaim())

/** Encodes a proof message. */
export const encodeSubmitProof = (message: MsgSubmitProof): Uint8Array => encodeMessage(writeSubmitProof, message)

/** Decodes a proof message; unknown fields are dropped. The bytes are copied. */
export const decodeSubmitProof = (bytes: Uint8Array): Result.Result<MsgSubmitProof, WireError> =>
  decodeMessage("MsgSubmitProof", bytes, readSubmitProof, emptyProof())

/** Encodes a stored claim: the bytes whose SHA-256 enters the proof requirement. */
export const encodeClaim = (claim: Claim): Uint8Array => encodeMessage(writeClaim, claim)

/** Decodes a stored claim; unknown fields are dropped. The bytes are copied. */
export const decodeClaim = (bytes: Uint8Array): Result.Result<Claim, WireError> =>
  decodeMessage("Claim", bytes, readClaim, { ...emptyClaim(), proofValidationStatus: 0 })

/** A claim message in its envelope, as it stands in a transaction body. */
export const packCreateClaim = (message: MsgCreateClaim): PackedMessage => ({
  typeUrl: CREATE_CLAIM,
  value: encodeCreateClaim(message)
})

/** A proof message in its envelope, as it stands in a transaction body. */
export const packSubmitProof = (message: MsgSubmitProof): PackedMessage => ({
  typeUrl: SUBMIT_PROOF,
  value: encodeSubmitProof(message)
})

/** Encodes the envelope itself: `google.protobuf.Any`. */
export const encodeAny = (packed: PackedMessage): Uint8Array => encodeMessage(writeAny, packed)

interface ClaimDraft {
  supplierOperatorAddress: string
  sessionHeader: SessionHeaderDraft | undefined
  rootHash: Uint8Array
}

interface ProofDraft {
  supplierOperatorAddress: string
  sessionHeader: SessionHeaderDraft | undefined
  proof: Uint8Array
}

/** Digest, address and header take about 230 bytes; the header's length prefix has two bytes from 128 on. */
const EXPECTED_HEADER_BYTES = 150
const NO_BYTES = new Uint8Array(0)

const emptyClaim = (): ClaimDraft => ({
  supplierOperatorAddress: "",
  sessionHeader: undefined,
  rootHash: NO_BYTES
})

const emptyProof = (): ProofDraft => ({ supplierOperatorAddress: "", sessionHeader: undefined, proof: NO_BYTES })

/** Reads fields 1 and 2, which all three messages share; false if the field met is another one. */
const readOwner = (
  reader: ProtoReader,
  draft: { supplierOperatorAddress: string; sessionHeader: SessionHeaderDraft | undefined }
): boolean => {
  if (reader.field === 1) draft.supplierOperatorAddress = reader.text("supplier_operator_address")
  else if (reader.field === 2) {
    draft.sessionHeader ??= emptySessionHeader()
    reader.message("session_header", readSessionHeader, draft.sessionHeader)
  } else return false
  return true
}

const readCreateClaim = (reader: ProtoReader, draft: ClaimDraft): void => {
  while (reader.next()) {
    if (readOwner(reader, draft)) continue
    if (reader.field === 3) draft.rootHash = Uint8Array.from(reader.bytes("root_hash"))
    else reader.skip()
  }
}

const readSubmitProof = (reader: ProtoReader, draft: ProofDraft): void => {
  while (reader.next()) {
    if (readOwner(reader, draft)) continue
    if (reader.field === 3) draft.proof = Uint8Array.from(reader.bytes("proof"))
    else reader.skip()
  }
}

const readClaim = (reader: ProtoReader, draft: ClaimDraft & { proofValidationStatus: number }): void => {
  while (reader.next()) {
    if (readOwner(reader, draft)) continue
    if (reader.field === 3) draft.rootHash = Uint8Array.from(reader.bytes("root_hash"))
    else if (reader.field === 4) draft.proofValidationStatus = reader.int32("proof_validation_status")
    else reader.skip()
  }
}

const writeOwner = (
  writer: ProtoWriter,
  value: { readonly supplierOperatorAddress: string; readonly sessionHeader: SessionHeader | undefined }
): void => {
  writer.text(1, value.supplierOperatorAddress)
  if (value.sessionHeader !== undefined) {
    writer.message(2, writeSessionHeader, value.sessionHeader, EXPECTED_HEADER_BYTES)
  }
}

const writeCreateClaim = (writer: ProtoWriter, message: MsgCreateClaim): void => {
  writeOwner(writer, message)
  writer.bytes(3, message.rootHash)
}

const writeSubmitProof = (writer: ProtoWriter, message: MsgSubmitProof): void => {
  writeOwner(writer, message)
  writer.bytes(3, message.proof)
}

const writeClaim = (writer: ProtoWriter, claim: Claim): void => {
  writeCreateClaim(writer, claim)
  writer.int(4, claim.proofValidationStatus)
}

const writeAny = (writer: ProtoWriter, packed: PackedMessage): void => {
  writer.text(1, packed.typeUrl)
  writer.bytes(2, packed.value)
}
