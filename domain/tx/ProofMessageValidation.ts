/**
 * `ValidateBasic` of claim and proof messages with the codespace, code and text a node answers. The first failure decides.
 * Only Go's own words inside the parentheses of a bech32 error are shortened.
 */
import { bytesToHex } from "@noble/hashes/utils.js"
import { Result, Schema } from "effect"
import { ADDRESS_PREFIX, decodeAddress } from "../keys/Address.ts"
import { type SessionHeader, validateSessionHeader } from "../relay/SessionHeader.ts"
import type { MsgCreateClaim, MsgSubmitProof } from "./ProofMessages.ts"

/** Bytes of a claimed root: digest 32, sum 8, count 8. */
export const ROOT_BYTES = 48

/** A message with bad fields: what CheckTx and the block answer, before fee and signature are looked at. */
export class BasicRefusal extends Schema.TaggedError<BasicRefusal>()("BasicRefusal", {
  codespace: Schema.String,
  code: Schema.Int,
  log: Schema.String
}) {
  override get message(): string {
    return `${this.log} (${this.codespace} ${this.code})`
  }
}

/** Source: poktroll `x/proof/types/message_create_claim.go`, ValidateBasic. */
export const validateCreateClaim = (message: MsgCreateClaim): Result.Result<void, BasicRefusal> => {
  const supplier = message.supplierOperatorAddress
  if (addressError(supplier) !== undefined) return refuse("proof", 1101, supplier, "invalid address")
  if (message.sessionHeader === undefined) return refuse("proof", 1115, "session header is nil", INVALID_HEADER)
  const header = headerError(message.sessionHeader)
  if (header !== undefined) return refuse("proof", 1115, `invalid session header: ${header}`, INVALID_HEADER)
  const root = message.rootHash
  if (root.length !== ROOT_BYTES) {
    return refuse(
      "proof",
      1104,
      `expecting root hash to be ${ROOT_BYTES} bytes, got ${root.length} bytes`,
      INVALID_ROOT
    )
  }
  const words = new DataView(root.buffer, root.byteOffset, ROOT_BYTES)
  const empty = words.getBigUint64(40) === 0n ? "count" : words.getBigUint64(32) === 0n ? "sum" : undefined
  return empty === undefined
    ? Result.void
    : refuse("proof", 1104, `has zero ${empty} in Merkle root (hex) ${bytesToHex(root)}`, INVALID_ROOT)
}

/** Source: poktroll `x/proof/types/message_submit_proof.go`, ValidateBasic. */
export const validateSubmitProof = (message: MsgSubmitProof): Result.Result<void, BasicRefusal> => {
  const supplier = message.supplierOperatorAddress
  const address = addressError(supplier)
  if (address !== undefined) {
    const detail = `supplier operator address ${JSON.stringify(supplier)}, error: ${address}`
    return refuse("sdk", 7, detail, "invalid address")
  }
  if (message.sessionHeader === undefined) return refuse("proof", 1115, "session header is nil", INVALID_HEADER)
  const header = headerError(message.sessionHeader)
  if (header !== undefined) return refuse("proof", 1115, header, INVALID_HEADER)
  return message.proof.length === 0 ? refuse("proof", 1108, "proof cannot be empty", "invalid proof") : Result.void
}

/**
 * The chain's text for an invalid session header, wherever it stands; undefined for a valid one.
 * Source: poktroll `x/session/types/session_header.go`, ValidateBasic.
 */
export const headerError = (header: SessionHeader): string | undefined => {
  const checked = validateSessionHeader(header)
  if (Result.isSuccess(checked)) return undefined
  switch (checked.failure.field) {
    case "application_address": {
      const address = header.applicationAddress
      return `${JSON.stringify(address)}; (${addressError(address) ?? ""}): invalid application address for session`
    }
    case "session_id":
      return `"": invalid sessionId`
    case "service_id":
      return `${serviceIdError(header.serviceId)}: invalid service ID`
    case "session_start_block_height":
      return "sessions can only start at height 1 or greater: invalid block height for session"
    default:
      return "session end block height cannot be less than or equal to session start block height: invalid block height for session"
  }
}

const INVALID_HEADER = "invalid session header"
const INVALID_ROOT = "invalid root hash"

/** Go's text of `AccAddressFromBech32`, undefined for an address. Source: cosmos-sdk `types/address.go`. */
const addressError = (text: string): string | undefined => {
  if (text.trim() === "") return "empty address string is not allowed"
  const decoded = decodeAddress(text)
  if (Result.isSuccess(decoded)) return undefined
  return decoded.failure.reason === "prefix"
    ? `invalid Bech32 prefix; expected ${ADDRESS_PREFIX}, got ${text.slice(0, text.lastIndexOf("1")).toLowerCase()}`
    : `decoding bech32 failed: ${decoded.failure.reason}`
}

/** Source: poktroll `x/shared/types/service.go`, IsValidServiceId. */
const serviceIdError = (id: string): string => {
  if (id === "") return "empty service ID"
  return id.length > 42
    ? `service ID '${id}' exceeds maximum length: 42`
    : `service ID '${id}' contains invalid characters`
}

const refuse = (codespace: string, code: number, detail: string, text: string): Result.Result<never, BasicRefusal> =>
  Result.fail(new BasicRefusal({ codespace, code, log: `${detail}: ${text}` }))
