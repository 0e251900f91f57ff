/** Shapes of the vector files about relays, and builders for relay values. */
import { loadVectors } from "../../vectors/load.ts"
import type { RelayRequest } from "../../../domain/relay/RelayRequest.ts"
import type { SessionHeader } from "../../../domain/relay/SessionHeader.ts"

export interface HeaderVector {
  readonly application_address: string
  readonly service_id: string
  readonly session_id: string
  readonly session_start_block_height: string
  readonly session_end_block_height: string
}

export interface SignableCase {
  readonly name: string
  readonly input_hex: string
  readonly error?: string
  readonly remarshalled_hex?: string
  readonly signable_hash_hex?: string
  readonly validate_basic?: string
}

export interface SignableCases {
  readonly requests: ReadonlyArray<SignableCase>
  readonly responses: ReadonlyArray<SignableCase>
  readonly relays: ReadonlyArray<{ readonly name: string; readonly relay_hex: string; readonly relay_hash_hex: string }>
}

export interface RelayCase {
  readonly name: string
  readonly session_header: HeaderVector
  readonly supplier_operator_address: string
  readonly supplier_private_key_hex: string
  readonly request_payload_hex: string
  readonly request_signature_hex: string
  readonly ring_pubkeys_hex: ReadonlyArray<string>
  readonly request_hex: string
  readonly request_signable_hash_hex: string
  readonly response_payload_hex: string
  readonly response_payload_hash_hex: string
  readonly response_signable_hash_hex: string
  readonly response_signature_hex: string
  readonly response_hex: string
  readonly relay_hex: string
  readonly relay_hash_hex: string
}

export const signable = loadVectors<SignableCases>("signable")
export const relays = loadVectors<ReadonlyArray<RelayCase>>("relays")

/** The session header of a vector. */
export const headerOf = (vector: HeaderVector): SessionHeader => ({
  applicationAddress: vector.application_address,
  serviceId: vector.service_id,
  sessionId: vector.session_id,
  sessionStartBlockHeight: BigInt(vector.session_start_block_height),
  sessionEndBlockHeight: BigInt(vector.session_end_block_height)
})

/** A header that passes `ValidateBasic`, with changes. */
export const aHeader = (changes: Partial<SessionHeader> = {}): SessionHeader => ({
  applicationAddress: "pokt1gn4w9ysmwnuucgvn5tn36mgjstrgum6m29yg2g",
  serviceId: "svc1",
  sessionId: "071fbe6ea00730d1011020d4f2656d7ebc79948d28a0fc983d1b1e93617c9dcb",
  sessionStartBlockHeight: 21n,
  sessionEndBlockHeight: 40n,
  ...changes
})

/** A request that passes `ValidateBasic`, with changes. */
export const aRequest = (
  changes: { readonly meta?: Partial<RelayRequest["meta"]>; readonly payload?: Uint8Array } = {}
): RelayRequest => ({
  meta: {
    sessionHeader: aHeader(),
    signature: Uint8Array.of(1, 2, 3),
    supplierOperatorAddress: "pokt1220wzfkvsr5s3yvg8vdmgz73gq4zd4lz3pmgjq",
    ...changes.meta
  },
  payload: changes.payload ?? Uint8Array.of(9, 8, 7)
})
