/**
 * Ring-signed requests, made once and used by every run that sends the same request: signing is what a simulated relay
 * would cost most. The same holds for verdicts about signatures.
 */
import { Effect, Result } from "effect"
import { loadSecp256k1Native } from "../../adapters/crypto/Secp256k1Native.ts"
import { nodeSha256 } from "../../adapters/crypto/NodeSha256.ts"
import { makeRingVerificationNative } from "../../adapters/crypto/RingVerificationNative.ts"
import { makeSupplierSigningNative } from "../../adapters/crypto/SupplierSigningNative.ts"
import type { SignMessage } from "../../domain/keys/KeyRing.ts"
import { sign as signPure, verify as verifyPure } from "../../domain/keys/SupplierSignature.ts"
import type { RingVerifier } from "../../domain/ports/RingVerifier.ts"
import { encodeHttpRequest } from "../../domain/relay/PoktHttp.ts"
import { encodeRelayRequest, type RelayRequest, signableHash } from "../../domain/relay/RelayRequest.ts"
import type { SessionHeader } from "../../domain/relay/SessionHeader.ts"
import { encode, type RingSignature } from "../../domain/ring/RingSignature.ts"
import { sign } from "../../domain/ring/RingSigning.ts"
import { verify as verifyRingPure } from "../../domain/ring/RingVerification.ts"
import { bytesToText, textToBytes } from "../../domain/wire/ByteText.ts"
import { type Verifiers } from "../../adapters/simchain/Verifiers.ts"
import { type ApplicationActor, stranger } from "./Actors.ts"

/** What is wrong with a request on purpose. */
export type RequestDefect = "none" | "tampered" | "stranger" | "forged"

/** A request that a gateway may send. */
export interface SignedRequest {
  readonly request: RelayRequest
  readonly bytes: Uint8Array
  /** 32 bytes that the ring is asked to have signed. */
  readonly hash: Uint8Array
  /** Text of the call's body, of no other request. */
  readonly body: string
}

const native = loadSecp256k1Native()
const verifyRingFast = Result.isSuccess(native)
  ? makeRingVerificationNative(native.success, { memberCapacity: 1_000 }).verify
  : verifyRingPure
const signFast: SignMessage = Result.isSuccess(native) ? makeSupplierSigningNative(native.success) : signPure

const requests = new Map<string, SignedRequest>()
const ringVerdicts = new Map<string, boolean>()
const signatures = new Map<string, Uint8Array>()
const signatureVerdicts = new Map<string, boolean>()

/** Entries kept in each memory; beyond it all are forgotten, which costs time only. */
const CAPACITY = 100_000

const remembered = <A>(memory: Map<string, A>, key: string, make: () => A): A => {
  const known = memory.get(key)
  if (known !== undefined) return known
  if (memory.size >= CAPACITY) memory.clear()
  const made = make()
  memory.set(key, made)
  return made
}

/** The `serial`-th request of the application to the supplier in the session. Its body names it. */
export const signedRequest = (
  application: ApplicationActor,
  header: SessionHeader,
  supplier: string,
  serial: number,
  defect: RequestDefect
): SignedRequest =>
  remembered(requests, `${header.sessionId}|${supplier}|${serial}|${defect}`, () => {
    const name = `${header.sessionId.slice(0, 12)}/${supplier.slice(-8)}/${serial}/${defect}`
    const body = `{"id":"${name}","method":"eth_blockNumber"}`
    const payload = callPayload(body)
    const unsigned: RelayRequest = {
      meta: { sessionHeader: header, signature: new Uint8Array(0), supplierOperatorAddress: supplier },
      payload
    }
    const hash = signableHash(unsigned, nodeSha256)
    const random = (label: string) => nodeSha256(textToBytes(`${header.sessionId}/${supplier}/${serial}/${label}`))
    const isStranger = defect === "stranger"
    const ring = isStranger ? [stranger.publicKey, application.publicKey] : application.ring
    const signature = Result.getOrThrow(
      sign({
        message: defect === "forged" ? random("other message") : hash,
        ring,
        privateKey: isStranger ? stranger.privateKey : application.signer,
        nonce: random("nonce"),
        decoys: ring.map((_, index) => random(`decoy ${index}`))
      })
    )
    const sent = defect === "tampered" ? `{"id":"${name}","method":"eth_sendRawTransaction"}` : body
    const request: RelayRequest = {
      meta: { ...unsigned.meta, signature: encode(signature) },
      payload: callPayload(sent)
    }
    return { request, bytes: encodeRelayRequest(request), hash: signableHash(request, nodeSha256), body: sent }
  })

const callPayload = (body: string): Uint8Array =>
  Result.getOrThrow(
    encodeHttpRequest({
      method: "POST",
      headers: [{ key: "Content-Type", values: ["application/json"] }],
      url: "http://gateway.example/v1",
      body: textToBytes(body)
    })
  )

/** Native verdict about a ring signature, remembered. */
export const verifyRing = (message: Uint8Array, signature: RingSignature): boolean =>
  remembered(ringVerdicts, bytesToText(message) + bytesToText(encode(signature)), () =>
    verifyRingFast(message, signature)
  )

export const ringVerifier: RingVerifier["Service"] = {
  verify: (message, signature) => Effect.sync(() => verifyRing(message, signature))
}

/** Supplier signatures are deterministic, so they are remembered too. */
export const signMessage: SignMessage = (privateKey, message) =>
  remembered(signatures, bytesToText(privateKey) + bytesToText(nodeSha256(message)), () =>
    signFast(privateKey, message)
  )

/** Whether the 64-byte signature of a supplier holds. */
export const verifySignature = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean =>
  remembered(
    signatureVerdicts,
    bytesToText(publicKey) + bytesToText(signature) + bytesToText(nodeSha256(message)),
    () => verifyFast(publicKey, message, signature)
  )

/** The native library verifies too; the product has no use for it. */
interface NativeVerification {
  readonly ecdsaVerify: (signature: Uint8Array, digest: Uint8Array, publicKey: Uint8Array) => boolean
}

const verifyFast = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean => {
  if (Result.isFailure(native) || signature.length !== 64) return verifyPure(publicKey, message, signature)
  // The package documents this function beside those that the product declares.
  return (native.success as unknown as NativeVerification).ecdsaVerify(signature, nodeSha256(message), publicKey)
}

/** Cryptography for the simulated chain. */
export const verifiers: Verifiers = { verifySignature, verifyRing, sha256: nodeSha256 }
