/** A delivery of the log, read and checked for what can be checked without looking anything up. */
import { Result } from "effect"
import type { Sha256 } from "../crypto/Sha256.ts"
import type { Delivery } from "../ports/SupplierStore.ts"
import { decodeMinedRelay, type MinedRelay } from "../relay/MinedRelay.ts"
import { isSameSessionHeader, type SessionHeader, validateSessionHeader } from "../relay/SessionHeader.ts"
import { bytesEqual, pathOf } from "../smst/TrieSpec.ts"

/** A relay that can be folded into the trie of its session. */
export interface MinedDelivery {
  readonly delivery: Delivery
  readonly relay: MinedRelay
  readonly header: SessionHeader
  /** Key of the leaf, 32 bytes, computed here: the message's own hash may be absent. */
  readonly key: Uint8Array
  /** Where the leaf belongs, 32 bytes. */
  readonly path: Uint8Array
}

/** Why an entry is set aside: it can never become a leaf. */
export type Poison =
  | "undecodable"
  | "relay_hash_mismatch"
  | "other_supplier"
  | "malformed_session"
  | "session_header_mismatch"
  | "unknown_service"

/**
 * Decodes the entry and compares its hash, its supplier and its session with what they have to be. `headers` are those
 * of the batch that were found valid, by session id: checking the address of one costs more than reading the relay.
 */
export const readDelivery = (
  supplier: string,
  delivery: Delivery,
  sha256: Sha256,
  headers: Map<string, SessionHeader>
): Result.Result<MinedDelivery, Poison> => {
  const decoded = decodeMinedRelay(delivery.data)
  if (Result.isFailure(decoded)) return Result.fail("undecodable")
  const relay = decoded.success
  if (relay.relayBytes.length === 0) return Result.fail("undecodable")
  const key = sha256(relay.relayBytes)
  if (relay.relayHash.length > 0 && !bytesEqual(relay.relayHash, key)) return Result.fail("relay_hash_mismatch")
  if (relay.supplierOperatorAddress !== supplier) return Result.fail("other_supplier")
  const header = validHeader(relay, headers)
  return header === undefined
    ? Result.fail("malformed_session")
    : Result.succeed({ delivery, relay, header, key, path: pathOf(key, sha256) })
}

/** The relay's header if it is valid; one object for all relays that have the same. */
const validHeader = (relay: MinedRelay, headers: Map<string, SessionHeader>): SessionHeader | undefined => {
  const header: SessionHeader = {
    applicationAddress: relay.applicationAddress,
    serviceId: relay.serviceId,
    sessionId: relay.sessionId,
    sessionStartBlockHeight: relay.sessionStartHeight,
    sessionEndBlockHeight: relay.sessionEndHeight
  }
  const known = headers.get(header.sessionId)
  if (known !== undefined && isSameSessionHeader(header, known)) return known
  if (Result.isFailure(validateSessionHeader(header))) return undefined
  headers.set(header.sessionId, header)
  return header
}
