/**
 * Validation of the block's proofs at its end: keys, ring signature, response signature, path, closest proof. The claim's
 * status says how it went; the proof is dropped in the same block. Source: poktroll `x/proof/keeper/validate_proofs.go`.
 */
import { bytesToHex } from "@noble/hashes/utils.js"
import { Result } from "effect"
import type { Application } from "../../domain/chain/Application.ts"
import { type RelayRequest, signableHash } from "../../domain/relay/RelayRequest.ts"
import { type RelayResponse, responseSignableHash } from "../../domain/relay/RelayResponse.ts"
import { firstStranger, makeRingKeys, PLACEHOLDER, ringAddresses, ringHeight } from "../../domain/ring/RingMembers.ts"
import { decode, memberBound } from "../../domain/ring/RingSignature.ts"
import { proofPath } from "../../domain/settlement/ProofRequirement.ts"
import { verify } from "../../domain/smst/ProofVerification.ts"
import { bytesEqual } from "../../domain/smst/TrieSpec.ts"
import { type Claim, ClaimProofStatus, type MsgSubmitProof } from "../../domain/tx/ProofMessages.ts"
import { PROOF, SERVICE, wrap } from "./ChainErrors.ts"
import { type ChainState, claimKey, sharedLive } from "./ChainState.ts"
import { headerOf, proofSeed } from "./ClaimFacts.ts"
import { decodeProof, faultText } from "./ProvenRelay.ts"
import type { Verifiers } from "./Verifiers.ts"

/** The verdict on one proof. */
export interface ProofVerdict {
  readonly claim: Claim
  /** Empty if the proof is valid. */
  readonly failureReason: string
}

/** Validates every stored proof; the state has the new statuses and no proofs. Order: session id, then supplier. */
export const validateProofs = (
  state: ChainState,
  verifiers: Verifiers
): { readonly state: ChainState; readonly verdicts: ReadonlyArray<ProofVerdict> } => {
  if (state.proofs.size === 0) return { state, verdicts: [] }
  const claims = new Map(state.claims)
  const verdicts: Array<ProofVerdict> = []
  for (const [key, proof] of [...state.proofs].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const stored = claims.get(key)
    // A proof is stored only beside its claim, and claims leave after proofs were validated.
    if (stored === undefined) continue
    const failureReason = proofFailure(state, stored, proof, verifiers) ?? ""
    const claim: Claim = {
      ...stored,
      proofValidationStatus: failureReason === "" ? ClaimProofStatus.validated : ClaimProofStatus.invalid
    }
    claims.set(claimKey(headerOf(claim).sessionId, claim.supplierOperatorAddress), claim)
    verdicts.push({ claim, failureReason })
  }
  return { state: { ...state, claims, proofs: new Map() }, verdicts }
}

/** Why the proof is not valid for the claim, in the chain's words; `undefined` if it is. */
export const proofFailure = (
  state: ChainState,
  claim: Claim,
  proof: MsgSubmitProof,
  verifiers: Verifiers
): string | undefined => {
  const supplier = proof.supplierOperatorAddress
  const account = state.accounts.get(supplier)
  if (account === undefined) return wrap(PROOF.accountNotFound, `account not found for address ${supplier}`)
  if (account.publicKey === undefined) return wrap(PROOF.publicKeyNotFound, `no public key for address ${supplier}`)
  const decoded = decodeProof(proof.proof)
  if (Result.isFailure(decoded)) return faultText(decoded.failure)
  const { compact, request, response } = decoded.success
  const path = proofPath(
    proofSeed(state, headerOf(claim).sessionEndBlockHeight),
    headerOf(claim).sessionId,
    verifiers.sha256
  )
  return (
    requestSignatureFailure(state, request, verifiers) ??
    responseSignatureFailure(response, account.publicKey, verifiers) ??
    (bytesEqual(compact.path, path) ? undefined : pathFailure(compact.path, path)) ??
    closestProofFailure(verify(compact, claim.rootHash, verifiers.sha256))
  )
}

const invalidRequestSignature = "invalid relay request signature"

/** Ring of the application at the end of the request's session; the current record and live params decide. */
const requestSignatureFailure = (
  state: ChainState,
  request: RelayRequest | undefined,
  verifiers: Verifiers
): string | undefined => {
  const header = request?.meta.sessionHeader
  if (request === undefined || header === undefined) return wrap(SERVICE.invalidRelayRequest, "missing session header")
  const application = state.applications.get(header.applicationAddress)
  if (application === undefined) {
    return `application not found for address ${header.applicationAddress}: ${invalidRequestSignature}`
  }
  const keys = ringPublicKeys(state, application, header.sessionEndBlockHeight)
  if (typeof keys === "string") return `${keys}: ${invalidRequestSignature}`
  const ring = makeRingKeys(keys)
  const decoded = decode(request.meta.signature, memberBound(ring.size))
  if (Result.isFailure(decoded)) {
    return `error deserializing relay request signature: ${decoded.failure.message}: ${invalidRequestSignature}`
  }
  if (firstStranger(decoded.success, ring) !== -1) {
    return `ring signature in the relay request does not match the expected one for the app ${application.address}: ${invalidRequestSignature}`
  }
  return verifiers.verifyRing(signableHash(request, verifiers.sha256), decoded.success)
    ? undefined
    : `invalid relay request signature or bytes: ${invalidRequestSignature}`
}

/** Keys of the ring, or why it cannot be built: one member without a key on record fails the whole ring. */
const ringPublicKeys = (
  state: ChainState,
  application: Application,
  sessionEnd: bigint
): ReadonlyArray<Uint8Array> | string => {
  const keys: Array<Uint8Array> = []
  const height = ringHeight(sharedLive(state), sessionEnd)
  for (const address of ringAddresses(application, height)) {
    const key = address === PLACEHOLDER.address ? PLACEHOLDER.publicKey : state.accounts.get(address)?.publicKey
    if (key === undefined) return `no public key for ring member ${address}`
    keys.push(key)
  }
  return keys
}

const responseSignatureFailure = (
  response: RelayResponse | undefined,
  publicKey: Uint8Array,
  verifiers: Verifiers
): string | undefined => {
  if (response === undefined) return wrap(SERVICE.invalidRelayResponse, "missing meta")
  const hash = responseSignableHash(response, verifiers.sha256)
  return verifiers.verifySignature(publicKey, hash, response.meta.supplierOperatorSignature)
    ? undefined
    : wrap(SERVICE.invalidRelayResponse, "invalid signature")
}

const pathFailure = (given: Uint8Array, expected: Uint8Array): string =>
  wrap(
    PROOF.invalidProof,
    `the path of the proof provided (${bytesToHex(given)}) does not match one expected by the onchain protocol (${bytesToHex(expected)})`
  )

const closestProofFailure = (verdict: ReturnType<typeof verify>): string | undefined => {
  if (Result.isFailure(verdict)) return wrap(PROOF.invalidProof, verdict.failure.message)
  return verdict.success ? undefined : wrap(PROOF.invalidProof, "invalid closest merkle proof")
}
