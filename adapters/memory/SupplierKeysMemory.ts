/** `SupplierKeys` over keys held in memory, signing in pure code: tests, the simulation, and where nothing faster is at hand. */
import { Effect, Layer, type Redacted, SubscriptionRef } from "effect"
import { type KeyRing, makeKeyRing, makeSupplierKeys } from "../../domain/keys/KeyRing.ts"
import { sign } from "../../domain/keys/SupplierSignature.ts"
import { SupplierKeys } from "../../domain/ports/SupplierKeys.ts"

/** A fixed set of keys, each between 1 and N − 1. */
export const layer = (privateKeys: Iterable<Redacted.Redacted<Uint8Array>>): Layer.Layer<SupplierKeys> =>
  Layer.effect(
    SupplierKeys,
    Effect.map(SubscriptionRef.make(makeKeyRing(privateKeys)), (ring) => makeSupplierKeys(ring, sign))
  )

/** Keys that the owner of `ring` may replace while the process runs. */
export const layerRing = (ring: SubscriptionRef.SubscriptionRef<KeyRing>): Layer.Layer<SupplierKeys> =>
  Layer.succeed(SupplierKeys, makeSupplierKeys(ring, sign))
