/**
 * `RingVerifier` in pure code: runs anywhere, about 4 ms of CPU for a ring of two.
 * The fallback where no native library is at hand, and the reference the faster adapters are compared with.
 */
import { Effect, Layer } from "effect"
import { RingVerifier } from "../ports/RingVerifier.ts"
import { makeMemberPoints, verify } from "./RingVerification.ts"

/** Members kept by default: the keys of about 1000 applications with their gateways, near 1 KB each. */
export const DEFAULT_MEMBER_CAPACITY = 4096

/** A verifier that keeps at most `memberCapacity` members. */
export const make = (memberCapacity: number = DEFAULT_MEMBER_CAPACITY): RingVerifier["Service"] => {
  const members = makeMemberPoints(memberCapacity)
  return { verify: (message, signature) => Effect.sync(() => verify(message, signature, { members })) }
}

/** The pure verifier with the default capacity. */
export const layer: Layer.Layer<RingVerifier> = Layer.sync(RingVerifier, () => make())
