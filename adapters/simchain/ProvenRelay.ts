/** The relay inside a proof: decoding, and the checks of `MsgSubmitProof` that only look at it and the chain's session. */
import { Result } from "effect"
import type { SessionHeader } from "../../domain/relay/SessionHeader.ts"
import { decodeRelay } from "../../domain/relay/Relay.ts"
import { type DifficultyMultiplier, isApplicable, multiplier } from "../../domain/relay/RelayDifficulty.ts"
import type { RelayRequest } from "../../domain/relay/RelayRequest.ts"
import type { RelayResponse } from "../../domain/relay/RelayResponse.ts"
import { type CompactProof, type ClosestProof, decompact } from "../../domain/smst/CompactProof.ts"
import { decode } from "../../domain/smst/GobProof.ts"
import { headerError } from "../../domain/tx/ProofMessageValidation.ts"
import { PROOF, type RegisteredError, SERVICE, wrap } from "./ChainErrors.ts"
import { LOCATION, quoted } from "./GoText.ts"
import type { Verifiers } from "./Verifiers.ts"

/** A decoded proof with its relay. */
export interface ProvenRelay {
  readonly compact: CompactProof
  readonly closest: ClosestProof
  /** Leaf value: the closest value without sum and count. */
  readonly leafValue: Uint8Array
  readonly request: RelayRequest | undefined
  readonly response: RelayResponse | undefined
}

/** A registered error with its detail. */
export interface RelayFault {
  readonly error: RegisteredError
  readonly detail: string
}

/** The whole text of a fault. */
export const faultText = ({ error, detail }: RelayFault): string => wrap(error, detail)

/** Sum and count at the end of a leaf's value. */
const LEAF_TAIL_BYTES = 16

/** Decodes the bytes of a proof and the relay in its leaf. Source: poktroll `x/proof/keeper/proof_validation.go`. */
export const decodeProof = (bytes: Uint8Array): Result.Result<ProvenRelay, RelayFault> =>
  Result.gen(function* () {
    const compact = yield* Result.mapError(decode(bytes), (error) =>
      fault(PROOF.invalidProof, `failed to unmarshal sparse compact merkle closest proof: ${error.message}`)
    )
    const closest = yield* Result.mapError(decompact(compact), (error) =>
      fault(PROOF.invalidProof, `failed to decompact sparse erkle closest proof: ${error.message}`)
    )
    const value = closest.closestValueHash
    if (value.length < LEAF_TAIL_BYTES) {
      return yield* Result.fail(fault(PROOF.invalidRelay, "failed to unmarshal relay: unexpected EOF"))
    }
    const leafValue = value.slice(0, value.length - LEAF_TAIL_BYTES)
    const relay = yield* Result.mapError(decodeRelay(leafValue), (error) =>
      fault(PROOF.invalidRelay, `failed to unmarshal relay: ${error.message}`)
    )
    return { compact, closest, leafValue, ...relay }
  })

/** Checks 10 to 14 against the chain's header, supplier and target; the first fault decides. */
export const checkProvenRelay = (
  relay: ProvenRelay,
  expected: { readonly header: SessionHeader; readonly supplier: string; readonly target: Uint8Array },
  verifiers: Verifiers
): RelayFault | undefined => {
  const request = relay.request?.meta
  const response = relay.response?.meta
  const requestFault = checkMetadata(SERVICE.invalidRelayRequest, "missing session header", request?.sessionHeader, "")
  if (requestFault !== undefined) return requestFault
  if (request === undefined || request.signature.length === 0) {
    return fault(SERVICE.invalidRelayRequest, "missing application signature")
  }
  if (request.supplierOperatorAddress === "") {
    return fault(SERVICE.invalidRelayRequest, "relay metadata missing supplier operator address")
  }
  if (request.supplierOperatorAddress !== expected.supplier) {
    return fault(PROOF.supplierMismatch, "supplier type mismatch")
  }
  const responseFault = checkMetadata(SERVICE.invalidRelayResponse, "missing meta", response?.sessionHeader, LOCATION)
  if (responseFault !== undefined) return responseFault
  if (response === undefined || response.supplierOperatorSignature.length === 0) {
    return fault(SERVICE.invalidRelayResponse, "missing supplier operator signature")
  }
  return (
    compareHeaders(expected.header, request.sessionHeader) ??
    compareHeaders(expected.header, response.sessionHeader) ??
    checkDifficulty(relay.leafValue, expected.target, expected.header.serviceId, verifiers)
  )
}

const checkMetadata = (
  error: RegisteredError,
  missing: string,
  header: SessionHeader | undefined,
  location: string
): RelayFault | undefined => {
  if (header === undefined) return fault(error, missing)
  const text = headerError(header)
  return text === undefined ? undefined : fault(error, `invalid session header: ${text}${location}`)
}

/** Five fields in the chain's order. Source: poktroll `x/proof/keeper/proof_validation.go`, compareSessionHeaders. */
const compareHeaders = (expected: SessionHeader, got: SessionHeader | undefined): RelayFault | undefined => {
  const mismatch = (name: string, verb: string, left: string, right: string) =>
    fault(PROOF.invalidRelay, `session headers ${name} mismatch; ${verb}: ${left}, got: ${right}`)
  if (got === undefined) return mismatch("application addresses", "expect", quoted(expected.applicationAddress), '""')
  if (got.applicationAddress !== expected.applicationAddress) {
    return mismatch(
      "application addresses",
      "expect",
      quoted(expected.applicationAddress),
      quoted(got.applicationAddress)
    )
  }
  if (got.serviceId !== expected.serviceId) {
    return mismatch("service IDs", "expected", quoted(expected.serviceId), quoted(got.serviceId))
  }
  if (got.sessionStartBlockHeight !== expected.sessionStartBlockHeight) {
    const heights = [expected.sessionStartBlockHeight, got.sessionStartBlockHeight] as const
    return mismatch("session start heights", "expected", `${heights[0]}`, `${heights[1]}`)
  }
  if (got.sessionEndBlockHeight !== expected.sessionEndBlockHeight) {
    const heights = [expected.sessionEndBlockHeight, got.sessionEndBlockHeight] as const
    return mismatch("session end heights", "expected", `${heights[0]}`, `${heights[1]}`)
  }
  return got.sessionId === expected.sessionId
    ? undefined
    : mismatch("session IDs", "expected", quoted(expected.sessionId), quoted(got.sessionId))
}

const checkDifficulty = (
  leafValue: Uint8Array,
  target: Uint8Array,
  service: string,
  verifiers: Verifiers
): RelayFault | undefined => {
  const hash = verifiers.sha256(leafValue)
  return isApplicable(hash, target)
    ? undefined
    : fault(
        PROOF.invalidDifficulty,
        `failed to validate relay difficulty for service ${service} due to: the difficulty relay being proven is ` +
          `(${fraction(hash)}), and is smaller than the target difficulty (${fraction(target)}): invalid relay${LOCATION}`
      )
}

const fraction = (hash: Uint8Array): string => {
  const { numerator, denominator }: DifficultyMultiplier = Result.getOrElse(multiplier(hash), () => ({
    numerator: 0n,
    denominator: 1n
  }))
  return `${numerator}/${denominator}`
}

const fault = (error: RegisteredError, detail: string): RelayFault => ({ error, detail })
