/** The session a relay, claim or proof belongs to: wire form and the chain's stateless checks. */
import { Result, Schema } from "effect"
import { decodeAddress } from "../keys/Address.ts"
import { toUtf8 } from "../wire/ByteText.ts"
import type { ProtoReader } from "../wire/ProtoReader.ts"
import { encodeMessage, type ProtoWriter } from "../wire/ProtoWriter.ts"

/** `pocket.session.SessionHeader`. Texts are byte text, heights int64; nothing is checked but the encoding. */
export interface SessionHeader {
  /** Bech32 address of the application. */
  readonly applicationAddress: string
  readonly serviceId: string
  /** Lower-case hex of the SHA3-256 session id. */
  readonly sessionId: string
  /** First block of the session. */
  readonly sessionStartBlockHeight: bigint
  /** Last block of the session, inclusive. */
  readonly sessionEndBlockHeight: bigint
}

/** A session header while it is being read. */
export type SessionHeaderDraft = { -readonly [Field in keyof SessionHeader]: SessionHeader[Field] }

/** A header that `ValidateBasic` refuses: the protobuf field and what is wrong with it. */
export class InvalidSessionHeader extends Schema.TaggedError<InvalidSessionHeader>()("InvalidSessionHeader", {
  field: Schema.Literals([
    "application_address",
    "session_id",
    "service_id",
    "session_start_block_height",
    "session_end_block_height"
  ]),
  value: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `session header ${this.field} ${JSON.stringify(this.value)}: ${this.problem}`
  }
}

/** A header with every field empty. */
export const emptySessionHeader = (): SessionHeaderDraft => ({
  applicationAddress: "",
  serviceId: "",
  sessionId: "",
  sessionStartBlockHeight: 0n,
  sessionEndBlockHeight: 0n
})

/** Reads the fields of a session header into `draft`; for `ProtoReader.message`. */
export const readSessionHeader = (reader: ProtoReader, draft: SessionHeaderDraft): void => {
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        draft.applicationAddress = reader.text("application_address")
        break
      case 2:
        draft.serviceId = reader.text("service_id")
        break
      case 3:
        draft.sessionId = reader.text("session_id")
        break
      case 4:
        draft.sessionStartBlockHeight = reader.int64("session_start_block_height")
        break
      case 5:
        draft.sessionEndBlockHeight = reader.int64("session_end_block_height")
        break
      default:
        reader.skip()
    }
  }
}

/** Writes the fields of a session header; for `ProtoWriter.message`. */
export const writeSessionHeader = (writer: ProtoWriter, header: SessionHeader): void => {
  const encoded = encodings.get(header)
  if (encoded === undefined) writeFields(writer, header)
  else writer.encoded(encoded)
}

/** The header itself, whose encoding is made once for all messages that carry it: five for each relay of its session. */
export const keepEncoding = (header: SessionHeader): SessionHeader => {
  encodings.set(header, encodeMessage(writeFields, header))
  return header
}

/** Encodings of headers that are kept by others, for as long as they are. */
const encodings = new WeakMap<SessionHeader, Uint8Array>()

const writeFields = (writer: ProtoWriter, header: SessionHeader): void => {
  writer.text(1, header.applicationAddress)
  writer.text(2, header.serviceId)
  writer.text(3, header.sessionId)
  writer.int(4, header.sessionStartBlockHeight)
  writer.int(5, header.sessionEndBlockHeight)
}

/** Whether all five fields are equal, as texts and numbers; the chain compares nothing else. */
export const isSameSessionHeader = (left: SessionHeader, right: SessionHeader): boolean =>
  left.sessionId === right.sessionId &&
  left.applicationAddress === right.applicationAddress &&
  left.serviceId === right.serviceId &&
  left.sessionStartBlockHeight === right.sessionStartBlockHeight &&
  left.sessionEndBlockHeight === right.sessionEndBlockHeight

/** Service ids of the chain: poktroll `x/shared/types/service.go`, `IsValidServiceId`. */
const SERVICE_ID = /^[A-Za-z0-9_-]{1,42}$/

/**
 * The stateless checks of the chain, the first failure decides. A passing header may still name a session that does not
 * exist, or spell the address in upper case.
 * Source: poktroll `x/session/types/session_header.go`, `SessionHeader.ValidateBasic`.
 */
export const validateSessionHeader = (header: SessionHeader): Result.Result<void, InvalidSessionHeader> => {
  const address = decodeAddress(header.applicationAddress)
  if (Result.isFailure(address)) {
    return refuse("application_address", header.applicationAddress, "is not a bech32 address of this network")
  }
  if (header.sessionId === "") return refuse("session_id", "", "is missing")
  if (!SERVICE_ID.test(header.serviceId)) {
    return refuse("service_id", header.serviceId, "is not 1 to 42 characters of A-Z a-z 0-9 _ -")
  }
  if (header.sessionStartBlockHeight < 1n) {
    return refuse("session_start_block_height", header.sessionStartBlockHeight, "is below 1")
  }
  if (header.sessionEndBlockHeight <= header.sessionStartBlockHeight) {
    return refuse("session_end_block_height", header.sessionEndBlockHeight, "is not above the start height")
  }
  return Result.void
}

const refuse = (
  field: InvalidSessionHeader["field"],
  value: string | bigint,
  problem: string
): Result.Result<never, InvalidSessionHeader> =>
  Result.fail(
    new InvalidSessionHeader({ field, value: typeof value === "bigint" ? value.toString() : toUtf8(value), problem })
  )
