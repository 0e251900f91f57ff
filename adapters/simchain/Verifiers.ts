/**
 * The cryptography of the chain, handed in: signatures dominate the cost of a simulated chain, and the fast verifiers live
 * in another adapter. Verdicts are remembered, since the same bytes are verified by CheckTx, the block and several seeds.
 */
import { type Sha256, sha256 as pureSha256 } from "../../domain/crypto/Sha256.ts"
import { verify as pureVerify } from "../../domain/keys/SupplierSignature.ts"
import type { RingSignature } from "../../domain/ring/RingSignature.ts"
import { encode } from "../../domain/ring/RingSignature.ts"
import { verify as pureVerifyRing } from "../../domain/ring/RingVerification.ts"
import { bytesToText } from "../../domain/wire/ByteText.ts"

/** The functions that a chain computes signatures and hashes with. Synchronous, without side effects. */
export interface Verifiers {
  /** ECDSA over SHA-256(message), as `SupplierSignature.verify`. */
  readonly verifySignature: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean
  /** The ring equation over a 32-byte message, as `RingVerification.verify`. */
  readonly verifyRing: (message: Uint8Array, signature: RingSignature) => boolean
  readonly sha256: Sha256
}

/** Most verdicts remembered of each kind; the oldest goes first. About 300 bytes each. */
export const MAX_REMEMBERED_VERDICTS = 20_000

/**
 * Verifiers of pure code where `given` has none, with a memory for verdicts. Share one value among chains to share the
 * memory: a value of this function is returned as it is.
 */
export const rememberingVerifiers = (given: Partial<Verifiers> = {}): Verifiers => {
  const known = remembering.get(given)
  if (known !== undefined) return known
  const sha256 = given.sha256 ?? pureSha256
  const verifySignature = given.verifySignature ?? pureVerify
  const verifyRing = given.verifyRing ?? pureVerifyRing
  const rememberSignature = boundedMemory()
  const rememberRing = boundedMemory()
  const verifiers: Verifiers = {
    sha256,
    verifySignature: (publicKey, message, signature) =>
      rememberSignature(bytesToText(publicKey) + bytesToText(signature) + bytesToText(sha256(message)), () =>
        verifySignature(publicKey, message, signature)
      ),
    verifyRing: (message, signature) =>
      rememberRing(bytesToText(message) + bytesToText(encode(signature)), () => verifyRing(message, signature))
  }
  remembering.set(verifiers, verifiers)
  return verifiers
}

/** The values that this module has made. */
const remembering = new WeakMap<Partial<Verifiers>, Verifiers>()

const boundedMemory = () => {
  const verdicts = new Map<string, boolean>()
  return (key: string, decide: () => boolean): boolean => {
    const known = verdicts.get(key)
    if (known !== undefined) return known
    const verdict = decide()
    if (verdicts.size >= MAX_REMEMBERED_VERDICTS) {
      const [oldest] = verdicts.keys()
      if (oldest !== undefined) verdicts.delete(oldest)
    }
    verdicts.set(key, verdict)
    return verdict
  }
}
