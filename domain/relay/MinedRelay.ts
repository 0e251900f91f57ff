/**
 * The message from relayer to miner about one relay to be mined, byte for byte that of the Go fleet
 * (pocket-relay-miner `transport/redis`, `MinedRelayMessage`). Nothing but the encoding is checked here.
 */
import type { Result } from "effect"
import { decodeMessage, type ProtoReader } from "../wire/ProtoReader.ts"
import { encodeMessage, type ProtoWriter } from "../wire/ProtoWriter.ts"
import type { WireError } from "../wire/WireError.ts"

/** One mined relay. Texts are byte text; bytes of a decoded message are views of the input. */
export interface MinedRelay {
  /** SHA-256 of `relayBytes`, 32 bytes; a reader recomputes it. */
  readonly relayHash: Uint8Array
  /** Leaf value: the encoded relay without the response's payload. */
  readonly relayBytes: Uint8Array
  /** Compute units of the service at the session start (uint64). */
  readonly computeUnitsPerRelay: bigint
  readonly sessionId: string
  readonly sessionEndHeight: bigint
  readonly supplierOperatorAddress: string
  readonly serviceId: string
  readonly applicationAddress: string
  /** Height at which the relayer accepted the relay. */
  readonly arrivalBlockHeight: bigint
  /** Unix time of publication in nanoseconds. */
  readonly publishedAtUnixNano: bigint
  readonly sessionStartHeight: bigint
}

/** Decodes the `data` field of a stream entry. */
export const decodeMinedRelay = (bytes: Uint8Array): Result.Result<MinedRelay, WireError> =>
  decodeMessage("MinedRelayMessage", bytes, readMinedRelay, emptyMinedRelay())

/** Encodes the `data` field of a stream entry. */
export const encodeMinedRelay = (relay: MinedRelay): Uint8Array => encodeMessage(writeMinedRelay, relay)

type MinedRelayDraft = { -readonly [Field in keyof MinedRelay]: MinedRelay[Field] }

const NO_BYTES = new Uint8Array(0)

const emptyMinedRelay = (): MinedRelayDraft => ({
  relayHash: NO_BYTES,
  relayBytes: NO_BYTES,
  computeUnitsPerRelay: 0n,
  sessionId: "",
  sessionEndHeight: 0n,
  supplierOperatorAddress: "",
  serviceId: "",
  applicationAddress: "",
  arrivalBlockHeight: 0n,
  publishedAtUnixNano: 0n,
  sessionStartHeight: 0n
})

const readMinedRelay = (reader: ProtoReader, draft: MinedRelayDraft): void => {
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        draft.relayHash = reader.bytes("relay_hash")
        break
      case 2:
        draft.relayBytes = reader.bytes("relay_bytes")
        break
      case 3:
        draft.computeUnitsPerRelay = reader.uint64("compute_units_per_relay")
        break
      case 4:
        draft.sessionId = reader.text("session_id")
        break
      case 5:
        draft.sessionEndHeight = reader.int64("session_end_height")
        break
      case 6:
        draft.supplierOperatorAddress = reader.text("supplier_operator_address")
        break
      case 7:
        draft.serviceId = reader.text("service_id")
        break
      case 8:
        draft.applicationAddress = reader.text("application_address")
        break
      case 9:
        draft.arrivalBlockHeight = reader.int64("arrival_block_height")
        break
      case 10:
        draft.publishedAtUnixNano = reader.int64("published_at_unix_nano")
        break
      case 11:
        draft.sessionStartHeight = reader.int64("session_start_height")
        break
      default:
        reader.skip()
    }
  }
}

const writeMinedRelay = (writer: ProtoWriter, relay: MinedRelay): void => {
  writer.bytes(1, relay.relayHash)
  writer.bytes(2, relay.relayBytes)
  writer.uint(3, relay.computeUnitsPerRelay)
  writer.text(4, relay.sessionId)
  writer.int(5, relay.sessionEndHeight)
  writer.text(6, relay.supplierOperatorAddress)
  writer.text(7, relay.serviceId)
  writer.text(8, relay.applicationAddress)
  writer.int(9, relay.arrivalBlockHeight)
  writer.int(10, relay.publishedAtUnixNano)
  writer.int(11, relay.sessionStartHeight)
}
