/** `RingVerifier` through libsecp256k1; in pure code on worker threads, with one warning, where that is not available. */
import { Effect, Layer, Result } from "effect"
import { RingVerifier } from "../../domain/ports/RingVerifier.ts"
import { DEFAULT_MEMBER_CAPACITY } from "../../domain/ring/RingVerifierPure.ts"
import { ringCacheGauges } from "./RingCacheGauges.ts"
import { makeRingVerificationNative } from "./RingVerificationNative.ts"
import * as RingVerifierWorkers from "./RingVerifierWorkers.ts"
import { makeVerificationTurns } from "./VerificationTurns.ts"
import { loadSecp256k1Native, type NativeUnavailable, type Secp256k1Native, warnOnce } from "./Secp256k1Native.ts"

/**
 * A verifier that keeps at most `memberCapacity` members, near 1 KB each, in this process or in each thread.
 * `native` is the library or why there is none; by default it is loaded here.
 */
export const layerWith = (
  memberCapacity: number,
  native: Result.Result<Secp256k1Native, NativeUnavailable> = loadSecp256k1Native()
): Layer.Layer<RingVerifier> =>
  Layer.effect(
    RingVerifier,
    Effect.gen(function* () {
      if (Result.isFailure(native)) {
        yield* warnOnce(native.failure)
        return yield* RingVerifierWorkers.make({ memberCapacity })
      }
      const { fill, verify } = makeRingVerificationNative(native.success, { memberCapacity })
      yield* ringCacheGauges(fill)
      return makeVerificationTurns(verify)
    })
  )

/** The native verifier with the default capacity. */
export const layer: Layer.Layer<RingVerifier> = Layer.suspend(() => layerWith(DEFAULT_MEMBER_CAPACITY))
