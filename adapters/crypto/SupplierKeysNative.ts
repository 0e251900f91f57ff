/**
 * `SupplierKeys` that signs through libsecp256k1; in pure code, with one warning, where that is not available. A pure signature
 * takes 0.4 ms (linux-x64, Node 24) and stays on the event loop: a fifth of what the pure verification of the same relay costs
 * on its thread, and the key need not leave this one.
 */
import { Effect, Layer, type Redacted, Result, SubscriptionRef } from "effect"
import { type KeyRing, makeKeyRing, makeSupplierKeys } from "../../domain/keys/KeyRing.ts"
import { sign } from "../../domain/keys/SupplierSignature.ts"
import { SupplierKeys } from "../../domain/ports/SupplierKeys.ts"
import { loadSecp256k1Native, type NativeUnavailable, type Secp256k1Native, warnOnce } from "./Secp256k1Native.ts"
import { makeSupplierSigningNative } from "./SupplierSigningNative.ts"

/**
 * Keys that the owner of `ring` may replace while the process runs.
 * `native` is the library or why there is none; by default it is loaded here.
 */
export const layerRing = (
  ring: SubscriptionRef.SubscriptionRef<KeyRing>,
  native: Result.Result<Secp256k1Native, NativeUnavailable> = loadSecp256k1Native()
): Layer.Layer<SupplierKeys> => Layer.effect(SupplierKeys, make(ring, native))

/** A fixed set of keys, each between 1 and N − 1. */
export const layer = (
  privateKeys: Iterable<Redacted.Redacted<Uint8Array>>,
  native: Result.Result<Secp256k1Native, NativeUnavailable> = loadSecp256k1Native()
): Layer.Layer<SupplierKeys> =>
  Layer.effect(
    SupplierKeys,
    Effect.flatMap(SubscriptionRef.make(makeKeyRing(privateKeys)), (ring) => make(ring, native))
  )

const make = (
  ring: SubscriptionRef.SubscriptionRef<KeyRing>,
  native: Result.Result<Secp256k1Native, NativeUnavailable>
): Effect.Effect<SupplierKeys["Service"]> =>
  Result.isSuccess(native)
    ? Effect.succeed(makeSupplierKeys(ring, makeSupplierSigningNative(native.success)))
    : Effect.as(warnOnce(native.failure), makeSupplierKeys(ring, sign))
