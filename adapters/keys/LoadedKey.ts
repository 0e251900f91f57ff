/** A private key that was read and found usable, with what is derived from it. */
import { Effect, Redacted } from "effect"
import { addressOf } from "../../domain/keys/Address.ts"
import type { HeldKey } from "../../domain/keys/KeyRing.ts"
import { publicKeyOf } from "../../domain/keys/PrivateKey.ts"
import { SupplierAddress } from "../../domain/protocol/Identifiers.ts"

/** A key and its address. */
export interface LoadedKey {
  readonly address: SupplierAddress
  readonly held: HeldKey
}

/**
 * Derives public key and address of a key between 1 and N − 1 (`parsePrivateKey`). Yields first: it takes 0.2 ms, and a
 * file may have a thousand keys beside which relays go on being served.
 */
export const holdKey = (privateKey: Redacted.Redacted<Uint8Array>): Effect.Effect<LoadedKey> =>
  Effect.andThen(
    Effect.yieldNow,
    Effect.sync(() => {
      const publicKey = publicKeyOf(Redacted.value(privateKey))
      return { address: SupplierAddress.make(addressOf(publicKey)), held: { privateKey, publicKey } }
    })
  )
