/**
 * The private keys of the suppliers served by one process, and `SupplierKeys` over them.
 * The owner of the ring (a key file watcher, a test) replaces it as a whole; whoever signs sees the present one.
 */
import { Effect, Option, Redacted, Stream, SubscriptionRef } from "effect"
import { KeyNotHeld, type SupplierKeys } from "../ports/SupplierKeys.ts"
import { SupplierAddress } from "../protocol/Identifiers.ts"
import { addressOf } from "./Address.ts"
import { publicKeyOf } from "./PrivateKey.ts"

/** One loaded key: 32 bytes, and the 33-byte compressed public key. */
export interface HeldKey {
  readonly privateKey: Redacted.Redacted<Uint8Array>
  readonly publicKey: Uint8Array
}

/** Keys by operator address, in ascending order of address. */
export type KeyRing = ReadonlyMap<SupplierAddress, HeldKey>

/** Makes the signature (64 bytes) of a message by a 32-byte private key: `SupplierSignature.sign` or its native equal. */
export type SignMessage = (privateKey: Uint8Array, message: Uint8Array) => Uint8Array

/** The ring of these keys, each between 1 and N − 1 (`parsePrivateKey`); a key given twice is held once. */
export const makeKeyRing = (privateKeys: Iterable<Redacted.Redacted<Uint8Array>>): KeyRing => {
  const held = Array.from(privateKeys, (privateKey): readonly [SupplierAddress, HeldKey] => {
    const publicKey = publicKeyOf(Redacted.value(privateKey))
    return [SupplierAddress.make(addressOf(publicKey)), { privateKey, publicKey }]
  })
  return new Map(held.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
}

/** `SupplierKeys` over the present value of a ring. */
export const makeSupplierKeys = (
  ring: SubscriptionRef.SubscriptionRef<KeyRing>,
  sign: SignMessage
): SupplierKeys["Service"] => ({
  held: Effect.map(SubscriptionRef.get(ring), addresses),
  isHeld: (supplier) => SubscriptionRef.getUnsafe(ring).has(supplier),
  publicKey: (supplier) =>
    Effect.sync(() => {
      const key = SubscriptionRef.getUnsafe(ring).get(supplier)
      return key === undefined ? Option.none() : Option.some(new Uint8Array(key.publicKey))
    }),
  sign: (supplier, message) =>
    Effect.suspend(() => {
      const key = SubscriptionRef.getUnsafe(ring).get(supplier)
      return key === undefined
        ? Effect.fail(new KeyNotHeld({ supplier }))
        : Effect.succeed(sign(Redacted.value(key.privateKey), message))
    }),
  changes: Stream.map(SubscriptionRef.changes(ring), addresses)
})

const addresses = (ring: KeyRing): ReadonlyArray<SupplierAddress> => [...ring.keys()]
