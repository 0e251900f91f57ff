/**
 * Real signed relays for tests: keys from a seed, ring-signed requests, supplier-signed responses, leaves, and the tries
 * and proofs made of them. Deterministic: equal inputs give equal bytes.
 */
import { Result } from "effect"
import { sha256 } from "../../domain/crypto/Sha256.ts"
import { addressOf } from "../../domain/keys/Address.ts"
import { privateKeyFromSecret, publicKeyOf } from "../../domain/keys/PrivateKey.ts"
import { sign } from "../../domain/keys/SupplierSignature.ts"
import { dehydrate, relayHash } from "../../domain/relay/Relay.ts"
import { type RelayRequest, signableHash } from "../../domain/relay/RelayRequest.ts"
import {
  buildResponse,
  type RelayResponse,
  responseSignableHash,
  withSignature
} from "../../domain/relay/RelayResponse.ts"
import type { SessionHeader } from "../../domain/relay/SessionHeader.ts"
import { PLACEHOLDER } from "../../domain/ring/RingMembers.ts"
import { encode } from "../../domain/ring/RingSignature.ts"
import { sign as signRing } from "../../domain/ring/RingSigning.ts"
import { proveClosest } from "../../domain/smst/ClosestProof.ts"
import { compact } from "../../domain/smst/CompactProof.ts"
import { encode as encodeGob } from "../../domain/smst/GobProof.ts"
import { Trie } from "../../domain/smst/Trie.ts"
import { bytesToText, textToBytes } from "../../domain/wire/ByteText.ts"

/** A key pair with its address. */
export interface TestKey {
  readonly privateKey: Uint8Array
  readonly publicKey: Uint8Array
  readonly address: string
}

/** The key that a text stands for: the same text, the same key. */
export const testKey = (secret: string): TestKey => keyOf(privateKeyFromSecret(textToBytes(`test key ${secret}`)))

/** The key pair of 32 private bytes. */
export const keyOf = (privateKey: Uint8Array): TestKey => {
  const publicKey = publicKeyOf(privateKey)
  return { privateKey, publicKey, address: addressOf(publicKey) }
}

/** The public second member of rings of applications without gateways. */
export const placeholderKey: TestKey = {
  privateKey: PLACEHOLDER.privateKey,
  publicKey: PLACEHOLDER.publicKey,
  address: PLACEHOLDER.address
}

/** What a relay is made of. */
export interface RelayParts {
  readonly header: SessionHeader
  /** Signs the response; its address stands in the request. */
  readonly supplier: TestKey
  /** Signs the request. */
  readonly signer: TestKey
  /** Public keys of the ring in the signature's order; `signer` and the placeholder by default. */
  readonly ring?: ReadonlyArray<Uint8Array>
  /** Makes the relay unlike others: enters payload, nonce and decoys. */
  readonly salt?: string
  /** Header of the response, the request's by default. */
  readonly responseHeader?: SessionHeader
  /** Changes the request before it is signed. */
  readonly changeRequest?: (request: RelayRequest) => RelayRequest
  /** Changes the signed response. */
  readonly changeResponse?: (response: RelayResponse) => RelayResponse
}

/** A served relay and the leaf it becomes. */
export interface TestRelay {
  readonly request: RelayRequest
  /** As served, payload included. */
  readonly response: RelayResponse
  /** Leaf value. */
  readonly leaf: Uint8Array
  /** Key of the leaf. */
  readonly hash: Uint8Array
}

/** A request signed by the ring. */
export const buildRequest = (parts: RelayParts): RelayRequest => {
  const salt = parts.salt ?? "0"
  const bytes = (part: string) => sha256(textToBytes(`${part} ${salt}`))
  const ring = parts.ring ?? [parts.signer.publicKey, PLACEHOLDER.publicKey]
  const unsigned: RelayRequest = {
    meta: {
      sessionHeader: parts.header,
      signature: new Uint8Array(0),
      supplierOperatorAddress: parts.supplier.address
    },
    payload: textToBytes(`{"jsonrpc":"2.0","id":"${salt}","method":"eth_blockNumber"}`)
  }
  const request = parts.changeRequest?.(unsigned) ?? unsigned
  const signature = Result.getOrThrow(
    signRing({
      message: signableHash(request),
      ring,
      privateKey: parts.signer.privateKey,
      nonce: bytes("nonce"),
      decoys: ring.map((_, index) => bytes(`decoy ${index}`))
    })
  )
  return { ...request, meta: { ...request.meta, signature: encode(signature) } }
}

/** A response of the supplier to the request. */
export const buildSignedResponse = (parts: RelayParts): RelayResponse => {
  const unsigned = Result.getOrThrow(
    buildResponse({
      sessionHeader: parts.responseHeader ?? parts.header,
      payload: textToBytes(`{"jsonrpc":"2.0","id":"${parts.salt ?? "0"}","result":"0x1"}`)
    })
  )
  const signed = withSignature(unsigned, sign(parts.supplier.privateKey, responseSignableHash(unsigned)))
  return parts.changeResponse?.(signed) ?? signed
}

/** A whole relay. */
export const buildRelay = (parts: RelayParts): TestRelay => {
  const request = buildRequest(parts)
  const response = buildSignedResponse(parts)
  const leaf = dehydrate(request, response)
  return { request, response, leaf, hash: relayHash(leaf) }
}

/** Relays that differ in their salt only. */
export const buildRelays = (count: number, parts: RelayParts): ReadonlyArray<TestRelay> =>
  Array.from({ length: count }, (_, index) => buildRelay({ ...parts, salt: `${parts.salt ?? ""}${index}` }))

/** The trie of a session with proofs by path. */
export interface TestTrie {
  /** 48 bytes. */
  readonly root: Uint8Array
  /** Gob bytes of the compact closest proof for a 32-byte path. */
  readonly prove: (path: Uint8Array) => Uint8Array
}

/** A trie of leaves, each of weight `computeUnits`. */
export const buildTrie = (
  leaves: ReadonlyArray<{ readonly leaf: Uint8Array; readonly hash: Uint8Array }>,
  computeUnits: bigint
): TestTrie => {
  const trie = Trie.empty()
  const nodes = new Map<string, Uint8Array>()
  for (const { leaf, hash } of leaves) Result.getOrThrow(trie.update(hash, leaf, computeUnits))
  for (const { digest, encoding } of trie.commit().writes) nodes.set(bytesToText(digest), encoding)
  return {
    root: trie.root(),
    prove: (path) =>
      encodeGob(compact(Result.getOrThrow(proveClosest(trie, path, (digest) => nodes.get(bytesToText(digest))))))
  }
}
