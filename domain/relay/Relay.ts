/** A served relay: request and response together, the leaf it becomes in the session's trie and the hash of that leaf. */
import type { Result } from "effect"
import { type Sha256, sha256 as pureSha256 } from "../crypto/Sha256.ts"
import { decodeMessage, type ProtoReader } from "../wire/ProtoReader.ts"
import { encodeMessage, type ProtoWriter } from "../wire/ProtoWriter.ts"
import type { WireError } from "../wire/WireError.ts"
import {
  emptyRelayRequest,
  readRelayRequest,
  type RelayRequest,
  type RelayRequestDraft,
  writeRelayRequest
} from "./RelayRequest.ts"
import {
  emptyRelayResponse,
  readRelayResponse,
  type RelayResponse,
  type RelayResponseDraft,
  withoutPayload,
  writeRelayResponse
} from "./RelayResponse.ts"

/** `pocket.service.Relay`. Both parts may be absent on the wire; a leaf has both. */
export interface Relay {
  readonly request: RelayRequest | undefined
  readonly response: RelayResponse | undefined
}

/** Decodes a relay with Go's verdicts. */
export const decodeRelay = (bytes: Uint8Array): Result.Result<Relay, WireError> =>
  decodeMessage<RelayDraft>("Relay", bytes, readRelay, { request: undefined, response: undefined })

/** Canonical encoding; a relay without parts is zero bytes. */
export const encodeRelay = (relay: Relay): Uint8Array => encodeMessage(writeRelay, relay)

/**
 * Leaf value of a relay: the relay with its response's payload left out. Signatures, payload hash and relay miner error
 * stay, so both signatures still verify. The request's payload stays too.
 */
export const dehydrate = (request: RelayRequest, response: RelayResponse): Uint8Array =>
  encodeRelay({ request, response: withoutPayload(response) })

/**
 * Key of the leaf in the trie, 32 bytes, compared with the difficulty target. `leafValue` is the result of `dehydrate`.
 * Source: poktroll `x/service/types/relay.go`, `Relay.GetHash`.
 */
export const relayHash = (leafValue: Uint8Array, sha256: Sha256 = pureSha256): Uint8Array => sha256(leafValue)

interface RelayDraft {
  request: RelayRequestDraft | undefined
  response: RelayResponseDraft | undefined
}

const readRelay = (reader: ProtoReader, draft: RelayDraft): void => {
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        draft.request ??= emptyRelayRequest()
        reader.message("req", readRelayRequest, draft.request)
        break
      case 2:
        draft.response ??= emptyRelayResponse()
        reader.message("res", readRelayResponse, draft.response)
        break
      default:
        reader.skip()
    }
  }
}

/** Bytes of a part beside its payload, about; only the width of the length prefix depends on it. */
const EXPECTED_PART_BYTES = 420

const writeRelay = (writer: ProtoWriter, relay: Relay): void => {
  const { request, response } = relay
  if (request !== undefined) {
    writer.message(1, writeRelayRequest, request, EXPECTED_PART_BYTES + request.payload.length)
  }
  if (response !== undefined) {
    writer.message(2, writeRelayResponse, response, EXPECTED_PART_BYTES + response.payload.length)
  }
}
