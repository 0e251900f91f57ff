/**
 * Messages of the chain's gRPC queries by full protobuf name: one table for the gRPC client, the simulated node and the
 * golden vectors. Unknown fields of a newer chain are dropped.
 */
import { createRegistry, type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf"
import { Option, Result, Schema } from "effect"
import { failingField } from "./FailingField.ts"
import { file_cosmos_abci } from "./proto/cosmos/abci_pb.ts"
import { file_cosmos_auth } from "./proto/cosmos/auth_pb.ts"
import { file_cosmos_bank } from "./proto/cosmos/bank_pb.ts"
import { file_cosmos_crypto } from "./proto/cosmos/crypto_pb.ts"
import { file_cosmos_tx } from "./proto/cosmos/tx_pb.ts"
import { file_cosmos_vesting } from "./proto/cosmos/vesting_pb.ts"
import { file_pocket_application } from "./proto/pocket/application_pb.ts"
import { file_pocket_proof } from "./proto/pocket/proof_pb.ts"
import { file_pocket_service } from "./proto/pocket/service_pb.ts"
import { file_pocket_session } from "./proto/pocket/session_pb.ts"
import { file_pocket_shared } from "./proto/pocket/shared_pb.ts"
import { file_pocket_supplier } from "./proto/pocket/supplier_pb.ts"
import { file_pocket_tokenomics } from "./proto/pocket/tokenomics_pb.ts"

/** Every message and service this program knows, with what they refer to. */
export const registry = createRegistry(
  file_cosmos_abci,
  file_cosmos_auth,
  file_cosmos_bank,
  file_cosmos_crypto,
  file_cosmos_tx,
  file_cosmos_vesting,
  file_pocket_application,
  file_pocket_proof,
  file_pocket_service,
  file_pocket_session,
  file_pocket_shared,
  file_pocket_supplier,
  file_pocket_tokenomics
)

/** Bytes that are not the message they should be: a wrong peer, a cut answer, or text that is not UTF-8. */
export class QueryDecodeError extends Schema.TaggedError<QueryDecodeError>()("QueryDecodeError", {
  type: Schema.String,
  bytes: Schema.Int,
  /** Dotted path of the first field that is not what it should be; empty when it is none in particular. */
  field: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `${this.bytes} bytes are not a ${this.type}: ${this.field === "" ? "" : `${this.field}: `}${this.reason}`
  }
}

/** Descriptor of a message by full name, such as `pocket.session.QueryGetSessionResponse`; undefined if not known. */
export const messageType = (name: string): DescMessage | undefined => registry.getMessage(name)

/** Decodes a message of a known type. Never throws; zero bytes are the empty message. */
export const decodeQuery = <Desc extends DescMessage>(
  type: Desc,
  bytes: Uint8Array
): Result.Result<MessageShape<Desc>, QueryDecodeError> =>
  Result.try({
    try: () => fromBinary(type, bytes, { readUnknownFields: false }),
    catch: (cause) => refusal(type, bytes, cause instanceof Error ? cause.message : String(cause))
  })

/** `text` is what the decoder says; it does not know where it was. */
const refusal = (type: DescMessage, bytes: Uint8Array, text: string): QueryDecodeError =>
  Option.match(failingField(type, bytes), {
    onNone: () => new QueryDecodeError({ type: type.typeName, bytes: bytes.length, field: "", reason: text }),
    onSome: ({ field, reason, offset }) =>
      new QueryDecodeError({
        type: type.typeName,
        bytes: bytes.length,
        field,
        reason: `${reason} at byte ${offset}`
      })
  })

/**
 * Encodes a message as the chain does: fields ascending, defaults omitted. Map entries keep their order: whoever builds
 * a map enters its keys ascending (JavaScript itself orders number-like keys below 2³² − 1).
 */
export const encodeQuery = <Desc extends DescMessage>(type: Desc, message: MessageShape<Desc>): Uint8Array =>
  toBinary(type, message, { writeUnknownFields: false })
